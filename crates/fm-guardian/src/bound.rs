//! Checks which guardian a conversion belongs to. Another guardian that carried it over would run a second
//! node with the first guardian's key.
//!
//! Invariant: the conversion is proven to be of this guardian's own database, or the user names the guardian.

use std::path::Path;

use fm_audit::{AuditError, Control, MigratedDir, state_identity};
use fm_crypto::SessionKeys;
use fm_datadir::{DATABASE_NAME, SignedSession, database_name};
use fm_history::PeerId;
use fm_store::{ReadStore, StoreError};

use crate::carry_over_error::CarryOverError;

/// Refuses a conversion that is not proven to be of the database in the old guardian's directory `from`,
/// unless the user named the guardian.
pub(crate) fn check_guardian(
    dir: &MigratedDir,
    from: &Path,
    own: PeerId,
    named: Option<PeerId>,
    control: Control<'_>,
) -> Result<(), CarryOverError> {
    if let Some(named) = named {
        return if named == own { Ok(()) } else { Err(CarryOverError::OtherGuardian { named, own }) };
    }
    let unbound = |why| Err(CarryOverError::Unbound { path: dir.path.clone(), own, why });
    let database = from.join(DATABASE_NAME);
    let store = match ReadStore::open(&database) {
        Err(StoreError::Missing { .. }) => return unbound("there is no database in its directory"),
        store => store?,
    };
    let found = state_identity(&store, &database, control)?;
    match found == dir.manifest.provenance {
        true => Ok(()),
        false => unbound("the database in its directory is not the one that was converted"),
    }
}

/// Records that no units were made on the new database yet, if there is no record.
pub(crate) fn begin_record(directory: &Path, keys: &SessionKeys, me: PeerId) -> Result<(), CarryOverError> {
    let record = SignedSession::read(directory, keys, Some(me))?;
    let record = record.unwrap_or_else(|| SignedSession::new(keys, me));
    let database = database_name(&directory.join(DATABASE_NAME));
    let record = SignedSession { database, ..record };
    Ok(record.write(directory).map_err(AuditError::from)?)
}
