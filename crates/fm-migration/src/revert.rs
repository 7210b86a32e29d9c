//! Back to the old database, from the provenance archive alone.

use std::path::Path;

use fm_audit::{ArchiveSource, AuditError, Control, EpochStream};
use fm_eras::RowSource;
use fm_history::Hash;
use fm_store::{PartialDir, ReadStore, StoreSummary, StoreWriter};

use crate::MigrationError;
use crate::identity::identity;

/// What was written back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// Rows and bytes.
    pub summary: StoreSummary,
    /// Identity of the archive, which the rows of the database were shown to have.
    pub identity: Hash,
}

/// Writes the records of a provenance archive to a new database at `target/database`.
pub fn revert(
    archive: &ArchiveSource,
    target: &Path,
    control: Control<'_>,
) -> Result<Reverted, MigrationError> {
    let partial = PartialDir::create(target)?;
    let database = partial.path().join(fm_audit::DATABASE_NAME);
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
    let store = ReadStore::open(&database)?;
    let identity = identity(EpochStream { rows: &store, path: &database }, control)?;
    drop(store);
    if identity.0 != archive.summary().identity {
        let what = format!("the database reads back with identity {identity}");
        return Err(MigrationError::ReadBack { what });
    }
    partial.publish()?;
    Ok(Reverted { summary, identity })
}
