//! The audit of a history of blocks or sessions: continuity, headers, signatures, index, and all other
//! records.

use fm_crypto::SessionKeys;
use fm_eras::Layout;
use fm_eras::block::{BlockLayout, RowError, ValueForm, decode_accepted_item};
use fm_history::{BlockContent, Code, Finding, Place};

use super::index::{each_transaction, index_row};
use super::pipeline::{AuditedBlock, BlockOptions, DecodedBlock, each_block};
use super::scheme::choose_scheme;
use super::units::UnitSessions;
use crate::control::Control;
use crate::error::AuditError;
use crate::frame::{
    Followed, Ledger, RunningRoot, Sinks, TransactionIndex, Unknown, index_left_out, other_records,
};
use crate::outcome::HistoryAudit;
use crate::request::Request;
use crate::source::Origin;

/// Audits a history of blocks or sessions.
///
/// # Errors
/// If the source cannot be read, the observer stopped the audit, or the job was interrupted.
pub(crate) fn audit(
    origin: Origin<'_>,
    layout: &'static BlockLayout,
    request: Request<'_>,
    control: Control<'_>,
    sinks: Sinks<'_, AuditedBlock>,
) -> Result<HistoryAudit, AuditError> {
    let is_whole = request.scope.is_whole();
    let is_all = is_whole && request.side_records;
    let scheme = choose_scheme(origin, layout, request.session_keys(), control)?;
    let shown_as = scheme.untagged.unwrap_or(layout);
    let mut audit = Auditor {
        origin,
        layout,
        request,
        control,
        sinks: Sinks { on_row: sinks.on_row.filter(|_| is_all), ..sinks },
        index: TransactionIndex::new()?,
        unknown: Unknown::default(),
        open: OpenSession::default(),
        result: HistoryAudit { layout: Some(Layout::Blocks(shown_as)), ..HistoryAudit::default() },
    };
    request.lacks.iter().cloned().for_each(|finding| audit.report(finding));
    scheme.finding.into_iter().for_each(|finding| audit.report(finding));
    let history = layout.history;
    // In key order, so that an observer of rows need not read them itself.
    if is_all {
        audit.check_records(&[], Some(&[history]))?;
    }
    audit.follow(scheme.keys.as_ref(), layout.tagged && scheme.untagged.is_none())?;
    if is_all {
        audit.check_records(&[history + 1], None)?;
        audit.check_open();
        audit.check_index()?;
    }
    if !is_whole {
        audit.report(index_left_out());
    }
    Ok(audit.result)
}

/// What the records outside the history say about the open session.
#[derive(Default)]
struct OpenSession {
    /// The number of the next accepted item.
    next_pending: u64,
    units: UnitSessions,
    /// The row that names the session, in the first build of era C.
    pointer: Option<(Vec<u8>, Vec<u8>)>,
}

struct Auditor<'a, 'o> {
    origin: Origin<'a>,
    layout: &'static BlockLayout,
    request: Request<'a>,
    control: Control<'a>,
    sinks: Sinks<'o, AuditedBlock>,
    index: TransactionIndex,
    unknown: Unknown,
    open: OpenSession,
    result: HistoryAudit,
}

impl Auditor<'_, '_> {
    fn report(&mut self, finding: Finding) {
        finding.severity.count(&mut self.result.errors, &mut self.result.warnings);
        self.unknown.take(&finding);
        (self.sinks.on_finding)(finding);
    }

    fn add(&mut self, code: Code, place: Place, message: impl Into<String>) {
        self.report(Finding::new(code, place, message));
    }

