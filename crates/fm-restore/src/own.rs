//! Whether an archive is this guardian's own.
//!
//! No archive names its guardian, but honest guardians keep different signatures under one session: records that are equal
//! byte for byte, signatures included, in many sessions are of one guardian.

use std::path::Path;

use fm_audit::{AuditError, Control};
use fm_backup::State;
use fm_eras::block::BlockLayout;
use fm_store::ReadStore;

use crate::RestoreError;

/// Sessions whose records differ from those of the old database: how many, and the first; none if the old database cannot
/// be read.
pub(crate) fn other_records(
    state: &State,
    database: &Path,
    layout: &BlockLayout,
    control: Control<'_>,
) -> Result<Option<(u64, u64)>, RestoreError> {
    let Ok(store) = ReadStore::open(database) else { return Ok(None) };
    let (mut count, mut first) = (0, None);
    for row in state.rows().scan_prefix(layout.history) {
        let (key, value) = row.map_err(|source| AuditError::rows(state.path(), source))?;
        control.check()?;
        // What the old database has lost, or cannot read, says nothing.
        let Ok(Some(own)) = store.get(&key) else { continue };
        if own != value {
            count += 1;
            first = first.or(layout.number_of_key(&key).ok());
        }
    }
    Ok(first.map(|first| (count, first)))
}
