//! Paths in the tree of a session's header, and what they prove.
//!
//! The tree neither pads nor counts, so a path alone proves little: the same root fits lists with a repeated
//! tail, and an item of 64 bytes could be an inner node. A path is therefore walked with the number of items,
//! which fixes its shape. The walk also returns the pairs that it hashed, for callers that must know that
//! none of them is an item.

use thiserror::Error;

use crate::{Hash, sha256};

/// Two hashes side by side, as an inner node hashes them.
pub type NodePair = [u8; 64];

/// The reason that a path does not lead to a root.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// The list has no such item.
    #[error("there is no item {index} among {count}")]
    NoSuchItem { index: u64, count: u64 },
    /// The path has more or fewer hashes than the place of the item requires.
    #[error("a path of {found} hashes, where item {index} of {count} takes {expected}")]
    Length { index: u64, count: u64, expected: usize, found: usize },
    /// The list repeats its tail: a shorter one has the same root.
    #[error("the list repeats its tail on level {level}: a shorter list has the same root")]
    RepeatedTail {
        /// From 0 at the items.
        level: usize,
    },
}

/// A walked path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkedPath {
    /// The root that the path leads to.
    pub root: Hash,
    /// The pair that was hashed on each level, from the items on.
    pub pairs: Vec<NodePair>,
}

/// A step of a path: the level's number of nodes and the node's place.
#[derive(Clone, Copy)]
struct Step {
    nodes: u64,
    place: u64,
}

impl Step {
    /// Returns whether the node is the last one of an odd level, and so its own partner.
    fn is_alone(self) -> bool {
        self.place + 1 == self.nodes && !self.nodes.is_multiple_of(2)
    }

    /// Returns whether the node is one of the last two of a level: if these are equal, a shorter list has a
    /// single one. If the level has two nodes in all, a single node is not a pair but the root.
    fn is_last_pair(self) -> bool {
        self.nodes > 2 && self.nodes.is_multiple_of(2) && self.place / 2 == self.nodes / 2 - 1
    }
}

/// Returns the steps from an item to the root.
fn steps(index: u64, count: u64) -> impl Iterator<Item = Step> {
    let mut step = Step { nodes: count, place: index };
    std::iter::from_fn(move || {
        let now = step;
        step = Step { nodes: now.nodes.div_ceil(2), place: now.place / 2 };
        (now.nodes > 1).then_some(now)
    })
}

/// Returns the hashes beside the path from an item to the root; `None` if there is no such item.
pub fn merkle_path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    leaves.get(index)?;
    let (mut level, mut place) = (leaves.to_vec(), index);
    let mut path = Vec::new();
    while level.len() > 1 {
        path.extend(level.get(place ^ 1));
        level = level
            .chunks(2)
            .map(|pair| sha256(&[&pair[0].0, &pair.last().expect("chunks are not empty").0]))
            .collect();
        place /= 2;
    }
    Some(path)
}

/// Walks from a leaf to the root of a list of `count` items.
///
/// # Errors
/// Fails if the path does not have the shape that place and number require, or if the list repeats its tail.
pub fn walk_path(leaf: Hash, index: u64, count: u64, path: &[Hash]) -> Result<WalkedPath, PathError> {
    if index >= count {
        return Err(PathError::NoSuchItem { index, count });
    }
    let expected = steps(index, count).filter(|step| !step.is_alone()).count();
    if expected != path.len() {
        return Err(PathError::Length { index, count, expected, found: path.len() });
    }
    let (mut node, mut rest, mut pairs) = (leaf, path.iter(), Vec::new());
    for (level, step) in steps(index, count).enumerate() {
        let partner = match step.is_alone() {
            true => node,
            false => rest.next().copied().unwrap_or_default(),
        };
        if step.is_last_pair() && partner == node {
            return Err(PathError::RepeatedTail { level });
        }
        let [left, right] = if step.place.is_multiple_of(2) { [node, partner] } else { [partner, node] };
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(&left.0);
        pair[32..].copy_from_slice(&right.0);
        pairs.push(pair);
        node = sha256(&[&pair]);
    }
    Ok(WalkedPath { root: node, pairs })
}
