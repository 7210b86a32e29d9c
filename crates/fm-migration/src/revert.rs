//! The reversal of a conversion: the old database is written from the provenance archive alone.

use std::path::Path;

use fm_audit::{ArchiveSource, AuditError, Control, state_identity};
use fm_history::Hash;
use fm_rows::RowSource;
use fm_store::{PartialDir, ReadStore, StoreSummary, StoreWriter};

use crate::MigrationError;

/// The `kind` of an archive of the rows that a conversion started from.
const PROVENANCE: &str = "provenance";

/// The database that was written back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// Number of rows and bytes.
    pub summary: StoreSummary,
    /// Identity of the archive. The rows of the database are checked to have the same identity.
    pub identity: Hash,
    /// Whether the database already existed.
    pub existed: bool,
}

/// Writes the records of a provenance archive to a new database at `target/database`.
///
/// # Errors
/// If the archive is not a provenance archive or cannot be read, the target is another database or cannot be
/// written, the database does not read back as written, or the job was interrupted.
pub fn revert(
    archive: &ArchiveSource,
    target: &Path,
    control: Control<'_>,
) -> Result<Reverted, MigrationError> {
    check_provenance(archive)?;
    if target.exists() {
        return existing(archive, target, control);
    }
    let partial = PartialDir::create(target)?;
    let database = partial.path().join(fm_datadir::DATABASE_NAME);
    let mut writer = StoreWriter::create(&database)?;
    let records = archive.summary().records;
    control.progress.begin("records", "records", Some(records));
    for row in RowSource::scan_range(archive, &[], None) {
        let (key, value) = row.map_err(|source| AuditError::rows(archive.path(), source))?;
        writer.push_sorted(&key, &value)?;
        control.check()?;
        control.progress.advance(1);
    }
    control.progress.end();
    let summary = writer.finish()?;
    let identity = identity_of(&database, control)?;
    if identity.0 != archive.summary().identity {
        let what = format!("the database reads back with identity {identity}");
        return Err(MigrationError::ReadBack { what });
    }
    partial.publish()?;
    Ok(Reverted { summary, identity, existed: false })
}

/// Refuses an archive whose records are not all the rows of an old database.
fn check_provenance(archive: &ArchiveSource) -> Result<(), MigrationError> {
    let kind = archive.metadata("kind").unwrap_or_default();
    if kind == PROVENANCE {
        return Ok(());
    }
    let profile =
        archive.metadata("profile").map_or_else(String::new, |profile| format!(", profile {profile:?}"));
    let what = format!("kind {kind:?}{profile}");
    Err(MigrationError::NotProvenance { path: archive.path().to_owned(), what })
}

/// Accepts an existing target if it holds exactly the rows of the archive.
fn existing(
    archive: &ArchiveSource,
    target: &Path,
    control: Control<'_>,
) -> Result<Reverted, MigrationError> {
    let other = |difference: String| MigrationError::OtherTarget { path: target.to_owned(), difference };
    let database = target.join(fm_datadir::DATABASE_NAME);
    let identity = match identity_of(&database, control) {
        Err(MigrationError::Store(error)) => return Err(other(error.to_string())),
        identity => identity?,
    };
    let stated = archive.summary();
    if identity.0 != stated.identity {
        let stated = Hash(stated.identity);
        return Err(other(format!("its rows have identity {identity}, those of the archive {stated}")));
    }
    PartialDir::settle(target)?;
    let (rows, key_bytes, value_bytes) = (stated.records, stated.key_bytes, stated.value_bytes);
    Ok(Reverted { summary: StoreSummary { rows, key_bytes, value_bytes }, identity, existed: true })
}

fn identity_of(database: &Path, control: Control<'_>) -> Result<Hash, MigrationError> {
    let store = ReadStore::open(database)?;
    Ok(state_identity(&store, database, control)?)
}
