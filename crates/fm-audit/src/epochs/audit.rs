//! The audit of a HoneyBadger history: chain, signatures, shares, pointer, index and every other record.

use std::collections::BTreeMap;

use fm_codec::MAX_DECODE_SIZE;
use fm_crypto::EpochKeys;
use fm_eras::hbbft::{
    HISTORY_TABLE, LAST_EPOCH_KEY, Layout, RecordError, Table, check_record, decode_last_epoch, index_row,
};
use fm_history::{
    Cause, ChainSummary, ChainVerifier, Code, ConvertedSession, DropReason, EpochContent, Finding, Hash,
    HistoryRoot, Place, accepted_transactions,
};

use super::keys::try_keys;
use super::pipeline::{AuditedEpoch, DecodedEpoch, EpochOptions, epoch_leaf, epochs};
use crate::control::Control;
use crate::error::AuditError;
use crate::frame::index_left_out;
use crate::frame::{Ledger, TransactionIndex, Unknown};
use crate::outcome::{Anchor, HistoryAudit};
use crate::scope::Scope;
use crate::source::EpochStream;

/// What an audit does beyond following the chain.
#[derive(Clone, Copy)]
pub struct HbbftOptions<'a> {
    /// Layout of the records.
    pub layout: Layout,
    /// Keys to check signatures with. If they verify none of a few, that is a finding, and the signatures stay
    /// unchecked.
    pub keys: Option<&'a EpochKeys>,
    /// Combine the shares anew.
    pub shares: bool,
    /// The last epoch that the history root covers; the last signed one if none.
    pub until: Option<u64>,
    /// Check the records beside the history and the index of transactions, if all of the history is looked at.
    pub side_records: bool,
    /// Which epochs, and which of their signatures.
    pub scope: Scope<'a>,
}

/// Audits a history; `on_epoch` sees every epoch after its findings were reported.
pub fn audit_hbbft(
    stream: EpochStream<'_>,
    options: HbbftOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
    on_epoch: &mut dyn FnMut(&AuditedEpoch) -> Result<(), AuditError>,
) -> Result<HistoryAudit, AuditError> {
    let mut audit = Auditor::new(stream, options, control, on_finding)?;
    audit.try_keys()?;
    audit.follow_chain(on_epoch)?;
    if !options.scope.is_whole() {
        audit.report(index_left_out());
        return Ok(audit.result);
    }
    audit.check_pointer()?;
    if options.side_records {
        audit.check_records()?;
        audit.check_index()?;
    }
    Ok(audit.result)
}

struct Auditor<'a, 'f> {
    stream: EpochStream<'a>,
    options: HbbftOptions<'a>,
    control: Control<'a>,
    on_finding: &'f mut dyn FnMut(Finding),
    index: TransactionIndex,
    unknown: Unknown,
    /// What is wrong with the signature of the epoch before.
    bad_signature: Option<Cause>,
    result: HistoryAudit,
}

impl<'a, 'f> Auditor<'a, 'f> {
    fn new(
        stream: EpochStream<'a>,
        options: HbbftOptions<'a>,
        control: Control<'a>,
        on_finding: &'f mut dyn FnMut(Finding),
    ) -> Result<Self, AuditError> {
        let index = TransactionIndex::new()?;
        let (unknown, result) = (Unknown::default(), HistoryAudit::default());
        Ok(Self { stream, options, control, on_finding, index, unknown, bad_signature: None, result })
    }

    fn report(&mut self, finding: Finding) {
        finding.severity.count(&mut self.result.errors, &mut self.result.warnings);
        self.unknown.take(&finding);
        (self.on_finding)(finding);
    }

    fn rows_error(&self, source: fm_rows::SourceError) -> AuditError {
        AuditError::rows(self.stream.path, source)
    }

    fn pointer(&self) -> Result<Option<Vec<u8>>, AuditError> {
        self.stream.rows.get(&LAST_EPOCH_KEY).map_err(|source| self.rows_error(source))
    }

    /// Keys that verify nothing are told once, and nothing is checked with them: each of thousands of epochs would
    /// fail, slowly, and hide what else is wrong.
    fn try_keys(&mut self) -> Result<(), AuditError> {
        let Some(keys) = self.options.keys else { return Ok(()) };
        if let Some(finding) = try_keys(self.stream, self.options.layout, keys)? {
            self.report(finding);
            self.options.keys = None;
        }
        Ok(())
    }

