//! Proposals on their way into the session, and the clients that wait for their transactions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use fm_consensus::{Action, ProposalQueue, QueueError, UnitPayload};
use fm_eras::session::transaction_key;
use fm_history::{ConsensusItem, Hash};
use fm_store::{LiveStore, StoreError};
use tokio::sync::oneshot;

use crate::lock::lock;

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

/// The proposals and the clients that wait for them.
pub(crate) struct Mempool {
    store: Arc<LiveStore>,
    queue: Mutex<Queue>,
    waiting: Mutex<HashMap<Hash, Vec<oneshot::Sender<()>>>>,
}

impl Mempool {
    pub(crate) fn new(store: Arc<LiveStore>) -> Self {
        Self { store, queue: Mutex::default(), waiting: Mutex::default() }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
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
        let mut waiter = Waiter { mempool: self, txid, reported };
        // The sender never goes away without a message.
        let _ = (&mut waiter.reported).await;
        Ok(())
    }

    /// Reports to waiting clients that a transaction was accepted.
    pub(crate) fn accepted(&self, txid: &Hash) {
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
    mempool: &'a Mempool,
    txid: Hash,
    reported: oneshot::Receiver<()>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.reported.close();
        let mut waiting = lock(&self.mempool.waiting);
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
    use std::time::Duration;

    use fm_store::Durability;
    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);

    fn mempool(home: &std::path::Path) -> (Arc<LiveStore>, Mempool) {
        let store = Arc::new(LiveStore::create(&home.join("database")).expect("a new database"));
        (store.clone(), Mempool::new(store))
    }

    #[tokio::test]
    async fn clients_hear_of_their_transaction_once_it_is_accepted() {
        let home = tempfile::tempdir().expect("room");
        let (store, mempool) = mempool(home.path());
        let (first, second) = (Hash([1; 32]), Hash([2; 32]));
        assert!(timeout(MOMENT, mempool.when_accepted(first)).await.is_err());
        let waiting = async {
            tokio::join!(mempool.when_accepted(first), mempool.when_accepted(second), async {
                mempool.accepted(&first);
                // A fetched session holds the second one.
                let key = transaction_key(&second);
                store.write([(key.as_slice(), Some([].as_slice()))], Durability::Deferred).expect("a write");
                mempool.look_after_waiting().expect("a look");
            })
        };
        let (one, two, ()) = timeout(Duration::from_secs(10), waiting).await.expect("both are answered");
        assert!(one.is_ok() && two.is_ok());
        // What is accepted already is answered at once.
        assert!(mempool.when_accepted(second).await.is_ok());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_leaves_nothing() {
        let home = tempfile::tempdir().expect("room");
        let (_store, mempool) = mempool(home.path());
        for _ in 0..3 {
            assert!(timeout(MOMENT, mempool.when_accepted(Hash([3; 32]))).await.is_err());
        }
        assert!(lock(&mempool.waiting).is_empty());
    }
}
