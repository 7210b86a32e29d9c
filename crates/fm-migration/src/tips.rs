//! The relation of an attestation's history to the local one: the same, its beginning, its continuation, or
//! another one.
//!
//! Invariant: the history root proves a beginning; signatures over every local session prove a continuation.
//! A root that is only stated proves nothing.

use fm_history::Hash;

/// What is known about an attestation after it was compared with all local sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Number of local sessions, at least one.
    pub here: u64,
    /// The root over them.
    pub root_here: Hash,
    /// Number of sessions that the attestation covers, at least one.
    pub theirs: u64,
    /// The root that the attestation states.
    pub root_theirs: Hash,
    /// The root over as many local sessions as the attestation covers; `None` if there are fewer.
    pub root_at_theirs: Option<Hash>,
    /// The first of the common sessions over which its signature is not valid.
    pub first_bad: Option<u64>,
}

/// The relation of two histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same history, and every signature is valid.
    Same,
    /// The same root, and a signature that is not valid.
    BadSignature {
        /// The session.
        session: u64,
    },
    /// The local history begins with the attested one.
    Shorter {
        /// Its last session.
        until: u64,
    },
    /// The attested history begins with the local one.
    Longer {
        /// The last session here.
        until: u64,
    },
    /// Another history.
    Other {
        /// The first session that differs.
        session: u64,
    },
    /// All signatures are valid, but the roots differ.
    OtherRoot,
}

impl Compared {
    /// Determines the relation.
    pub fn relation(&self) -> Relation {
        let same_root = self.root_at_theirs == Some(self.root_theirs);
        match (self.theirs == self.here, same_root, self.first_bad) {
            (true, true, None) => Relation::Same,
            (true, true, Some(session)) => Relation::BadSignature { session },
            // The root alone shows this, whether or not the signatures are valid.
            (false, true, _) => Relation::Shorter { until: self.theirs - 1 },
            (_, false, Some(session)) => Relation::Other { session },
            (_, false, None) if self.theirs > self.here => Relation::Longer { until: self.here - 1 },
            (_, false, None) => Relation::OtherRoot,
        }
    }
}

#[cfg(test)]
mod tests {
    use fm_history::{HistoryRoot, SessionHeader, SessionLeaf, sha256};

    use super::*;

    /// Returns the root of a history whose sessions from `other_from` on differ.
    fn root(sessions: u64, other_from: u64) -> Hash {
        let mut root = HistoryRoot::new();
        for index in 0..sessions {
            let items = sha256(&[&index.to_be_bytes(), &[u8::from(index >= other_from)]]);
            root.push(SessionLeaf { items: 3, header: SessionHeader { index, root: items } });
        }
        root.root()
    }

    /// Compares two histories that diverge at `fork` as sealing does: signatures are valid up to there.
    fn compared(here: u64, theirs: u64, fork: u64) -> Compared {
        Compared {
            here,
            root_here: root(here, u64::MAX),
            theirs,
            root_theirs: root(theirs, fork),
            root_at_theirs: (theirs <= here).then(|| root(theirs, u64::MAX)),
            first_bad: (fork < here.min(theirs)).then_some(fork),
        }
    }

    #[test]
    fn every_pair_of_lengths_and_every_fork() {
        for here in 1..12 {
            for theirs in 1..12 {
                for fork in 0..13 {
                    let expected = match (theirs.cmp(&here), fork >= here.min(theirs)) {
                        (std::cmp::Ordering::Equal, true) => Relation::Same,
                        (std::cmp::Ordering::Less, true) => Relation::Shorter { until: theirs - 1 },
                        (std::cmp::Ordering::Greater, true) => Relation::Longer { until: here - 1 },
                        (_, false) => Relation::Other { session: fork },
                    };
                    let found = compared(here, theirs, fork).relation();
                    assert_eq!(found, expected, "{here} here, {theirs} there, fork at {fork}");
                }
            }
        }
    }

    #[test]
    fn a_root_that_is_only_named_proves_nothing() {
        // A bad signature under the right root is a bad signature, not another history.
        let bad = Compared { first_bad: Some(3), ..compared(9, 9, 9) };
        assert_eq!(bad.relation(), Relation::BadSignature { session: 3 });
        // Signatures cover only headers; the root also covers the numbers of items.
        let counts = Compared { root_theirs: root(9, 0), ..compared(9, 9, 9) };
        assert_eq!(counts.relation(), Relation::OtherRoot);
        let shorter = Compared { root_theirs: root(4, 0), ..compared(9, 4, 9) };
        assert_eq!(shorter.relation(), Relation::OtherRoot);
        // The root of a shorter history is enough; its signatures do not matter.
        let unsigned = Compared { first_bad: Some(0), ..compared(9, 4, 9) };
        assert_eq!(unsigned.relation(), Relation::Shorter { until: 3 });
    }
}
