//! The state that the sessions and the interface share: configuration and database, what is measured, and the mempool.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fm_consensus::Modules;
use fm_datadir::{CHECKPOINTS_NAME, Retention, checkpoints};
use fm_history::Hash;
use fm_peers::Peers;
use fm_store::LiveStore;
use tokio::sync::watch;

use crate::config::NodeConfig;
use crate::lock::lock;
use crate::mempool::Mempool;
use crate::telemetry::Telemetry;

pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    pub(crate) store: Arc<LiveStore>,
    pub(crate) modules: Arc<Modules>,
    /// `None` in a federation of one.
    pub(crate) peers: Option<Arc<Peers>>,
    pub(crate) telemetry: Telemetry,
    pub(crate) mempool: Mempool,
    /// The number of finished sessions.
    pub(crate) finished: watch::Sender<u64>,
    /// The number of finished sessions after which the node stops.
    pub(crate) last: watch::Sender<Option<u64>>,
    /// A session without progress for this long is stuck.
    pub(crate) stuck_after: Duration,
    /// The checkpoints to keep.
    pub(crate) retention: Retention,
    announcing: Mutex<()>,
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
            mempool: Mempool::new(store.clone()),
            store,
            modules,
            peers,
            telemetry: Telemetry::default(),
            finished: watch::Sender::new(0),
            last: watch::Sender::new(None),
            stuck_after,
            retention,
            announcing: Mutex::default(),
        }
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

    /// Notes that a transaction was accepted, and reports it to waiting clients.
    pub(crate) fn accepted(&self, txid: &Hash) {
        self.telemetry.latency.end(txid);
        self.mempool.accepted(txid);
    }
}
