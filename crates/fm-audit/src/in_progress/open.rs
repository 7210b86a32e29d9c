//! What a database shows about its guardian's part in the session in progress: the guardian's own units, and
//! whether a checkpoint beside the database holds the same data.

use std::fs;
use std::path::Path;

use fm_crypto::SessionKeys;
use fm_eras::Layout;
use fm_eras::block::BlockLayout;
use fm_history::PeerId;
use fm_store::ReadStore;
use fm_units::{Expected, read_in_form};

use super::stored::StoredUnits;
use crate::source::Origin;

/// The counts of units of the session in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUnits {
    /// The session.
    pub session: u64,
    /// Number of units that can be read.
    pub all: u64,
    /// Number of units of this guardian; `None` if the guardian is not known.
    pub own: Option<u64>,
    /// Number of rows that cannot be read.
    pub damaged: u64,
    /// Number of units of rounds past the end of the session, whose items do not count; `None` if the number
    /// of rounds is not known.
    pub past_end: Option<u64>,
}

impl StoredUnits {
    /// Counts the units of the session in progress, which has `rounds` rounds if that is known.
    pub fn count(
        &self,
        session: u64,
        keys: &SessionKeys,
        peer: Option<PeerId>,
        rounds: Option<u16>,
    ) -> OpenUnits {
        let (own, past_end) = (peer.map(|_| 0), rounds.map(|_| 0));
        let mut units = OpenUnits { session, all: 0, own, damaged: 0, past_end };
        let expected = Expected { session, guardians: Some(keys.guardians()) };
        for (_, backup) in &self.backups {
            let Ok(records) = read_in_form(backup, expected, self.forms()) else {
                units.damaged += backup.rows.len() as u64;
                continue;
            };
            units.damaged += records.damage.len() as u64;
            for (_, unit) in records.units() {
                units.all += 1;
                if let (Some(past_end), Some(rounds)) = (&mut units.past_end, rounds) {
                    *past_end += u64::from(unit.fields.round >= rounds);
                }
                if unit.fields.session != session {
                    units.damaged += 1;
                } else if let (Some(own), Some(peer)) = (&mut units.own, peer) {
                    *own += u64::from(unit.fields.creator == u64::from(peer));
                }
            }
        }
        units
    }

    /// Returns how many of the accepted items a guardian proposed, as far as the items state it.
    pub fn items_of(&self, peer: PeerId) -> u64 {
        let items = self.accepted_items().unwrap_or_default();
        items.iter().filter(|(_, proposer)| *proposer == u64::from(peer)).count() as u64
    }

    /// Returns whether there is any unit or accepted item of the session in progress.
    pub fn holds_any(&self) -> bool {
        !self.accepted.is_empty() || self.backups.iter().any(|(_, backup)| !backup.rows.is_empty())
    }

    /// Returns the name of a checkpoint that holds the same data of the session in progress, byte for byte,
    /// if there is any such data: the database may then be a copy of the checkpoint.
    ///
    /// A checkpoint that cannot be read is skipped: a readable database cannot be a copy of it.
    pub fn copied_from(&self, checkpoints: &Path, last: Option<u64>) -> Option<String> {
        let entries = self.holds_any().then(|| fs::read_dir(checkpoints).ok()).flatten()?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let same = paths.into_iter().find(|path| self.is_held_by(path, last).unwrap_or(false))?;
        Some(same.file_name()?.to_string_lossy().into_owned())
    }

    fn is_held_by(&self, checkpoint: &Path, last: Option<u64>) -> Option<bool> {
        let store = ReadStore::open(checkpoint).ok()?;
        if last_session(&store, self.layout) != last {
            return Some(false);
        }
        let other =
            Self::read(Origin { rows: &store, path: checkpoint, layout: Layout::Blocks(self.layout) })
                .ok()?;
        Some(other.backups == self.backups && other.accepted == self.accepted)
    }
}

fn last_session(store: &ReadStore, layout: &BlockLayout) -> Option<u64> {
    let (key, _) = store.last_of_prefix(&[layout.history]).ok()??;
    layout.number_of_key(&key).ok()
}
