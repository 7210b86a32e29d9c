//! The audit of a HoneyBadger history: chain, signatures, shares, pointer, index and all other records.

use fm_codec::MAX_DECODE_SIZE;
use fm_crypto::EpochKeys;
use fm_eras::Layout;
use fm_eras::hbbft::{
    EpochLayout, HISTORY_TABLE, LAST_EPOCH_KEY, RecordError, Table, check_record, decode_last_epoch,
    index_row,
};
use fm_history::{
    Cause, ChainSummary, ChainVerifier, Code, ConvertedSession, EpochContent, Finding, Place, SignatureState,
    accepted_transactions,
};

use super::keys::try_keys;
use super::pipeline::{AuditedEpoch, DecodedEpoch, EpochOptions, each_epoch, epoch_leaf};
use crate::control::Control;
use crate::error::AuditError;
use crate::frame::{
    Followed, Ledger, RunningRoot, Sinks, TransactionIndex, Unknown, index_left_out, other_records,
};
use crate::outcome::HistoryAudit;
use crate::request::Request;
use crate::source::Origin;

/// Audits a history of epochs.
///
/// # Errors
/// If the source cannot be read, the observer stopped the audit, or the job was interrupted.
pub(crate) fn audit(
    origin: Origin<'_>,
    layout: EpochLayout,
    request: Request<'_>,
    control: Control<'_>,
    sinks: Sinks<'_, AuditedEpoch>,
) -> Result<HistoryAudit, AuditError> {
    let is_whole = request.scope.is_whole();
    let is_all = is_whole && request.side_records;
    let mut audit = Auditor {
        origin,
        layout,
        keys: request.epoch_keys(),
        request,
        control,
        sinks: Sinks { on_row: sinks.on_row.filter(|_| is_all), ..sinks },
        index: TransactionIndex::new()?,
        unknown: Unknown::default(),
        bad_signature: None,
        result: HistoryAudit { layout: Some(Layout::Hbbft(layout)), ..HistoryAudit::default() },
    };
    request.lacks.iter().cloned().for_each(|finding| audit.report(finding));
    audit.try_keys()?;
    // In key order, so that an observer of rows need not read them itself.
    if is_all {
        audit.check_records(&[], Some(&[HISTORY_TABLE]))?;
    }
    audit.follow_chain()?;
    if !is_whole {
        audit.report(index_left_out());
        return Ok(audit.result);
    }
    // A history alone has no record that names its last epoch.
    if is_all {
        audit.check_pointer()?;
        audit.check_records(&[HISTORY_TABLE + 1], None)?;
        audit.check_index()?;
    }
    Ok(audit.result)
}

struct Auditor<'a, 'o> {
    origin: Origin<'a>,
    layout: EpochLayout,
    /// The keys to check signatures with; `None` after they have turned out to be another federation's.
    keys: Option<&'a EpochKeys>,
    request: Request<'a>,
    control: Control<'a>,
    sinks: Sinks<'o, AuditedEpoch>,
    index: TransactionIndex,
    unknown: Unknown,
    /// The fault in the signature of the previous epoch.
    bad_signature: Option<Cause>,
    result: HistoryAudit,
}

impl Auditor<'_, '_> {
    fn report(&mut self, finding: Finding) {
        finding.severity.count(&mut self.result.errors, &mut self.result.warnings);
        self.unknown.take(&finding);
        (self.sinks.on_finding)(finding);
    }

    fn pointer(&self) -> Result<Option<Vec<u8>>, AuditError> {
        self.origin.rows.get(&LAST_EPOCH_KEY).map_err(|source| self.origin.unreadable(source))
    }

    /// Reports keys that verify nothing once, and checks nothing with them: each of thousands of epochs would
    /// fail, slowly, and hide other faults.
    fn try_keys(&mut self) -> Result<(), AuditError> {
        let Some(keys) = self.keys else { return Ok(()) };
        if let Some(finding) = try_keys(self.origin, self.layout, keys)? {
            self.report(finding);
            self.keys = None;
        }
        Ok(())
    }

