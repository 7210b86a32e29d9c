//! The session in progress: the accepted items, how many of them were ordered again, and the collected
//! signatures.

use std::collections::HashSet;

use fm_codec::{Decode, Reader};
use fm_eras::session::{SIGNED_SESSION_OUTCOME, session_key};
use fm_history::{AcceptedItem, Hash, SessionHeader, Signatures, merkle_root, sha256};

use crate::error::EngineError;
use crate::module::decode;
use crate::storage::Storage;
use crate::tables::{ACCEPTED_ITEM, accepted_item_key};

/// The session in progress.
pub(crate) struct Session {
    /// Its index.
    pub(crate) index: u64,
    /// The leaf hashes of the accepted items, in order.
    pub(crate) leaves: Vec<Hash>,
    /// The same hashes as a set.
    pub(crate) known: HashSet<Hash>,
    /// The number of accepted items that were ordered since the machine was opened. After a crash, units that
    /// were ordered before are ordered again; this number identifies what was accepted then.
    pub(crate) replayed: usize,
    /// The bytes of these items.
    pub(crate) replayed_bytes: usize,
    /// The number of ordered batches.
    pub(crate) batches: u64,
    /// The signatures, once the rounds are over.
    pub(crate) signing: Option<Signing>,
}

/// The header and its signatures.
pub(crate) struct Signing {
    pub(crate) header: SessionHeader,
    /// The message that is signed.
    pub(crate) message: [u8; 32],
    pub(crate) own: [u8; 64],
    pub(crate) signatures: Signatures,
}

impl Session {
    /// Creates a session without accepted items.
    pub(crate) fn new(index: u64) -> Self {
        let (leaves, known) = (Vec::new(), HashSet::new());
        Self { index, leaves, known, replayed: 0, replayed_bytes: 0, batches: 0, signing: None }
    }

    /// Reads the session in progress from a database. If the guardian is `alone`, its units are not ordered
    /// again.
    pub(crate) fn read(storage: &dyn Storage, alone: bool) -> Result<Self, EngineError> {
        let mut session = Self::new(next_session(storage)?);
        for row in storage.scan_prefix(ACCEPTED_ITEM) {
            let (key, value) = row?;
            let index = session.leaves.len() as u64;
            if key != accepted_item_key(index) {
                return Err(EngineError::PendingItem { index });
            }
            decode(&value, AcceptedItem::decode)
                .map_err(|source| EngineError::Row { key: hex::encode(&key), source })?;
            session.accept(sha256(&[&value]));
            if alone {
                session.replay(value.len());
            }
        }
        Ok(session)
    }

    pub(crate) fn accept(&mut self, leaf: Hash) {
        self.leaves.push(leaf);
        self.known.insert(leaf);
    }

    /// Notes that the next accepted item was ordered.
    pub(crate) fn replay(&mut self, bytes: usize) {
        self.replayed += 1;
        self.replayed_bytes += bytes;
    }

    pub(crate) fn header(&self) -> SessionHeader {
        SessionHeader { index: self.index, root: merkle_root(self.leaves.clone()).root }
    }
}

/// Returns the first session that is not stored, by bisection: sessions are stored without gaps.
fn next_session(storage: &dyn Storage) -> Result<u64, EngineError> {
    let stored = |index| Ok::<_, EngineError>(storage.get(&session_key(index))?.is_some());
    let mut end = 1;
    while stored(end - 1)? {
        // Keys come from the database, so the largest number must not overflow.
        let Some(twice) = end.checked_mul(2) else { break };
        end = twice;
    }
    let (mut least, mut most) = (end / 2, end - 1);
    while least < most {
        let middle = least.midpoint(most);
        if stored(middle)? { least = middle + 1 } else { most = middle }
    }
    let mut beyond = storage.scan_range(&session_key(least), Some(&[SIGNED_SESSION_OUTCOME + 1]));
    match beyond.next() {
        None => Ok(least),
        Some(row) => {
            let (key, _) = row?;
            let last = decode(&key[1..], Reader::u64)
                .map_err(|source| EngineError::Row { key: hex::encode(&key), source })?;
            Err(EngineError::MissingSessions { stored: least, last })
        }
    }
}
