//! What the guardians of a federation share: who they are, and the rules by which all of them judge.

use fm_crypto::{SessionKeys, SigningKey};
use fm_history::PeerId;

use crate::schedule::Schedule;

/// The guardians of the federation, and which of them is this one.
#[derive(Debug)]
pub struct Federation {
    /// The keys of all guardians.
    pub keys: SessionKeys,
    /// This guardian.
    pub own: PeerId,
    /// This guardian's key.
    pub signing_key: SigningKey,
}

/// The kind of programs that take part in ordering. All of them must judge every unit alike, or they diverge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orderers {
    /// Only nodes. They do not accept items with which a header's tree could be read as that of another list:
    /// an item that the same guardian's units carried before in the session, byte for byte, and an item that
    /// is as long as two nodes of the tree. So no list repeats itself or reads as nodes, and no signed header
    /// covers two lists.
    Nodes,
    /// Also servers. They process such items like any other.
    Servers {
        /// Whether they ignore bytes after the items of a batch (before v0.6), or skip such a batch.
        ignore_rest: bool,
    },
}

impl Orderers {
    /// Returns whether items that make a header ambiguous are not accepted.
    pub(crate) fn refuse_ambiguous(self) -> bool {
        self == Self::Nodes
    }

    /// Returns whether bytes after the items of a batch are ignored.
    pub(crate) fn ignore_rest(self) -> bool {
        self == Self::Servers { ignore_rest: true }
    }
}

/// The rules that all guardians of a federation share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// When a session ends.
    pub schedule: Schedule,
    /// The kind of programs that take part in ordering.
    pub orderers: Orderers,
}