    fn follow_chain(&mut self) -> Result<(), AuditError> {
        let dialect = self.layout.dialect;
        let total = self.pointer()?.and_then(|value| decode_last_epoch(&value, dialect).ok());
        self.control.progress.begin("epochs", "epochs", total.map(|last| last.saturating_add(1)));
        let options = EpochOptions {
            layout: self.layout,
            keys: self.keys,
            shares: self.request.shares,
            convert: self.layout.is_framed(),
            scope: self.request.scope,
            on_row: self.sinks.on_row,
        };
        let mut chain = ChainVerifier::starting_at(options.scope.from);
        let mut ledger = options.scope.trust.map(|trust| Ledger::new(trust, Place::epoch));
        let (mut root, mut proven) = (RunningRoot::new(self.request.until), None);
        let malformed = each_epoch(self.origin, options, self.control, |audited| {
            match &audited.decoded {
                Ok(decoded) => {
                    let findings = chain.on_epoch(&decoded.facts);
                    self.on_decoded(&audited, decoded, findings);
                    if follow(&mut root, audited.key, decoded) && self.is_end(audited.key, decoded) {
                        proven = Some(root.prefix());
                    }
                }
                Err(reason) => {
                    chain.on_undecodable(audited.key, reason).into_iter().for_each(|f| self.report(f));
                    self.bad_signature = None;
                    root.end();
                }
            }
            let changed = ledger.as_mut().and_then(|ledger| remember(ledger, &audited));
            changed.into_iter().for_each(|finding| self.report(finding));
            (self.sinks.on_record)(&audited)
        })?;
        self.control.progress.end();
        malformed.findings(HISTORY_TABLE, "epoch").into_iter().for_each(|finding| self.report(finding));
        if let Some((cut, trusted, prefix)) = ledger.map(Ledger::finish) {
            cut.into_iter().for_each(|finding| self.report(finding));
            (self.result.trusted, self.result.prefix) = (trusted, Some(prefix));
        }
        let (summary, mut findings) = chain.finish();
        // The last epoch of a part needs no signature of its own: the next epoch would have it.
        findings.retain(|finding| options.scope.to.is_none() || finding.code != Code::EpochTip);
        findings.into_iter().for_each(|finding| self.report(finding));
        let next = summary.last.map_or(options.scope.from, |last| last.saturating_add(1));
        if options.scope.to.is_some_and(|to| next <= to) {
            let message = "the epoch is not there, nor any other up to the end of the part that is looked at";
            self.report(Finding::new(Code::EpochMissing, Place::epoch(next), message));
        }
        if summary.signed == 0 && summary.unchecked == 0 {
            self.report(unsigned(&summary));
        }
        self.result.rows.insert(Table::SignedEpochOutcome.name(), summary.records + malformed.count);
        self.result.chain = summary;
        self.result.proven = proven;
        Ok(())
    }

    /// Returns whether the history that the root proves may end with this epoch.
    fn is_end(&self, epoch: u64, decoded: &DecodedEpoch) -> bool {
        match (self.request.until, self.keys.is_some()) {
            (Some(until), _) => epoch == until,
            (None, true) => decoded.facts.signature == SignatureState::Valid,
            // The end of the root if the unchecked signatures are valid.
            (None, false) => decoded.epoch.signature.is_some(),
        }
    }

    fn on_decoded(&mut self, audited: &AuditedEpoch, decoded: &DecodedEpoch, findings: Vec<Finding>) {
        let bad_signature = findings.iter().find(|finding| is_of_signature(finding.code)).map(Finding::cause);
        let before = std::mem::replace(&mut self.bad_signature, bad_signature);
        // The shares are about the previous epoch. If its signature is bad, it also differs from the combined
        // one.
        let of_shares = decoded.shares.iter().cloned().map(|finding| match &before {
            Some(cause) if finding.code == Code::ShareSignatureDiffers => finding.following(cause.clone()),
            _ => finding,
        });
        let of_shares: Vec<Finding> = of_shares.collect();
        of_shares.into_iter().chain(findings).for_each(|finding| self.report(finding));
        let Some(content) = &decoded.epoch.content else { return };
        for (key, value) in index_rows(&self.layout, audited.key, content) {
            self.index.add_history(&key, &value);
        }
        if !content.is_ordered() {
            let message = "contributions are not in ascending order of guardians, each once";
            self.report(Finding::new(Code::ContributionsUnordered, Place::epoch(audited.key), message));
        }
        if let Some(converted) = &decoded.converted {
            check_converted(audited.key, converted).into_iter().for_each(|finding| self.report(finding));
        }
    }

    fn check_pointer(&mut self) -> Result<(), AuditError> {
        let last = self.result.chain.last;
        let pointer = self.pointer()?;
        let place = Place::key(&LAST_EPOCH_KEY);
        let decoded = pointer.as_ref().map(|value| decode_last_epoch(value, self.layout.dialect));
        match (decoded, last) {
            (None, None) => {}
            (None, Some(last)) => {
                let message = format!("no record says that epoch {last} is the last one");
                self.report(Finding::new(Code::LastEpochMissing, place, message));
            }
            (Some(Err(error)), _) => {
                self.report(Finding::new(Code::RecordUndecodable, place, error.to_string()));
            }
            (Some(Ok(pointer)), last) if last != Some(pointer) => {
                let stored = last.map_or("none".to_owned(), |last| last.to_string());
                let message = format!("the pointer names epoch {pointer}, the last stored epoch is {stored}");
                self.report(Finding::new(Code::LastEpochWrong, place, message));
            }
            _ => {}
        }
        Ok(())
    }

    /// Decodes the records outside the history in a range of keys, and passes the rows of the index to their
    /// comparison.
    fn check_records(&mut self, from: &[u8], to: Option<&[u8]>) -> Result<(), AuditError> {
        let (origin, control, on_row) = (self.origin, self.control, self.sinks.on_row);
        other_records(origin, (from, to), control, on_row, &mut |key, value| self.on_record(key, value))
    }

