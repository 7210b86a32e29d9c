//! The 40-byte header of a session: what guardians sign.
//!
//! The Merkle tree has Bitcoin's shape with single SHA-256 and no domain separation, so several item lists
//! can share a root: with a repeated tail (CVE-2012-2459), or at another depth, where an item is the 64 bytes of two
//! nodes. Invariant: a root never leaves here without saying whether its list is one of those.

use crate::{Hash, sha256};

/// A Merkle root, and whether the list of leaves is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerkleRoot {
    /// The root.
    pub root: Hash,
    /// The list repeats its own tail in a way that a shorter list has the same root.
    pub ambiguous: bool,
    /// How many items at its end repeat those before them: without them it is the shortest list with this root.
    ///
    /// Every list with this root is the shortest one with some of its last items repeated, so that what stands in the
    /// shortest one stands at the same place in all of them.
    pub repeated: usize,
    /// Whether a list of another depth may have the same root.
    pub depth: Depth,
}

/// Whether leaves can be told from inner nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// No list of another depth has this root, or leaf hashes alone were given, which do not tell.
    #[default]
    Settled,
    /// Every item has 64 bytes: each may be two nodes, and the true list longer.
    MaybeDeeper,
    /// On some level all nodes can be read as items: a shorter list has the same root.
    Shallower,
}

/// Bytes of two nodes, which is what an inner node is the hash of.
pub const NODE_PAIR_BYTES: usize = 64;

/// The root over leaf hashes: zeros for no leaf, the leaf for one, the last node repeated on odd levels.
///
/// Of all lists with one root exactly the shortest is not ambiguous: the others end, on some level, in a pair of
/// equal nodes where the shorter list has a single one. Equal pairs elsewhere share their root with nobody.
pub fn merkle_root(mut level: Vec<Hash>) -> MerkleRoot {
    root_of(&mut level, |_| {})
}

/// The root over items as they are stored; `is_item` says of 64 bytes whether a server may have accepted them as one.
///
/// Two lists of different depth share a root only if every item of the shorter one is a pair of nodes of the longer
/// one. So a list with any item of another length than 64 bytes cannot be the shorter one, and a list none of whose
/// levels reads as items cannot be the longer one.
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

/// What the nodes above these are the hashes of.
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
    // Items that the shortest list has under the last node of this level.
    let (mut needed, mut items_of_node) = (usize::from(items > 0), 1_usize);
    while level.len() > 1 {
        on_level(level);
        let last = level.len() - 1;
        // A last node that is its own partner, or equals its neighbour, adds nothing: the shorter list has one of the
        // two. Of two nodes in all it has both, for one alone is not a pair but the root itself.
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

/// The same root over leaves that come one by one, in memory for one path of the tree.
#[derive(Clone, Debug, Default)]
pub struct RootBuilder {
    /// Whole subtrees, each lower than the one before it: how high, and their roots.
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

    /// The root over all of them.
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
    /// The signed bytes: the index (8 bytes, big endian in every era), then the root.
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.index.to_be_bytes());
        bytes[8..].copy_from_slice(&self.root.0);
        bytes
    }
}
