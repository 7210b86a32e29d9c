//! The 40-byte header of a session, which guardians sign.
//!
//! The Merkle tree has Bitcoin's shape with single SHA-256 and no domain separation, so several item lists
//! can share a root: with a repeated tail (CVE-2012-2459), or at another depth, where an item is the 64 bytes
//! of two nodes.
//!
//! Invariant: every root comes with a statement whether its list is one of those.

use crate::{Hash, sha256};

/// A Merkle root, and whether the list of leaves is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerkleRoot {
    /// The root.
    pub root: Hash,
    /// Whether the list repeats its own tail so that a shorter list has the same root.
    pub ambiguous: bool,
    /// The number of items at its end that repeat those before them: without them it is the shortest list
    /// with this root.
    ///
    /// Every list with this root is the shortest one with some of its last items repeated. An item of the
    /// shortest list is therefore at the same place in all of them.
    pub repeated: usize,
    /// Whether a list of another depth may have the same root.
    pub depth: Depth,
}

/// Whether leaves can be distinguished from inner nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// No list of another depth has this root, or only leaf hashes were given, which do not decide.
    #[default]
    Settled,
    /// Every item has 64 bytes: each may be two nodes, and the true list longer.
    MaybeDeeper,
    /// On some level all nodes can be read as items: a shorter list has the same root.
    Shallower,
}

/// The length of two nodes in bytes, which an inner node hashes.
/// Source: fedimint-core 0.5.0, src/session_outcome.rs.
pub const NODE_PAIR_BYTES: usize = 64;

/// Returns the root over leaf hashes: zeros for no leaf, the leaf for one; odd levels repeat their last node.
///
/// Of all lists with one root, exactly the shortest is not ambiguous. The others end, on some level, in a
/// pair of equal nodes where the shorter list has a single node. Equal pairs elsewhere share their root with
/// no other list.
pub fn merkle_root(mut level: Vec<Hash>) -> MerkleRoot {
    root_of(&mut level, |_| {})
}

/// Returns the root over stored items; `is_item` returns whether a server may have accepted these 64 bytes as
/// an item.
///
/// Two lists of different depth share a root only if every item of the shorter one is a pair of nodes of the
/// longer one. So a list with any item of another length than 64 bytes cannot be the shorter one. A list in
/// which no level reads as items cannot be the longer one.
pub fn merkle_root_of_items(items: &[&[u8]], is_item: impl Fn(&[u8; 64]) -> bool) -> MerkleRoot {
    let mut level: Vec<Hash> = items.iter().map(|item| sha256(&[item])).collect();
    let mut shallower = false;
    let mut found =
        root_of(&mut level, |nodes| shallower = shallower || pairs(nodes).all(|pair| is_item(&pair)));
    if shallower {
        found.depth = Depth::Shallower;
    } else if !items.is_empty() && items.iter().all(|item| item.len() == NODE_PAIR_BYTES) {
        found.depth = Depth::MaybeDeeper;
    }
    found
}

/// Returns the pairs that the nodes above these hash.
fn pairs(level: &[Hash]) -> impl Iterator<Item = [u8; NODE_PAIR_BYTES]> {
    level.chunks(2).map(|pair| {
        let mut bytes = [0; NODE_PAIR_BYTES];
        bytes[..32].copy_from_slice(&pair[0].0);
        bytes[32..].copy_from_slice(&pair[pair.len() - 1].0);
        bytes
    })
}

fn root_of(level: &mut Vec<Hash>, mut on_level: impl FnMut(&[Hash])) -> MerkleRoot {
    let items = level.len();
    // The number of items that the shortest list has under the last node of this level.
    let (mut needed, mut items_of_node) = (usize::from(items > 0), 1_usize);
    while level.len() > 1 {
        on_level(level);
        let last = level.len() - 1;
        // A last node that is its own partner, or equals its neighbour, adds nothing: the shorter list has
        // only one of the two. If the level has two nodes in all, the list has both: a single node is not a
        // pair but the root.
        let is_pair = level.len().is_multiple_of(2) && level[last] != level[last - 1];
        if level.len() == 2 || is_pair {
            needed = needed.saturating_add(items_of_node);
        }
        *level = pairs(level).map(|pair| sha256(&[&pair])).collect();
        items_of_node = items_of_node.saturating_mul(2);
    }
    let root = level.first().copied().unwrap_or_default();
    let repeated = items.saturating_sub(needed);
    MerkleRoot { root, ambiguous: repeated > 0, repeated, depth: Depth::Settled }
}

/// Computes the same root over leaves that arrive one by one; memory holds one path of the tree.
#[derive(Clone, Debug, Default)]
pub struct RootBuilder {
    /// Whole subtrees, each lower than the one before it: their heights and roots.
    subtrees: Vec<(u32, Hash)>,
}

impl RootBuilder {
    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut new = (0, leaf);
        while let Some((_, left)) = self.subtrees.pop_if(|(height, _)| *height == new.0) {
            new = (new.0 + 1, sha256(&[&left.0, &new.1.0]));
        }
        self.subtrees.push(new);
    }

    /// Returns the root over all leaves.
    pub fn root(mut self) -> Hash {
        let Some((mut height, mut node)) = self.subtrees.pop() else { return Hash::default() };
        while let Some((above, left)) = self.subtrees.pop() {
            while height < above {
                node = sha256(&[&node.0, &node.0]);
                height += 1;
            }
            node = sha256(&[&left.0, &node.0]);
            height += 1;
        }
        node
    }
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
    /// Returns the signed bytes: the index (8 bytes, big endian in every era), then the root.
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.index.to_be_bytes());
        bytes[8..].copy_from_slice(&self.root.0);
        bytes
    }
}
