//! The audit of a history of blocks or sessions: continuity, headers, signatures, index, and every other record.

use std::collections::BTreeMap;

use fm_crypto::SessionKeys;
use fm_eras::block::{BlockLayout, KeyForm, RowError, ValueForm, decode_accepted_item};
use fm_history::{BlockContent, Code, Finding, Place};
use fm_rows::{OnRow, each_row};

use super::index::{each_transaction, index_row};
use super::pipeline::{AuditedBlock, BlockOptions, DecodedBlock, blocks};
use super::root::RunningRoot;
use super::scheme::choose_scheme;
use super::units::UnitSessions;
use crate::control::Control;
use crate::error::AuditError;
use crate::frame::{Ledger, TransactionIndex, TrustedPrefix, Unknown, index_left_out};
use crate::outcome::Anchor;
use crate::scope::Scope;
use crate::source::EpochStream;

/// Who is shown key and value of each row as an audit reads it, one after the other, on threads of its own.
pub type OnEveryRow<'a> = &'a (dyn Fn(&[u8], &[u8]) + Sync);

/// What an audit of blocks or sessions does.
#[derive(Clone, Copy)]
pub struct SessionOptions<'a> {
    /// Layout of the records.
    pub layout: &'static BlockLayout,
    /// Keys to check signatures with.
    pub keys: Option<&'a SessionKeys>,
    /// The last session that the history root covers; the last one if none.
    pub until: Option<u64>,
    /// Check the records beside the history and the index of transactions, if all of the history is looked at.
    pub side_records: bool,
    /// Shown every row once, in the order of keys, if all of them are looked at.
    pub on_row: Option<OnEveryRow<'a>>,
    /// Which sessions, and which of their signatures.
    pub scope: Scope<'a>,
}

/// What an audit of blocks or sessions came to.
#[derive(Clone, Debug, Default)]
pub struct SessionAudit {
    /// Records of finished sessions.
    pub sessions: u64,
    /// The first session.
    pub first: Option<u64>,
    /// The last session.
    pub last: Option<u64>,
    /// Sessions that a threshold of guardians signed.
    pub signed: u64,
    /// The last of them.
    pub last_signed: Option<u64>,
    /// Sessions without enough valid signatures.
    pub unsigned: u64,
    /// Sessions by how many guardians' signatures under them are valid, of those that were checked.
    pub by_signers: BTreeMap<usize, u64>,
    /// Sessions with signatures that nobody checked, for want of keys.
    pub unchecked: u64,
    /// Accepted items of the open session.
    pub pending: u64,
    /// The layout that signatures without a tag show it to be, if the options had its tagged twin.
    pub untagged: Option<&'static BlockLayout>,
    /// The history up to the last session, if no session is missing or unknown.
    pub anchor: Option<Anchor>,
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Sessions that an earlier audit proved, and that are as they were.
    pub trusted: u64,
    /// What the next audit can build on, if that was asked for and there are no errors.
    pub prefix: Option<TrustedPrefix>,
    /// Findings that are errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
}

/// Audits a history; `on_block` sees every block after its findings were reported.
///
/// # Errors
/// If the source cannot be read, or the job was interrupted.
pub fn audit_sessions(
    stream: EpochStream<'_>,
    options: SessionOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
    on_block: &mut dyn FnMut(&AuditedBlock) -> Result<(), AuditError>,
) -> Result<SessionAudit, AuditError> {
    let mut audit = Auditor {
        stream,
        options,
        control,
        on_finding,
        index: TransactionIndex::new()?,
        unknown: Unknown::default(),
        open: OpenSession::default(),
        result: SessionAudit::default(),
    };
    let scheme = choose_scheme(stream, options, control)?;
    audit.result.untagged = scheme.untagged;
    scheme.finding.into_iter().for_each(|finding| audit.report(finding));
    let history = options.layout.history;
    let is_all = options.scope.is_whole() && options.side_records;
    // In the order of keys, so that who is shown all rows needs no reading of its own.
    if is_all {
        audit.check_records(&[], Some(&[history]))?;
    }
    audit.follow(scheme.keys.as_ref(), on_block)?;
    if is_all {
        audit.check_records(&[history + 1], None)?;
        audit.check_open();
        audit.check_index()?;
    }
    if !options.scope.is_whole() {
        audit.report(index_left_out());
    }
    Ok(audit.result)
}

