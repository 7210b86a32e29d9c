//! The history root after any number of finished sessions, for auditors who look for the first session at which two
//! guardians differ.
//!
//! Invariant: the work that a request causes is done at low priority, in short steps and for one request at a time;
//! each session is read once while the program runs.

use std::sync::Arc;

use fm_eras::session::session_key;
use fm_history::{HistoryRoot, HistoryTree, SessionParts};
use fm_rpc::aside;
use fm_store::{LiveStore, StoreError};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The number of records that are read before other work has its turn.
const STEP: u64 = 256;

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A session is not stored, or cannot be read.
    #[error("session {session} is not stored, or cannot be read")]
    Missing { session: u64 },
    /// The work could not be done.
    #[error("the roots cannot be computed")]
    Stopped,
}

/// The roots over what the database holds, computed when they are first requested.
#[derive(Default)]
pub(crate) struct HistoryRoots(Arc<Mutex<HistoryTree>>);

impl HistoryRoots {
    /// Returns the root after this many sessions, which must be finished.
    pub(crate) async fn after(
        &self,
        store: &Arc<LiveStore>,
        sessions: u64,
    ) -> Result<HistoryRoot, RootsError> {
        let mut tree = self.0.clone().lock_owned().await;
        while tree.sessions() < sessions {
            let end = sessions.min(tree.sessions() + STEP);
            let store = store.clone();
            tree = aside(move || read_up_to(tree, &store, end)).await.ok_or(RootsError::Stopped)??;
        }
        tree.after(sessions).ok_or(RootsError::Stopped)
    }
}

fn read_up_to(
    mut tree: OwnedMutexGuard<HistoryTree>,
    store: &LiveStore,
    end: u64,
) -> Result<OwnedMutexGuard<HistoryTree>, RootsError> {
    for session in tree.sessions()..end {
        let record = store.get(&session_key(session))?;
        let parts = record.as_deref().and_then(|record| SessionParts::read(record).ok());
        let parts = parts.ok_or(RootsError::Missing { session })?;
        tree.push(parts.leaf(session));
    }
    Ok(tree)
}