    fn follow_chain(
        &mut self,
        on_epoch: &mut dyn FnMut(&AuditedEpoch) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let dialect = self.options.layout.dialect;
        let total = self.pointer()?.and_then(|value| decode_last_epoch(&value, dialect).ok());
        self.control.progress.begin("epochs", "epochs", total.map(|last| last.saturating_add(1)));
        let options = EpochOptions {
            layout: self.options.layout,
            keys: self.options.keys,
            shares: self.options.shares,
            convert: self.options.layout.is_framed(),
            scope: self.options.scope,
        };
        let mut chain = ChainVerifier::starting_at(options.scope.from);
        let mut ledger = options.scope.trust.map(|trust| Ledger::new(trust, Place::epoch));
        let mut running = Running::default();
        let stray = epochs(self.stream, options, self.control, |audited| {
            match &audited.decoded {
                Ok(decoded) => {
                    let findings = chain.on_epoch(&decoded.facts);
                    self.on_decoded(&audited, decoded, findings);
                    running.on_epoch(audited.key, decoded, self.options);
                }
                Err(reason) => {
                    chain.on_undecodable(audited.key, reason).into_iter().for_each(|f| self.report(f));
                    self.bad_signature = None;
                    running.broken = true;
                }
            }
            let changed = ledger.as_mut().and_then(|ledger| remember(ledger, &audited));
            changed.into_iter().for_each(|finding| self.report(finding));
            on_epoch(&audited)
        })?;
        self.control.progress.end();
        stray.findings(HISTORY_TABLE, "epoch").into_iter().for_each(|finding| self.report(finding));
        if let Some((cut, trusted, prefix)) = ledger.map(Ledger::finish) {
            cut.into_iter().for_each(|finding| self.report(finding));
            (self.result.trusted, self.result.prefix) = (trusted, Some(prefix));
        }
        let (summary, mut findings) = chain.finish();
        // Where a part ends nobody expects a signature of its own: the next epoch would have it.
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
        self.result.rows.insert(Table::SignedEpochOutcome.name(), summary.epochs + stray.count);
        self.result.chain = summary;
        self.result.anchor = running.anchor;
        Ok(())
    }

    fn on_decoded(&mut self, audited: &AuditedEpoch, decoded: &DecodedEpoch, findings: Vec<Finding>) {
        let bad_signature = findings.iter().find(|finding| is_of_signature(finding.code)).map(Finding::cause);
        let before = std::mem::replace(&mut self.bad_signature, bad_signature);
        // What the shares say is about the epoch before: that its signature is another one follows from a bad one.
        let of_shares = decoded.shares.iter().cloned().map(|finding| match &before {
            Some(cause) if finding.code == Code::ShareSignatureDiffers => finding.following(cause.clone()),
            _ => finding,
        });
        let of_shares: Vec<Finding> = of_shares.collect();
        of_shares.into_iter().chain(findings).for_each(|finding| self.report(finding));
        let Some(content) = &decoded.epoch.content else { return };
        for (key, value) in index_rows(&self.options.layout, audited.key, content) {
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
        let decoded = pointer.as_ref().map(|value| decode_last_epoch(value, self.options.layout.dialect));
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

    /// Decodes every record beside the history, and feeds the index to its comparison.
    fn check_records(&mut self) -> Result<(), AuditError> {
        self.control.progress.begin("other records", "records", None);
        let after = [HISTORY_TABLE + 1];
        let before = self.stream.rows.scan_range(&[], Some(&[HISTORY_TABLE]));
        for row in before.chain(self.stream.rows.scan_range(&after, None)) {
            let (key, value) = row.map_err(|source| self.rows_error(source))?;
            self.control.check()?;
            self.control.progress.advance(1);
            match check_record(&key, &value, &self.options.layout) {
                Ok(table) => {
                    *self.result.rows.entry(table.name()).or_default() += 1;
                }
                Err(error @ (RecordError::UnknownPrefix { .. } | RecordError::EmptyKey)) => {
                    *self.result.rows.entry("unknown").or_default() += 1;
                    self.report(Finding::new(Code::UnknownPrefix, Place::key(&key), error.to_string()));
                }
                // The pointer has a check of its own.
                Err(_) if key == LAST_EPOCH_KEY => {}
                Err(error) => {
                    self.report(Finding::new(Code::RecordUndecodable, Place::key(&key), error.to_string()));
                }
            }
            if key.first() == Some(&Table::AcceptedTransaction.prefix()) {
                self.index.add_row(&key, &value);
            }
        }
        self.control.progress.end();
        Ok(())
    }

    fn check_index(&mut self) -> Result<(), AuditError> {
        if !self.options.layout.is_framed() {
            let message = "this layout does not say where transactions end, so the index was not compared";
            self.report(Finding::new(Code::TransactionIndexUnchecked, Place::everywhere(), message));
            return Ok(());
        }
        if self.index.is_equal() {
            return Ok(());
        }
        let (stream, layout, control) = (self.stream, self.options.layout, self.control);
        control.progress.begin("transaction index", "epochs", None);
        let each = |on: &mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>| {
            each_transaction(stream, layout, control, on)
        };
        let findings = self.index.compare(stream, Table::AcceptedTransaction.prefix(), 0, &each, control)?;
        self.control.progress.end();
        self.unknown.fold(findings).into_iter().for_each(|finding| self.report(finding));
        Ok(())
    }
}

/// A server's first epoch is signed in its second; of more epochs one without a signature is none that a server left.
fn unsigned(summary: &ChainSummary) -> Finding {
    if summary.epochs <= 1 && summary.unproven == 0 {
        let message = "no finished epoch is signed yet: there is nothing that the guardians agreed to";
        return Finding::new(Code::HistoryEmpty, Place::everywhere(), message);
    }
    let message = "no epoch is signed: nothing shows that the guardians agreed to any of this";
    Finding::new(Code::EpochUnproven, Place::everywhere(), message)
}

fn is_of_signature(code: Code) -> bool {
    matches!(code, Code::EpochSignatureInvalid | Code::EpochSignatureMalformed)
}

/// What the ledger of a trust file says of an epoch.
fn remember(ledger: &mut Ledger<'_>, audited: &AuditedEpoch) -> Option<Finding> {
    let decoded = audited.decoded.as_ref().ok();
    let entry = decoded.and_then(|decoded| Some((epoch_leaf(audited.key, &decoded.epoch), decoded.mark?)));
    let is_signed =
        decoded.is_some_and(|decoded| decoded.facts.signature == fm_history::SignatureState::Valid);
    ledger.push(audited.key, entry, is_signed)
}

/// The rows that an epoch's transactions leave in the index.
fn index_rows<'a>(
    layout: &'a Layout,
    epoch: u64,
    content: &'a EpochContent,
) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + 'a {
    accepted_transactions(content).into_iter().map(move |transaction| index_row(transaction, epoch, layout))
}

