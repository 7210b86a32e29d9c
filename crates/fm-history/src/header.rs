//! The 40-byte header of a session: what guardians sign.
//!
//! The Merkle tree has Bitcoin's shape with single SHA-256 and no domain separation, so several item lists
//! can share a root (CVE-2012-2459). Invariant: a root never leaves here without saying whether its list is
//! one of those.

use crate::{Hash, sha256};

/// A Merkle root, and whether the list of leaves is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerkleRoot {
    /// The root.
    pub root: Hash,
    /// The list repeats its own tail in a way that a shorter list has the same root.
    pub ambiguous: bool,
}

/// The root over leaf hashes: zeros for no leaf, the leaf for one, the last node repeated on odd levels.
///
/// Of all lists with one root exactly the shortest is not ambiguous: the others end, on some level, in a pair of
/// equal nodes where the shorter list has a single one. Equal pairs elsewhere share their root with nobody.
pub fn merkle_root(mut level: Vec<Hash>) -> MerkleRoot {
    let mut ambiguous = false;
    while level.len() > 1 {
        // Of two equal nodes the shorter list would have one, and one is not a pair but the root itself.
        ambiguous |= level.len() > 2
            && level.len().is_multiple_of(2)
            && level[level.len() - 1] == level[level.len() - 2];
        level = level
            .chunks(2)
            .map(|pair| sha256(&[&pair[0].0, &pair.last().expect("chunks are not empty").0]))
            .collect();
    }
    MerkleRoot { root: level.first().copied().unwrap_or_default(), ambiguous }
}

/// The header of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHeader {
    /// The session's index.
    pub index: u64,
    /// The root over its items.
    pub root: Hash,
}

impl SessionHeader {
    /// The signed bytes: the index (8 bytes, big endian in every era), then the root.
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.index.to_be_bytes());
        bytes[8..].copy_from_slice(&self.root.0);
        bytes
    }
}