    fn follow(&mut self, keys: Option<&SessionKeys>, tagged: bool) -> Result<(), AuditError> {
        let (layout, scope, on_row) = (self.layout, self.request.scope, self.sinks.on_row);
        self.control.progress.begin("sessions", "sessions", None);
        let options = BlockOptions { layout, keys, convert: true, tagged, scope, on_row };
        let mut ledger = scope.trust.map(|trust| Ledger::new(trust, Place::session));
        let mut running = RunningRoot::new(self.request.until);
        let malformed = each_block(self.origin, options, self.control, |audited| {
            self.on_block(&audited, &mut running);
            let changed = ledger.as_mut().and_then(|ledger| remember(ledger, &audited));
            changed.into_iter().for_each(|finding| self.report(finding));
            (self.sinks.on_record)(&audited)
        })?;
        self.control.progress.end();
        if let Some((cut, trusted, prefix)) = ledger.map(Ledger::finish) {
            cut.into_iter().for_each(|finding| self.report(finding));
            (self.result.trusted, self.result.prefix) = (trusted, Some(prefix));
        }
        let next = self.open_session();
        if scope.to.is_some_and(|to| next <= to) {
            let message =
                "the session is not there, nor any other up to the end of the part that is looked at";
            self.add(Code::SessionMissing, Place::session(next), message);
        }
        malformed.findings(layout.history, "session").into_iter().for_each(|finding| self.report(finding));
        let history = layout.table_of(&[layout.history]).map_or("history", |table| table.name);
        self.result.rows.insert(history, self.result.chain.records + malformed.count);
        if self.result.chain.records == 0 {
            let message = "no finished session is stored: there is nothing that guardians could have signed";
            self.add(Code::HistoryEmpty, Place::everywhere(), message);
        }
        self.result.proven = running.finish();
        Ok(())
    }

    fn on_block(&mut self, audited: &AuditedBlock, running: &mut RunningRoot) {
        let index = audited.key;
        let expected = self.open_session();
        if index > expected {
            let message = match index - expected {
                1 => "the session is not there".to_owned(),
                count => format!("{count} sessions from here on are not there"),
            };
            self.add(Code::SessionMissing, Place::session(expected), message);
        }
        self.result.chain.records += 1;
        self.result.chain.last = Some(index);
        match &audited.decoded {
            Err(reason) => {
                self.add(Code::SessionUndecodable, Place::session(index), reason.clone());
                running.end();
            }
            Ok(decoded) => {
                decoded.findings.iter().cloned().for_each(|finding| self.report(finding));
                self.count_signatures(index, decoded);
                if let Some(converted) = &decoded.converted {
                    let transactions = audited.transactions().count() as u64;
                    let is_signed = decoded.is_signed == Some(true);
                    let hash = decoded.leaf.header.root;
                    running.push(index, &Followed { converted, hash, transactions, is_signed });
                }
            }
        }
        for transaction in audited.transactions() {
            let (key, value) = index_row(self.layout, transaction);
            self.index.add_history(&key, &value);
        }
    }

    fn count_signatures(&mut self, index: u64, decoded: &DecodedBlock) {
        if let Some(valid) = decoded.valid {
            *self.result.by_signers.entry(valid).or_default() += 1;
        }
        match decoded.is_signed {
            Some(true) => {
                self.result.chain.signed += 1;
                self.result.chain.last_signed = Some(index);
            }
            Some(false) => self.result.chain.unproven += 1,
            None if decoded.block.signatures.is_empty() => self.result.chain.unproven += 1,
            None => self.result.chain.unchecked += 1,
        }
    }

    /// Decodes the records outside the history in a range of keys, and passes the rows of the index and of
    /// the open session to their checks.
    fn check_records(&mut self, from: &[u8], to: Option<&[u8]>) -> Result<(), AuditError> {
        let (origin, control, on_row) = (self.origin, self.control, self.sinks.on_row);
        other_records(origin, (from, to), control, on_row, &mut |key, value| self.on_record(key, value))
    }

    fn on_record(&mut self, key: &[u8], value: &[u8]) {
        let layout = self.layout;
        let table = match layout.check_row(key, value) {
            Ok(table) => table,
            Err(error @ RowError::UnknownPrefix { .. }) => {
                *self.result.rows.entry("unknown").or_default() += 1;
                return self.add(Code::UnknownPrefix, Place::key(key), error.to_string());
            }
            Err(error) => {
                let finding = Finding::new(Code::RecordUndecodable, Place::key(key), error.to_string());
                if layout.table_of(key).is_some_and(|table| table.value == ValueForm::AcceptedItem) {
                    self.unknown.add(&finding);
                }
                self.report(finding);
                let name = layout.table_of(key).map_or("unknown", |table| table.name);
                *self.result.rows.entry(name).or_default() += 1;
                return;
            }
        };
        *self.result.rows.entry(table.name).or_default() += 1;
        if layout.transactions == Some(table.prefix) {
            self.index.add_row(key, value);
        } else if table.value == ValueForm::AcceptedItem {
            self.on_pending(key, value);
        } else if table.prefix == layout.units {
            self.open.units.take(layout, key, value);
        } else if table.value == ValueForm::Nothing {
            self.result.pending += 1;
        } else if layout.pointer == Some(table.prefix) {
            self.open.pointer = Some((key.to_vec(), value.to_vec()));
        }
    }

