//! Compares two large collections of rows in constant memory.
//!
//! The digest of a collection is the sum of keyed hashes of its rows: independent of order, sensitive to
//! every row, every value and every repetition. The key is random for each comparison, so that nobody can
//! prepare collections that collide.

use crate::sha256;

/// The secret of one comparison.
#[derive(Clone, Copy)]
pub struct MultisetKey(pub [u8; 32]);

impl MultisetKey {
    /// Returns which of `parts` parts a row belongs to; the rows spread evenly, even if somebody chose the
    /// keys.
    pub fn part(&self, row_key: &[u8], parts: u64) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&sha256(&[&self.0, row_key]).0[..8]);
        u64::from_be_bytes(word) % parts.max(1)
    }
}

/// The digest of a collection of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MultisetDigest {
    /// Number of rows.
    pub rows: u64,
    lanes: [u64; 4],
}

impl MultisetDigest {
    /// Adds a row.
    pub fn add(&mut self, key: &MultisetKey, row_key: &[u8], row_value: &[u8]) {
        let length = (row_key.len() as u64).to_be_bytes();
        let hash = sha256(&[&key.0, &length, row_key, row_value]);
        for (lane, bytes) in self.lanes.iter_mut().zip(hash.0.chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            *lane = lane.wrapping_add(u64::from_be_bytes(word));
        }
        self.rows += 1;
    }

    /// Adds all rows of another collection.
    pub fn merge(&mut self, other: &Self) {
        for (lane, more) in self.lanes.iter_mut().zip(other.lanes) {
            *lane = lane.wrapping_add(more);
        }
        self.rows += other.rows;
    }
}