/// Every accepted transaction of the history, as a row of the index.
fn each_transaction(
    stream: EpochStream<'_>,
    layout: Layout,
    control: Control<'_>,
    on: &mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let options = EpochOptions { layout, keys: None, shares: false, convert: false, scope: Scope::default() };
    epochs(stream, options, control, |audited| {
        let Ok(decoded) = &audited.decoded else { return Ok(()) };
        let Some(content) = &decoded.epoch.content else { return Ok(()) };
        index_rows(&layout, audited.key, content)
            .try_for_each(|(key, value)| on(Place::epoch(audited.key), key, value))
    })?;
    Ok(())
}

/// What a server could not do with a converted session.
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
        // The rule keeps a transaction once, so what is repeated is an item of a module.
        let message = "the list ends with repeated module items, which change nothing; the shorter one has the same \
                       header, and the history root pins which one it is";
        findings.push(Finding::new(Code::ItemListAmbiguous, place(), message));
    }
    findings
}

/// The history as sessions, so far.
#[derive(Default)]
struct Running {
    root: HistoryRoot,
    items: u64,
    transactions: u64,
    dropped: BTreeMap<DropReason, u64>,
    signed: u64,
    /// An epoch is missing or unknown: nothing behind it is part of the root.
    broken: bool,
    anchor: Option<Anchor>,
}

impl Running {
    fn on_epoch(&mut self, epoch: u64, decoded: &DecodedEpoch, options: HbbftOptions<'_>) {
        let Some(converted) = &decoded.converted else { return };
        self.broken |= epoch != self.root.sessions();
        if self.broken || options.until.is_some_and(|until| epoch > until) {
            return;
        }
        self.root.push(converted.leaf);
        self.items += converted.leaf.items;
        self.transactions += converted.transactions.len() as u64;
        for dropped in &converted.dropped {
            *self.dropped.entry(dropped.reason).or_default() += 1;
        }
        let signed = decoded.facts.signature == fm_history::SignatureState::Valid;
        self.signed += u64::from(signed);
        let is_anchor = match (options.until, options.keys) {
            (Some(until), _) => epoch == until,
            (None, Some(_)) => signed,
            // Where the root would end if the signatures, which nobody checked, hold.
            (None, None) => decoded.epoch.signature.is_some(),
        };
        if is_anchor {
            self.anchor = Some(self.anchor_at(epoch, decoded.facts.computed_hash));
        }
    }

    fn anchor_at(&self, last: u64, last_hash: Hash) -> Anchor {
        Anchor {
            last,
            last_hash,
            sessions: self.root.sessions(),
            items: self.items,
            transactions: self.transactions,
            dropped: self.dropped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
            history_root: self.root.root(),
            signed: self.signed,
        }
    }
}
