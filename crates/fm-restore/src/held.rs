//! The database in place: what it holds of the session in progress, and whether a restore put it there.

use std::path::Path;

use fm_audit::Origin;
use fm_audit::StoredUnits;
use fm_crypto::SessionKeys;
use fm_datadir::newest_checkpoint;
use fm_datadir::{Held, RESTORED_NAME, database_name};
use fm_eras::{DetectError, Layout, detect};
use fm_history::PeerId;
use fm_store::{OmissionKind, ReadStore};

use crate::RestoreError;
use crate::data_dir::DataDir;

/// The database in place.
pub(crate) struct InPlace {
    pub(crate) held: Held,
    /// Its last finished session.
    pub(crate) last: u64,
    /// Whether a restore put it there.
    pub(crate) is_restored: bool,
}

/// Reads a database that is whole, except for a torn end of its log, which a crash leaves.
pub(crate) fn in_place(dir: &DataDir, keys: &SessionKeys, peer: PeerId) -> Result<InPlace, RestoreError> {
    let path = dir.database();
    let store = ReadStore::open(&path)?;
    let lost = |kind: OmissionKind| kind.loses_rows() && kind != OmissionKind::TornLogTail;
    if let Some(omission) = store.omissions().iter().find(|omission| lost(omission.kind)) {
        return Err(RestoreError::NotWhole { path, what: omission.message.clone() });
    }
    let layout = match detect(&store) {
        Ok(Layout::Blocks(layout)) => layout,
        Ok(Layout::Hbbft(layout)) => return Err(RestoreError::OtherEra { path, era: layout.era().as_str() }),
        Err(DetectError::Empty) => return Err(no_session(&path)),
        Err(source) => return Err(RestoreError::NotWhole { path, what: source.to_string() }),
    };
    let newest = store.last_of_prefix(&[layout.history])?;
    let last =
        newest.and_then(|(key, _)| layout.number_of_key(&key).ok()).ok_or_else(|| no_session(&path))?;
    let open = last.saturating_add(1);
    let stored = StoredUnits::read(Origin { rows: &store, path: &path, layout: Layout::Blocks(layout) })?;
    let held = Held {
        open,
        own: stored.count(open, keys, Some(peer), None).own,
        own_items: stored.items_of(peer),
        any: stored.holds_any(),
        name: database_name(&path),
        checkpoint: newest_checkpoint(&dir.checkpoints()),
        copy_of: stored.copied_from(&dir.checkpoints(), Some(last)),
    };
    Ok(InPlace { held, last, is_restored: path.join(RESTORED_NAME).exists() })
}

pub(crate) fn no_session(path: &Path) -> RestoreError {
    let first = "it holds no finished session".to_owned();
    RestoreError::NotProven { path: path.to_owned(), errors: 0, first }
}