    /// Compares what the records say about the open session with the history.
    fn check_open(&mut self) {
        let OpenSession { units, pointer, .. } = std::mem::take(&mut self.open);
        if let Some((key, value)) = pointer {
            self.check_pointer(&key, &value);
        }
        self.check_pointer_is_there();
        units.beyond(self.layout, self.open_session()).into_iter().for_each(|found| self.report(found));
    }

    /// Checks that the record of the open session's number exists, if the layout has it: every finished
    /// session updates it.
    fn check_pointer_is_there(&mut self) {
        let pointer = self.layout.pointer.and_then(|prefix| self.layout.table_of(&[prefix]));
        if let Some(table) = pointer.filter(|table| !self.result.rows.contains_key(table.name))
            && self.result.chain.records > 0
        {
            let message = format!("there is no {}, the record of the open session's number", table.name);
            self.add(Code::SessionPointerWrong, Place::key(&[table.prefix]), message);
        }
    }

    /// Returns the number of the session after the last finished one.
    fn open_session(&self) -> u64 {
        self.result.chain.last.map_or(self.request.scope.from, |last| last.saturating_add(1))
    }

    /// Checks an accepted item of the open session; the items are numbered from 0.
    fn on_pending(&mut self, key: &[u8], value: &[u8]) {
        let layout = self.layout;
        self.result.pending += 1;
        if let Ok(number) = layout.number_of_key(key) {
            let next = self.open.next_pending;
            if number != next {
                let message = format!("item {next} of the open session is not there");
                self.add(Code::PendingItemMissing, Place::key(key), message);
            }
            self.open.next_pending = number.saturating_add(1);
        }
        if let Ok(item) = decode_accepted_item(value, layout)
            && let BlockContent::Transaction(transaction) = &item.content
        {
            let (key, value) = index_row(layout, transaction);
            self.index.add_history(&key, &value);
        }
    }

    /// Checks the record of the open session's number, in the first build of era C.
    fn check_pointer(&mut self, key: &[u8], value: &[u8]) {
        let expected = self.open_session();
        let mut reader = fm_codec::Reader::new(value, self.layout.dialect);
        if let Ok(open) = reader.u64()
            && open != expected
        {
            let message = format!(
                "it names session {open} as the open one, but the session after the last finished one is {expected}"
            );
            self.add(Code::SessionPointerWrong, Place::key(key), message);
        }
    }

    fn check_index(&mut self) -> Result<(), AuditError> {
        let layout = self.layout;
        let Some(prefix) = layout.transactions else { return Ok(()) };
        if self.index.is_equal() {
            return Ok(());
        }
        // The first build of era C stores no accepted items of the open session, only their count. Their rows
        // in the index cannot be distinguished from rows that do not belong there, except by their number.
        let unknown = if layout.pending.is_none() { self.result.pending } else { 0 };
        let (origin, control) = (self.origin, self.control);
        control.progress.begin("transaction index", "sessions", None);
        let each = |on: &mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>| {
            each_transaction(origin, layout, control, on)
        };
        let findings = self.index.compare(origin, prefix, unknown, &each, control)?;
        control.progress.end();
        self.unknown.fold(findings).into_iter().for_each(|finding| self.report(finding));
        Ok(())
    }
}

/// Passes a session to the ledger of a trust file, and returns its finding.
fn remember(ledger: &mut Ledger<'_>, audited: &AuditedBlock) -> Option<Finding> {
    let decoded = audited.decoded.as_ref().ok();
    let entry = decoded.and_then(|decoded| Some((decoded.leaf, decoded.mark?)));
    ledger.push(audited.key, entry, decoded.is_some_and(|decoded| decoded.is_signed == Some(true)))
}