    fn on_record(&mut self, key: &[u8], value: &[u8]) {
        match check_record(key, value, &self.layout) {
            Ok(table) => {
                *self.result.rows.entry(table.name()).or_default() += 1;
            }
            Err(error @ (RecordError::UnknownPrefix { .. } | RecordError::EmptyKey)) => {
                *self.result.rows.entry("unknown").or_default() += 1;
                self.report(Finding::new(Code::UnknownPrefix, Place::key(key), error.to_string()));
            }
            // The pointer is checked separately.
            Err(_) if key == LAST_EPOCH_KEY => {}
            Err(error) => {
                self.report(Finding::new(Code::RecordUndecodable, Place::key(key), error.to_string()));
            }
        }
        if key.first() == Some(&Table::AcceptedTransaction.prefix()) {
            self.index.add_row(key, value);
        }
    }

    fn check_index(&mut self) -> Result<(), AuditError> {
        if !self.layout.is_framed() {
            let message = "this layout does not say where transactions end, so the index was not compared";
            self.report(Finding::new(Code::TransactionIndexUnchecked, Place::everywhere(), message));
            return Ok(());
        }
        if self.index.is_equal() {
            return Ok(());
        }
        let (origin, layout, control) = (self.origin, self.layout, self.control);
        control.progress.begin("transaction index", "epochs", None);
        let each = |on: &mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>| {
            each_transaction(origin, layout, control, on)
        };
        let findings = self.index.compare(origin, Table::AcceptedTransaction.prefix(), 0, &each, control)?;
        self.control.progress.end();
        self.unknown.fold(findings).into_iter().for_each(|finding| self.report(finding));
        Ok(())
    }
}

/// Returns the finding for a history without signatures. A server signs its first epoch in the second one, so
/// a single unsigned epoch is normal; with more epochs, no server leaves all of them unsigned.
fn unsigned(summary: &ChainSummary) -> Finding {
    if summary.records <= 1 && summary.unproven == 0 {
        let message = "no finished epoch is signed yet: there is nothing that the guardians agreed to";
        return Finding::new(Code::HistoryEmpty, Place::everywhere(), message);
    }
    let message = "no epoch is signed: nothing shows that the guardians agreed to any of this";
    Finding::new(Code::EpochUnproven, Place::everywhere(), message)
}

fn is_of_signature(code: Code) -> bool {
    matches!(code, Code::EpochSignatureInvalid | Code::EpochSignatureMalformed)
}

/// Passes an epoch to the ledger of a trust file, and returns its finding.
fn remember(ledger: &mut Ledger<'_>, audited: &AuditedEpoch) -> Option<Finding> {
    let decoded = audited.decoded.as_ref().ok();
    let entry = decoded.and_then(|decoded| Some((epoch_leaf(audited.key, &decoded.epoch), decoded.mark?)));
    let is_signed =
        decoded.is_some_and(|decoded| decoded.facts.signature == fm_history::SignatureState::Valid);
    ledger.push(audited.key, entry, is_signed)
}

/// Returns the rows that the transactions of an epoch create in the index.
fn index_rows<'a>(
    layout: &'a EpochLayout,
    epoch: u64,
    content: &'a EpochContent,
) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + 'a {
    accepted_transactions(content).into_iter().map(move |transaction| index_row(transaction, epoch, layout))
}

/// Calls `on` with every accepted transaction of the history, as a row of the index.
fn each_transaction(
    origin: Origin<'_>,
    layout: EpochLayout,
    control: Control<'_>,
    on: &mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    each_epoch(origin, EpochOptions::reading(layout), control, |audited| {
        let Ok(decoded) = &audited.decoded else { return Ok(()) };
        let Some(content) = &decoded.epoch.content else { return Ok(()) };
        index_rows(&layout, audited.key, content)
            .try_for_each(|(key, value)| on(Place::epoch(audited.key), key, value))
    })?;
    Ok(())
}

/// Returns what makes a converted session unusable or ambiguous for a server.
fn check_converted(epoch: u64, converted: &ConvertedSession) -> Vec<Finding> {
    let place = || Place { session: Some(epoch), ..Place::epoch(epoch) };
    let mut findings = Vec::new();
    if converted.record.len() > MAX_DECODE_SIZE {
        let message = format!(
            "the session takes {} bytes, and no server decodes more than {MAX_DECODE_SIZE}",
            converted.record.len()
        );
        findings.push(Finding::new(Code::SessionTooLarge, place(), message));
    }
    if converted.ambiguous {
        // The rule keeps each transaction once, so a repeated item is an item of a module.
        let message = "the list ends with repeated module items, which change nothing; the shorter one has the same \
                       header, and the history root pins which one it is";
        findings.push(Finding::new(Code::ItemListAmbiguous, place(), message));
    }
    findings
}

/// Adds an epoch to the root; returns whether the root covers it.
fn follow(root: &mut RunningRoot, epoch: u64, decoded: &DecodedEpoch) -> bool {
    decoded.converted.as_ref().is_some_and(|converted| {
        let hash = decoded.facts.computed_hash;
        let transactions = converted.transactions.len() as u64;
        let is_signed = decoded.facts.signature == SignatureState::Valid;
        root.push(epoch, &Followed { converted, hash, transactions, is_signed })
    })
}
