//! The history root: one hash over all sessions, for guardians to compare.
//!
//! An RFC 9162 Merkle tree hash (SHA-256; the first byte distinguishes leaves from nodes). A leaf has 56
//! bytes: session index and item count (8 bytes big endian each), then the 40-byte header. The count makes
//! it unambiguous where the header alone is ambiguous.

use crate::{Hash, SessionHeader, sha256};

/// The data of one session that the history root commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLeaf {
    /// Number of accepted items.
    pub items: u64,
    /// The header.
    pub header: SessionHeader,
}

impl SessionLeaf {
    /// Returns the 56 bytes of the leaf.
    pub fn to_bytes(self) -> [u8; 56] {
        let mut bytes = [0; 56];
        bytes[..8].copy_from_slice(&self.header.index.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.items.to_be_bytes());
        bytes[16..].copy_from_slice(&self.header.to_bytes());
        bytes
    }
}

/// A history root being computed; memory is logarithmic in the number of sessions.
#[derive(Clone, Debug, Default)]
pub struct HistoryRoot {
    leaves: u64,
    /// Roots of complete subtrees, largest first; their sizes are the set bits of `leaves`.
    peaks: Vec<Hash>,
}

impl HistoryRoot {
    /// Returns the root of no sessions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues a root after a number of sessions; `None` if these are not the roots of their subtrees.
    pub fn resume(sessions: u64, peaks: Vec<Hash>) -> Option<Self> {
        let is_whole = usize::try_from(sessions.count_ones()) == Ok(peaks.len());
        is_whole.then_some(Self { leaves: sessions, peaks })
    }

    /// Returns the roots of the complete subtrees, largest first: what is needed to continue.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds the next session.
    pub fn push(&mut self, leaf: SessionLeaf) {
        let mut node = leaf_node(leaf);
        // Each trailing one bit of the count is a subtree as large as the current one.
        for _ in 0..self.leaves.trailing_ones() {
            let left = self.peaks.pop().expect("one peak per set bit");
            node = parent(left, node);
        }
        self.peaks.push(node);
        self.leaves += 1;
    }

    /// Returns the number of sessions so far.
    pub fn sessions(&self) -> u64 {
        self.leaves
    }

    /// Returns the root over all sessions so far.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().copied();
        let Some(smallest) = peaks.next() else { return sha256(&[]) };
        peaks.fold(smallest, |right, left| parent(left, right))
    }
}

/// The roots after each number of sessions: all nodes of the tree, 64 bytes for each session.
#[derive(Clone, Debug, Default)]
pub struct HistoryTree {
    /// The roots of the complete subtrees of `2^level` sessions, in order.
    levels: Vec<Vec<Hash>>,
}

impl HistoryTree {
    /// Returns the number of sessions so far.
    pub fn sessions(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds the next session.
    pub fn push(&mut self, leaf: SessionLeaf) {
        let mut node = leaf_node(leaf);
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            let left = nodes.last().copied().filter(|_| nodes.len() % 2 == 1);
            nodes.push(node);
            let Some(left) = left else { return };
            node = parent(left, node);
        }
    }

    /// Returns the root after the first sessions; `None` if there are not as many.
    pub fn after(&self, sessions: u64) -> Option<HistoryRoot> {
        let is_there = sessions <= self.sessions();
        let peak = |(level, nodes): (usize, &Vec<Hash>)| {
            let complete = usize::try_from(sessions >> level).ok()?;
            // An even number of subtrees is part of larger ones.
            (complete % 2 == 1).then(|| nodes.get(complete - 1).copied()).flatten()
        };
        let peaks = self.levels.iter().enumerate().rev().filter_map(peak).collect();
        HistoryRoot::resume(sessions, peaks).filter(|_| is_there)
    }
}

fn leaf_node(leaf: SessionLeaf) -> Hash {
    sha256(&[&[0], &leaf.to_bytes()])
}

fn parent(left: Hash, right: Hash) -> Hash {
    sha256(&[&[1], &left.0, &right.0])
}
