//! The entry point for a source of any kind: a database, an archive, or a converted directory.
//!
//! Invariant: what the source itself says of its records (lost files, a damaged archive, a profile without other records)
//! is part of the audit, so that no caller has to ask for it.

use fm_history::Hash;

use crate::audit::audit_history;
use crate::control::Control;
use crate::error::AuditError;
use crate::migrated::{SealAudit, SourceRequest, audit_migrated};
use crate::observer::Observer;
use crate::old_session::OldSession;
use crate::outcome::HistoryAudit;
use crate::request::Request;
use crate::source::{RowIdentity, Source, check_archive};

/// The result of the audit of a source.
#[derive(Default)]
pub struct SourceAudit {
    /// The audit of the records as they were first written.
    pub history: HistoryAudit,
    /// The audit of the new database by itself, if a guardian runs on a conversion.
    pub continued: Option<HistoryAudit>,
    /// The result for the signatures in the new database of a converted directory.
    pub seal: SealAudit,
    /// The identity of all rows as they were first written; `None` if not all of them were read and found undamaged.
    pub identity: Option<Hash>,
}

/// Audits a source. If an archive is damaged, nothing else is examined.
///
/// The observer is shown rows only of a database whose whole history is audited.
///
/// # Errors
/// If the source cannot be read, the observer stopped the audit, or the job was interrupted.
pub fn audit_source(
    source: &Source,
    asked: SourceRequest<'_>,
    control: Control<'_>,
    observer: Observer<'_>,
) -> Result<SourceAudit, AuditError> {
    let (mut identity, mut side_records) = (None, true);
    match source {
        Source::Migrated(dir) => {
            let audit = audit_migrated(dir, asked, control, observer)?;
            return Ok(SourceAudit {
                identity: audit.provenance.filter(|_| audit.errors == 0),
                history: audit.original,
                continued: audit.continued,
                seal: audit.seal,
            });
        }
        Source::Archive { archive, .. } => {
            let (found, damage) = check_archive(archive.path(), control)?;
            if found.is_none() {
                damage.into_iter().for_each(observer.on_finding);
                return Ok(SourceAudit::default());
            }
            (identity, side_records) = (found, !archive.is_history_only());
        }
        Source::Database { .. } => {}
        // The identity is that of a guardian's rows, and guardians serve sessions alone.
        Source::Federation(_) => side_records = false,
    }
    let Observer { on_finding, mut on_session, on_row } = observer;
    let lacks = source.lacks();
    let SourceRequest { keys, shares, scope, .. } = asked;
    let request = Request { shares, side_records, lacks: &lacks, scope, ..Request::everything(keys) };
    let rows = RowIdentity::default();
    let is_seen = identity.is_none() && scope.is_whole() && side_records;
    let see = |key: &[u8], value: &[u8]| {
        rows.see(key, value);
        if let Some(on_row) = on_row {
            on_row(key, value);
        }
    };
    let mut pass_on = |session: OldSession<'_>| on_session.as_mut().map_or(Ok(()), |on| on(session));
    let observer = Observer {
        on_finding: &mut |finding| on_finding(finding),
        on_session: Some(&mut pass_on),
        on_row: if is_seen { Some(&see) } else { None },
    };
    let history = audit_history(source.original(), request, control, observer)?;
    let identity = identity.or_else(|| rows.finish().filter(|_| is_seen));
    Ok(SourceAudit { history, identity, ..SourceAudit::default() })
}
