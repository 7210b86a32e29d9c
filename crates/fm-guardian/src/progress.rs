//! The progress of the session in progress, as the sessions note it and the interface shows it.

use std::collections::BTreeMap;
use std::time::Instant;

use fm_consensus::BalanceSheet;
use fm_history::PeerId;

/// The state of the session in progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionProgress {
    /// Its number, which is the number of finished sessions.
    pub(crate) session: u64,
    /// Accepted items.
    pub(crate) items: u64,
    /// The highest ordered round.
    pub(crate) round: u16,
    /// The guardians whose signatures are missing, once the rounds are over.
    pub(crate) missing: Option<Vec<PeerId>>,
    /// The last session in which a unit of each guardian was ordered.
    pub(crate) contributed: BTreeMap<PeerId, u64>,
    /// The session since which all were finished by units that were ordered here; the beginning of the first
    /// may be missing.
    pub(crate) followed_from: u64,
    /// The times of its progress.
    pub(crate) movement: Movement,
    /// The federation's assets and liabilities.
    pub(crate) balance: BalanceSheet,
}

impl SessionProgress {
    /// Returns whether no unit of a guardian was ordered since the beginning of the last finished session;
    /// false if this node did not see the whole of that session.
    pub(crate) fn is_silent(&self, peer: PeerId) -> bool {
        let saw_all = self.followed_from + 1 < self.session;
        saw_all && self.contributed.get(&peer).is_none_or(|last| last + 1 < self.session)
    }
}

/// The times at which the open session last made progress.
#[derive(Clone, Debug)]
pub(crate) struct Movement {
    /// The time of its last ordered unit, or of its beginning.
    pub(crate) ordered: Instant,
    /// The time at which its rounds ended.
    pub(crate) signing: Option<Instant>,
    /// The time of the last ordered unit of each guardian since the start.
    pub(crate) heard: BTreeMap<PeerId, Instant>,
    /// The session until which this node makes no units, while that applies.
    pub(crate) guarded: Option<u64>,
}

impl Default for Movement {
    fn default() -> Self {
        Self { ordered: Instant::now(), signing: None, heard: BTreeMap::new(), guarded: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_missing_from_a_whole_session_is_silent() {
        let contributed = BTreeMap::from([(1, 6), (2, 5), (3, 7)]);
        let progress =
            SessionProgress { session: 7, contributed, followed_from: 5, ..SessionProgress::default() };
        let silent =
            |progress: &SessionProgress| (0..4).filter(|peer| progress.is_silent(*peer)).collect::<Vec<_>>();
        assert_eq!(silent(&progress), [0, 2]);
        // It may have seen only the end of session 6, as after a start or a fetched session.
        assert!(silent(&SessionProgress { followed_from: 6, ..progress.clone() }).is_empty());
        assert!(silent(&SessionProgress { followed_from: 7, ..progress }).is_empty());
        assert!(silent(&SessionProgress::default()).is_empty());
    }
}
