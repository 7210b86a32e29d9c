//! The comparison of the records outside the sessions of a migrated database with those of the old database.

use fm_eras::block::Version;
use fm_eras::session;
use fm_history::{Code, Finding, Place};
use fm_rows::{Joined, RowSource, merge_join};

use super::manifest::target_of;
use crate::audit::{carried_from, carried_row, is_copied};
use crate::control::Control;
use crate::error::AuditError;
use crate::report::Report;
use crate::source::MigratedDir;

/// Compares all other rows of the new database with those that the old database yields.
pub(crate) fn check_carried(
    dir: &MigratedDir,
    control: Control<'_>,
    report: &Report<'_>,
) -> Result<(), AuditError> {
    let database = &dir.database;
    // The index that the rule creates is compared with the sessions elsewhere.
    let of_rule = if is_copied(&dir.layout) { None } else { Some(session::ACCEPTED_TRANSACTION) };
    let stored = RowSource::scan_range(database, &[], Some(&[session::SIGNED_SESSION_OUTCOME]))
        .chain(RowSource::scan_range(database, &[session::SIGNED_SESSION_OUTCOME + 1], None))
        .filter(
            move |row| !matches!(row, Ok((key, _)) if key.first().copied() == of_rule && !key.is_empty()),
        );
    let stored = stored.map(|row| row.map_err(|source| AuditError::rows(database.path(), source)));
    let from = carried_from(&dir.layout);
    let layout = dir.layout;
    let target = target_of(&dir.manifest.target_version).unwrap_or(session::NEWEST);
    let expected = RowSource::scan_range(&dir.provenance, &from, None)
        .map(|row| {
            control.check()?;
            row.map_err(|source| AuditError::rows(dir.provenance.path(), source))
        })
        .filter_map(move |row| match row {
            Ok((key, value)) => carried_row(&key, &value, &layout).map(Ok),
            Err(error) => Some(Err(error)),
        });
    control.progress.begin("carried records", "records", None);
    for joined in merge_join(stored, expected) {
        control.check()?;
        control.progress.advance(1);
        match joined? {
            Joined::Left((key, _)) => report.add(unexpected(&key, target)),
            Joined::Right((key, _)) => {
                let message = "the old database has this record, the new one not";
                report.add(Finding::new(Code::CarriedRecordMissing, Place::key(&key), message));
            }
            Joined::Both { key, left: stored, right: expected } => {
                if stored != expected {
                    let message = "the record differs from that of the old database";
                    report.add(Finding::new(Code::CarriedRecordDiffers, Place::key(&key), message));
                }
                if !session::is_known(&key, target) {
                    report.add(foreign(&key));
                }
            }
        }
    }
    control.progress.end();
    Ok(())
}

fn unexpected(key: &[u8], target: Version) -> Finding {
    if session::is_known(key, target) {
        let message = "the old database has no such record";
        return Finding::new(Code::CarriedRecordDiffers, Place::key(key), message);
    }
    foreign(key)
}

fn foreign(key: &[u8]) -> Finding {
    let message =
        "the server that this database is for does not know this record, and may refuse to start on it";
    Finding::new(Code::ForeignRecord, Place::key(key), message)
}
