//! The state that the sessions and the interface share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fm_consensus::{Action, BalanceSheet, Modules, ProposalQueue, QueueError, UnitPayload};
use fm_datadir::{CHECKPOINTS_NAME, Retention, checkpoints};
use fm_eras::session::transaction_key;
use fm_history::{ConsensusItem, Hash, PeerId};
use fm_peers::Peers;
use fm_store::{LiveStore, StoreError};
use tokio::sync::{oneshot, watch};

use crate::config::NodeConfig;
use crate::latency::Latency;
use crate::metrics::Metrics;
use crate::watchdog::Movement;

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

/// The proposals, and the session for which they are proposed.
#[derive(Default)]
pub(crate) struct Queue {
    items: ProposalQueue,
    session: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, item: &ConsensusItem) -> Result<(), QueueError> {
        self.items.push(item)
    }

    /// Returns the content of the next own unit, if that session is still open. The library may ask until it
    /// has stopped, and content that it got then would be lost.
    pub(crate) fn next_payload(
        &mut self,
        session: u64,
        is_accepted: impl Fn(&Hash) -> bool,
    ) -> Option<UnitPayload> {
        if session != self.session {
            return None;
        }
        self.items.next_payload(is_accepted)
    }

    /// Applies an action of the machine.
    pub(crate) fn follow(&mut self, action: &Action) {
        if let Action::SessionComplete { session, .. } = action {
            self.session = session + 1;
        }
        self.items.follow(action);
    }

    /// Returns the number of waiting items, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        self.items.waiting()
    }

    /// Sets the open session.
    pub(crate) fn open(&mut self, session: u64) {
        self.session = session;
    }
}

pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    pub(crate) store: Arc<LiveStore>,
    pub(crate) modules: Arc<Modules>,
    /// `None` in a federation of one.
    pub(crate) peers: Option<Arc<Peers>>,
    pub(crate) metrics: Metrics,
    /// The number of finished sessions.
    pub(crate) finished: watch::Sender<u64>,
    /// The number of finished sessions after which the node stops.
    pub(crate) last: watch::Sender<Option<u64>>,
    /// The latency of transactions.
    pub(crate) latency: Latency,
    /// A session without progress for this long is stuck.
    pub(crate) stuck_after: Duration,
    /// The checkpoints to keep.
    pub(crate) retention: Retention,
    announcing: Mutex<()>,
    queue: Mutex<Queue>,
    progress: Mutex<SessionProgress>,
    waiting: Mutex<HashMap<Hash, Vec<oneshot::Sender<()>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No holder of one of these locks calls code that may panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SessionProgress {
    /// Returns whether no unit of a guardian was ordered since the beginning of the last finished session;
    /// false if this node did not see the whole of that session.
    pub(crate) fn is_silent(&self, peer: PeerId) -> bool {
        let saw_all = self.followed_from + 1 < self.session;
        saw_all && self.contributed.get(&peer).is_none_or(|last| last + 1 < self.session)
    }
}

impl Shared {
    pub(crate) fn new(
        config: NodeConfig,
        store: Arc<LiveStore>,
        modules: Arc<Modules>,
        peers: Option<Arc<Peers>>,
        retention: Retention,
        stuck_after: Duration,
    ) -> Self {
        Self {
            config,
            store,
            modules,
            peers,
            metrics: Metrics::default(),
            finished: watch::Sender::new(0),
            last: watch::Sender::new(None),
            latency: Latency::default(),
            stuck_after,
            retention,
            announcing: Mutex::default(),
            queue: Mutex::default(),
            progress: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, SessionProgress> {
        lock(&self.progress)
    }

    /// Locks the announcements, so that one request at a time reads and writes them.
    pub(crate) fn announcing(&self) -> MutexGuard<'_, ()> {
        lock(&self.announcing)
    }

    /// Returns the checkpoints after sessions and their ages, oldest first. Checkpoints of unknown age are
    /// left out.
    pub(crate) fn checkpoint_ages(&self) -> Vec<(u64, Duration)> {
        let directory = self.config.directory.join(CHECKPOINTS_NAME);
        let sessions = checkpoints(&directory).unwrap_or_default();
        let age = |session: &u64| {
            let made =
                std::fs::metadata(directory.join(session.to_string())).and_then(|entry| entry.modified());
            made.ok()?.elapsed().ok()
        };
        sessions.into_iter().filter_map(|session| Some((session, age(&session)?))).collect()
    }

    /// Returns whether the transaction was accepted.
    pub(crate) fn is_accepted(&self, txid: &Hash) -> Result<bool, StoreError> {
        Ok(self.store.get(&transaction_key(txid))?.is_some())
    }

    /// Waits until the transaction is accepted.
    pub(crate) async fn when_accepted(&self, txid: Hash) -> Result<(), StoreError> {
        let (tell, reported) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            // Looked up while the lock is held, so that the transaction is not accepted in between.
            if self.is_accepted(&txid)? {
                return Ok(());
            }
            waiting.entry(txid).or_default().push(tell);
        }
        let mut waiter = Waiter { shared: self, txid, reported };
        // The sender never goes away without a message.
        let _ = (&mut waiter.reported).await;
        Ok(())
    }

    /// Reports to waiting clients that a transaction was accepted.
    pub(crate) fn accepted(&self, txid: &Hash) {
        self.latency.end(txid);
        for waiting in lock(&self.waiting).remove(txid).unwrap_or_default() {
            // The client may be gone.
            let _ = waiting.send(());
        }
    }

    /// Reports to waiting clients whose transactions were in a fetched session.
    pub(crate) fn look_after_waiting(&self) -> Result<(), StoreError> {
        let mut waiting = lock(&self.waiting);
        let mut accepted = Vec::new();
        for txid in waiting.keys() {
            if self.is_accepted(txid)? {
                accepted.push(*txid);
            }
        }
        for txid in accepted {
            for waiting in waiting.remove(&txid).unwrap_or_default() {
                // The client may be gone.
                let _ = waiting.send(());
            }
        }
        Ok(())
    }
}

/// A client that waits for a transaction. If the client goes away, its entry is removed at once, so that
/// entries do not accumulate.
struct Waiter<'a> {
    shared: &'a Shared,
    txid: Hash,
    reported: oneshot::Receiver<()>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.reported.close();
        let mut waiting = lock(&self.shared.waiting);
        if let Some(others) = waiting.get_mut(&self.txid) {
            others.retain(|other| !other.is_closed());
            if others.is_empty() {
                waiting.remove(&self.txid);
            }
        }
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
