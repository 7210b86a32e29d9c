//! The audit of what a conversion wrote: it verifies the old proof in the provenance archive, applies the
//! rule again, and accounts for every row of the new database.

use std::iter::Peekable;

use fm_crypto::SessionKeys;
use fm_eras::{detect, session};
use fm_history::{Cause, Code, ConvertedSession, Finding, Hash, MultisetDigest, MultisetKey, Place};
use fm_rows::{Row, RowSource, Rows};

use super::carried::check_carried;
use super::directory::check_directory;
use super::manifest::{check_federation, check_manifest, check_session_keys};
use super::seal::{SealAudit, SealCheck};
use crate::audit::{audit_history, is_copied, unproven};
use crate::control::Control;
use crate::error::AuditError;
use crate::frame::Unknown;
use crate::observer::Observer;
use crate::old_session::OldSession;
use crate::outcome::HistoryAudit;
use crate::report::Report;
use crate::request::{HistoryKeys, Request};
use crate::scope::Scope;
use crate::source::{MigratedDir, Origin, check_archive};

/// The result of the audit of a migrated directory.
pub struct MigratedAudit {
    /// The audit of the original records.
    pub original: HistoryAudit,
    /// Identity of the provenance archive, if it is undamaged.
    pub provenance: Option<Hash>,
    /// Number of sessions in the new database.
    pub sessions: u64,
    /// The audit of the new database by itself, if a guardian runs on it. It covers the signed sessions of
    /// the conversion and the sessions after it.
    pub continued: Option<HistoryAudit>,
    /// The result for the signatures in the new database.
    pub seal: SealAudit,
    /// Number of findings that are errors, including those of the original.
    pub errors: u64,
    /// Number of findings that are warnings, including those of the original.
    pub warnings: u64,
}

/// The scope and the inputs of the audit of a source of any kind.
///
/// Keys of new sessions and the federation's id matter only for a converted directory.
#[derive(Clone, Copy, Default)]
pub struct SourceRequest<'a> {
    /// The keys of the old history. Without them the old signatures are not checked. The audit then proves
    /// only that the new database follows from the provenance archive by the rule.
    pub keys: Option<HistoryKeys<'a>>,
    /// The keys that the new sessions are signed with.
    pub session_keys: Option<&'a SessionKeys>,
    /// The federation's id that the directory must name, in hex, if the caller knows it.
    pub federation: Option<&'a str>,
    /// Combine the shares in epochs again.
    pub shares: bool,
    /// Which signatures of the old history are checked; the records are always examined as a whole.
    pub scope: Scope<'a>,
}

/// Audits a migrated directory. The observer receives every epoch or session of the old history, but no rows.
/// If the archive is damaged, nothing else is examined.
///
/// # Errors
/// If the directory cannot be read, the observer stopped the audit, or the job was interrupted.
pub fn audit_migrated(
    dir: &MigratedDir,
    request: SourceRequest<'_>,
    control: Control<'_>,
    observer: Observer<'_>,
) -> Result<MigratedAudit, AuditError> {
    let SourceRequest { keys, session_keys, federation, shares, scope } = request;
    let Observer { on_finding, mut on_session, .. } = observer;
    let report = Report::new(on_finding);
    check_directory(dir, &report)?;
    let (provenance, damage) = check_archive(dir.provenance.path(), control)?;
    damage.into_iter().for_each(|finding| report.add(finding));
    if provenance.is_none() {
        let (errors, warnings) = report.counts();
        return Ok(MigratedAudit {
            original: HistoryAudit::default(),
            provenance,
            sessions: 0,
            continued: None,
            seal: SealAudit::default(),
            errors,
            warnings,
        });
    }
    let mut target = Target::new(dir, session_keys, control, &report)?;
    let until = Some(dir.manifest.last);
    let request = Request { keys, shares, until, scope, ..Request::everything(keys) };
    // What is derived from a whole original that is broken cannot agree with the manifest.
    let mut unknown = Unknown::default();
    let mut on_original = |finding: Finding| {
        unknown.take(&finding);
        report.add(finding);
    };
    let mut on_old = |old: OldSession<'_>| {
        target.on_session(&old)?;
        on_session.as_mut().map_or(Ok(()), |on_session| on_session(old))
    };
    let observer = Observer { on_finding: &mut on_original, on_session: Some(&mut on_old), on_row: None };
    let original = audit_history(dir.original(), request, control, observer)?;
    let continued = if dir.is_in_use() {
        target.seal.finish(&report);
        Some(audit_continued(dir, session_keys, control, &report)?)
    } else {
        target.finish()?;
        check_carried(dir, control, &report)?;
        None
    };
    let seal = target.seal.audit();
    let sessions = continued.as_ref().map_or(target.sessions, |continued| continued.chain.records);
    check_manifest(dir, &original, provenance, unknown.first(), &report);
    check_federation(dir, federation, &report);
    check_session_keys(dir, session_keys, &report);
    // Keys that verify nothing are already reported.
    if keys.is_some() && original.chain.unchecked == 0 {
        check_anchor(dir, &original, &report);
    }
    let (errors, warnings) = report.counts();
    Ok(MigratedAudit { original, provenance, sessions, continued, seal, errors, warnings })
}

/// Audits the database of a guardian that continues from a conversion: every session must be signed,
/// including those of the conversion. Module data are only the guardian's own word, as in every database.
fn audit_continued(
    dir: &MigratedDir,
    keys: Option<&SessionKeys>,
    control: Control<'_>,
    report: &Report<'_>,
) -> Result<HistoryAudit, AuditError> {
    let path = dir.database.path();
    let detected = detect(&dir.database);
    let layout = detected.map_err(|source| AuditError::Detect { path: path.to_owned(), source })?;
    let keys = keys.map(HistoryKeys::Session);
    let request = Request { shares: false, ..Request::everything(keys) };
    let origin = Origin { rows: &dir.database, path, layout };
    audit_history(origin, request, control, Observer::of_findings(&mut |finding| report.add(finding)))
}