/// What the records beside the history say of the open session.
#[derive(Default)]
struct OpenSession {
    /// The number of the next accepted item.
    next_pending: u64,
    units: UnitSessions,
    /// The row that names the session, in the first build of era C.
    pointer: Option<(Vec<u8>, Vec<u8>)>,
}

struct Auditor<'a, 'f> {
    stream: EpochStream<'a>,
    options: SessionOptions<'a>,
    control: Control<'a>,
    on_finding: &'f mut dyn FnMut(Finding),
    index: TransactionIndex,
    unknown: Unknown,
    open: OpenSession,
    result: SessionAudit,
}

impl Auditor<'_, '_> {
    fn report(&mut self, finding: Finding) {
        finding.severity.count(&mut self.result.errors, &mut self.result.warnings);
        self.unknown.take(&finding);
        (self.on_finding)(finding);
    }

    fn add(&mut self, code: Code, place: Place, message: impl Into<String>) {
        self.report(Finding::new(code, place, message));
    }

    fn follow(
        &mut self,
        keys: Option<&SessionKeys>,
        on_block: &mut dyn FnMut(&AuditedBlock) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let layout = self.options.layout;
        self.control.progress.begin("sessions", "sessions", None);
        let tagged = layout.tagged && self.result.untagged.is_none();
        let scope = self.options.scope;
        let options =
            BlockOptions { layout, keys, convert: true, tagged, scope, on_row: self.options.on_row };
        let mut ledger = scope.trust.map(|trust| Ledger::new(trust, Place::session));
        let mut running = RunningRoot::new(self.options.until);
        let stray = blocks(self.stream, options, self.control, |audited| {
            self.on_block(&audited, &mut running);
            let changed = ledger.as_mut().and_then(|ledger| remember(ledger, &audited));
            changed.into_iter().for_each(|finding| self.report(finding));
            on_block(&audited)
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
        stray.findings(layout.history, "session").into_iter().for_each(|finding| self.report(finding));
        let history = layout.table_of(&[layout.history]).map_or("history", |table| table.name);
        self.result.rows.insert(history, self.result.sessions + stray.count);
        if self.result.sessions == 0 {
            let message = "no finished session is stored: there is nothing that guardians could have signed";
            self.add(Code::HistoryEmpty, Place::everywhere(), message);
        }
        if running.is_whole(self.result.first) {
            self.result.anchor = running.anchor();
        }
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
        self.result.sessions += 1;
        self.result.first.get_or_insert(index);
        self.result.last = Some(index);
        match &audited.decoded {
            Err(reason) => {
                self.add(Code::SessionUndecodable, Place::session(index), reason.clone());
                running.end();
            }
            Ok(decoded) => {
                decoded.findings.iter().cloned().for_each(|finding| self.report(finding));
                self.count_signatures(index, decoded);
                running.push(index, decoded);
            }
        }
        for transaction in audited.transactions() {
            running.count_transaction(index);
            let (key, value) = index_row(self.options.layout, transaction);
            self.index.add_history(&key, &value);
        }
    }

    fn count_signatures(&mut self, index: u64, decoded: &DecodedBlock) {
        if let Some(valid) = decoded.valid {
            *self.result.by_signers.entry(valid).or_default() += 1;
        }
        match decoded.is_signed {
            Some(true) => {
                self.result.signed += 1;
                self.result.last_signed = Some(index);
            }
            Some(false) => self.result.unsigned += 1,
            None if decoded.block.signatures.is_empty() => self.result.unsigned += 1,
            None => self.result.unchecked += 1,
        }
    }

    /// Decodes the records of a part of the keys beside the history, and feeds the index and the open session to their
    /// checks.
    fn check_records(&mut self, from: &[u8], to: Option<&[u8]>) -> Result<(), AuditError> {
        let (stream, control, on_row) = (self.stream, self.control, self.options.on_row);
        control.progress.begin("other records", "records", None);
        let read = |on: OnRow<'_>| stream.rows.visit(from, to, on);
        let unreadable = |source| AuditError::rows(stream.path, source);
        each_row(read, unreadable, |key, value| {
            control.check()?;
            control.progress.advance(1);
            if let Some(on_row) = on_row {
                on_row(key, value);
            }
            self.on_record(key, value);
            Ok(())
        })?;
        control.progress.end();
        Ok(())
    }

    fn on_record(&mut self, key: &[u8], value: &[u8]) {
        let layout = self.options.layout;
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
        } else if table.key == KeyForm::Nothing && table.prefix == 0 {
            self.open.pointer = Some((key.to_vec(), value.to_vec()));
        }
    }

    /// What the records said of the open session, against the history.
    fn check_open(&mut self) {
        let OpenSession { units, pointer, .. } = std::mem::take(&mut self.open);
        if let Some((key, value)) = pointer {
            self.check_pointer(&key, &value);
        }
        self.check_pointer_is_there();
        units
            .beyond(self.options.layout, self.open_session())
            .into_iter()
            .for_each(|found| self.report(found));
    }

    /// Every finished session moves the record of the open one's index on, where a layout has it.
    fn check_pointer_is_there(&mut self) {
        let tables = self.options.layout.tables;
        let pointer = tables.iter().find(|table| table.key == KeyForm::Nothing && table.prefix == 0);
        if let Some(table) = pointer.filter(|table| !self.result.rows.contains_key(table.name))
            && self.result.sessions > 0
        {
            let message = format!("there is no {}, the record of the open session's number", table.name);
            self.add(Code::SessionPointerWrong, Place::key(&[table.prefix]), message);
        }
    }

    /// The session behind the last finished one.
    fn open_session(&self) -> u64 {
        self.result.last.map_or(self.options.scope.from, |last| last.saturating_add(1))
    }

    /// An accepted item of the open session; they are numbered from 0.
    fn on_pending(&mut self, key: &[u8], value: &[u8]) {
        let layout = self.options.layout;
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

    /// The record of the open session's index, in the first build of era C.
    fn check_pointer(&mut self, key: &[u8], value: &[u8]) {
        let expected = self.open_session();
        let mut reader = fm_codec::Reader::new(value, self.options.layout.dialect);
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
        let layout = self.options.layout;
        let Some(prefix) = layout.transactions else { return Ok(()) };
        if self.index.is_equal() {
            return Ok(());
        }
        // The first build of era C only counts the accepted items of the open session: what they left in the
        // index cannot be told from what does not belong there, except by their number.
        let unknown = if layout.pending.is_none() { self.result.pending } else { 0 };
        let (stream, control) = (self.stream, self.control);
        control.progress.begin("transaction index", "sessions", None);
        let each = |on: &mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>| {
            each_transaction(stream, layout, control, on)
        };
        let findings = self.index.compare(stream, prefix, unknown, &each, control)?;
        control.progress.end();
        self.unknown.fold(findings).into_iter().for_each(|finding| self.report(finding));
        Ok(())
    }
}

/// What the ledger of a trust file says of a session.
fn remember(ledger: &mut Ledger<'_>, audited: &AuditedBlock) -> Option<Finding> {
    let decoded = audited.decoded.as_ref().ok();
    let entry = decoded.and_then(|decoded| Some((decoded.leaf, decoded.mark?)));
    ledger.push(audited.key, entry, decoded.is_some_and(|decoded| decoded.is_signed == Some(true)))
}
