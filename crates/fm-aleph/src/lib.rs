//! One AlephBFT session of a live guardian: `fedimint-aleph-bft` 0.36 with the guardians' links, keys and
//! unit backup.
//!
//! What is sent over the links, what is stored and what is signed is the same as in v0.4 and later, byte for
//! byte.
//!
//! Invariants: a unit of this guardian leaves it only after it is safely stored, with everything stored
//! before it; a bad message from another guardian is dropped and has no other effect; a panic of the library
//! ends the session, not the program.
//!
//! # Example
//!
//! ```
//! use fm_aleph::AlephError;
//!
//! // AlephBFT tolerates f faulty guardians of 3f + 1, so it needs four.
//! let error = AlephError::TooFewGuardians { guardians: 3 };
//! assert_eq!(error.to_string(), "AlephBFT needs four guardians or more, these are 3");
//! ```

mod backup;
mod budget;
mod io;
mod keychain;
mod message;
mod network;
mod schedule;
mod spawn;

use std::sync::Arc;
use std::time::Duration;

use aleph_bft_0_36 as aleph;
use fm_consensus::{Schedule, UnitPayload};
use fm_crypto::{SessionKeys, SigningKey};
use fm_history::PeerId;
use fm_peers::{Incoming, Peers};
use futures::channel::oneshot;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use backup::UnitLog;

use crate::message::Bounds;
use crate::spawn::Spawner;

/// How long the library may take to end after it was asked to.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Returns the contents of this guardian's next unit. It is called once for every unit.
pub type Proposals = Box<dyn FnMut() -> Option<UnitPayload> + Send + Sync>;

/// A guardian that takes part in ordering.
#[derive(Clone)]
pub struct Member {
    /// Its number.
    pub me: PeerId,
    /// The keys of all guardians.
    pub keys: Arc<SessionKeys>,
    /// Its own key.
    pub key: Arc<SigningKey>,
    /// The links to the others.
    pub peers: Arc<Peers>,
    /// Their messages; one session at a time takes from it.
    pub incoming: Arc<Mutex<Incoming>>,
    /// The schedule of the rounds.
    pub schedule: Schedule,
    /// The delay between two rounds.
    pub round_delay: Duration,
}

/// Why a session cannot be ordered.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AlephError {
    /// AlephBFT needs four guardians.
    #[error("AlephBFT needs four guardians or more, these are {guardians}")]
    TooFewGuardians { guardians: usize },
    /// The rounds would run out.
    #[error("with {millis} ms between rounds a session's rounds could run out within ten years")]
    TooFast { millis: u128 },
    /// The library refuses its configuration.
    #[error("AlephBFT refuses its configuration")]
    Refused,
}

/// A unit in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedUnit {
    /// The guardian that made it.
    pub creator: PeerId,
    /// Its round.
    pub round: u16,
    /// Its contents.
    pub payload: Option<UnitPayload>,
}

/// A session that is being ordered.
pub struct Session {
    ordered: mpsc::UnboundedReceiver<OrderedUnit>,
    exit: oneshot::Sender<()>,
    run: JoinHandle<()>,
    spawner: Spawner,
}

impl Session {
    /// Starts to order the session with this number; units in the log are ordered again first.
    ///
    /// # Errors
    /// If there are fewer than four guardians, or rounds are too fast.
    pub fn start(
        member: &Member,
        session: u64,
        log: Arc<dyn UnitLog>,
        proposals: Proposals,
    ) -> Result<Self, AlephError> {
        let (guardians, delay) = (member.keys.guardians(), member.round_delay);
        let config = schedule::config(guardians, member.me, session, member.schedule, delay)?;
        let (to_order, ordered) = mpsc::unbounded_channel();
        let io = aleph::LocalIO::new(
            io::Provider(proposals),
            io::Order(to_order),
            backup::Writer::new(log.clone(), member.me),
            backup::Reader(log),
        );
        let bounds = Bounds { guardians, rounds: usize::from(member.schedule.max_round) + 1, me: member.me };
        let network = network::Network::new(member.peers.clone(), member.incoming.clone(), bounds);
        let keychain = keychain::Keychain::new(member);
        let (exit, exited) = oneshot::channel();
        let terminator = aleph::Terminator::create_root(exited, "session");
        let spawner = Spawner::default();
        let run =
            tokio::spawn(aleph::run_session(config, io, network, keychain, spawner.clone(), terminator));
        Ok(Self { ordered, exit, run, spawner })
    }

    /// Returns the next unit in the order; `None` if the library ended on its own.
    pub async fn next(&mut self) -> Option<OrderedUnit> {
        self.ordered.recv().await
    }

    /// Ends the session and waits until none of its tasks runs.
    pub async fn stop(self) {
        // If it ended on its own, nothing receives this.
        let _ = self.exit.send(());
        let mut run = self.run;
        if timeout(STOP_TIME, &mut run).await.is_err() {
            run.abort();
        }
        self.spawner.abort();
    }
}