/// Checks that signatures cover everything that was migrated, whatever the manifest says.
fn check_anchor(dir: &MigratedDir, original: &HistoryAudit, report: &Report<'_>) {
    let (signed, last) = (original.chain.last_signed, dir.manifest.last);
    if signed.is_none_or(|signed| signed < last) {
        let first = signed.map_or(0, |signed| signed + 1);
        let (code, what) = unproven(&dir.layout);
        let message = format!("{what} {first} to {last} were migrated, and nothing signs them");
        let place =
            Place { session: Some(first), epoch: (what == "epochs").then_some(first), ..Place::default() };
        report.add(Finding::new(code, place, message));
    }
}

/// The comparison of the new database with the result of the rule.
struct Target<'a, 'f> {
    dir: &'a MigratedDir,
    control: Control<'a>,
    report: &'a Report<'f>,
    stored: Peekable<Rows<'a>>,
    key: MultisetKey,
    expected_index: MultisetDigest,
    sessions: u64,
    /// The first session that differs from the rule's result: its transactions then differ from the index
    /// too.
    differs: Option<Cause>,
    seal: SealCheck<'a>,
}

impl<'a, 'f> Target<'a, 'f> {
    fn new(
        dir: &'a MigratedDir,
        session_keys: Option<&'a SessionKeys>,
        control: Control<'a>,
        report: &'a Report<'f>,
    ) -> Result<Self, AuditError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(AuditError::Randomness)?;
        let stored = RowSource::scan_prefix(&dir.database, session::SIGNED_SESSION_OUTCOME).peekable();
        let expected_index = MultisetDigest::default();
        let (key, seal) = (MultisetKey(key), SealCheck::new(session_keys));
        Ok(Self { dir, control, report, stored, key, expected_index, sessions: 0, differs: None, seal })
    }

    fn on_session(&mut self, old: &OldSession<'_>) -> Result<(), AuditError> {
        let Some(converted) = old.converted.filter(|_| old.index <= self.dir.manifest.last) else {
            return Ok(());
        };
        for transaction in &converted.transactions {
            let key = session::transaction_key(&transaction.txid);
            self.expected_index.add(&self.key, &key, &transaction.index_value);
        }
        let key = session::session_key(old.index);
        loop {
            match self.stored.peek() {
                Some(Ok((stored, _))) if *stored < key => self.skip_stored()?,
                Some(Ok((stored, _))) if *stored == key => {
                    let (_, value) = self.next_stored()?.expect("a row was peeked at");
                    self.sessions += 1;
                    self.compare(old.index, &value, converted);
                    return Ok(());
                }
                Some(Err(_)) => {
                    self.next_stored()?;
                }
                _ => {
                    let message = "the provenance archive has its original, the new database not the session";
                    let place = Place::session(old.index);
                    self.differ(Finding::new(Code::SessionMissing, place, message));
                    return Ok(());
                }
            }
        }
    }

    fn compare(&mut self, index: u64, stored: &[u8], converted: &ConvertedSession) {
        let Err(at) = self.seal.on_session(stored, converted, self.report) else { return };
        let message = format!("the stored session differs from the rule's result, from byte {at} on");
        self.differ(Finding::new(Code::SessionDiffersFromRule, Place::session(index), message));
    }

    /// Reports a session that differs from the rule's result.
    fn differ(&mut self, finding: Finding) {
        self.differs.get_or_insert_with(|| finding.cause());
        self.report.add(finding);
    }

    fn next_stored(&mut self) -> Result<Option<Row>, AuditError> {
        let path = self.dir.database.path();
        self.stored.next().transpose().map_err(|source| AuditError::rows(path, source))
    }

    /// Reports a stored session that corresponds to no epoch.
    fn skip_stored(&mut self) -> Result<(), AuditError> {
        self.control.check()?;
        let Some((key, _)) = self.next_stored()? else { return Ok(()) };
        let finding = match session::session_of_key(&key) {
            Ok(index) => {
                let message = "no record of the original corresponds to this session";
                Finding::new(Code::SessionExtra, Place::session(index), message)
            }
            Err(error) => Finding::new(Code::RecordUndecodable, Place::key(&key), error.to_string()),
        };
        self.sessions += 1;
        self.differ(finding);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), AuditError> {
        while self.stored.peek().is_some() {
            self.skip_stored()?;
        }
        self.seal.finish(self.report);
        // The index of copied records is itself copied, row by row.
        if is_copied(&self.dir.layout) {
            return Ok(());
        }
        let mut stored_index = MultisetDigest::default();
        let path = self.dir.database.path();
        for row in RowSource::scan_prefix(&self.dir.database, session::ACCEPTED_TRANSACTION) {
            self.control.check()?;
            let (key, value) = row.map_err(|source| AuditError::rows(path, source))?;
            stored_index.add(&self.key, &key, &value);
        }
        if stored_index != self.expected_index {
            let message = format!(
                "the new database's index has {} rows that are not those of the {} transactions in its sessions",
                stored_index.rows, self.expected_index.rows
            );
            let place = Place::key(&[session::ACCEPTED_TRANSACTION]);
            let finding = Finding::new(Code::SessionIndexDiffers, place, message);
            self.report.add(match &self.differs {
                Some(cause) => finding.following(cause.clone()),
                None => finding,
            });
        }
        Ok(())
    }
}
