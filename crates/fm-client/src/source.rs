//! A guardian as a source of proven records.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fm_consensus::{OutcomeError, prove_record};
use fm_crypto::SessionKeys;
use fm_history::{Hash, PeerId};
use fm_peers::jittered;
use fm_rpc::{ClientError, RpcError, aside};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::AT_A_TIME;
use crate::guardian::Guardian;
use crate::latency::Latency;

/// The interval at which a guardian is asked how many sessions it has finished.
const ASK_AFTER: Duration = Duration::from_secs(1);
const COUNT_PATIENCE: Duration = Duration::from_secs(5);
const RECORD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a guardian that misled is not asked.
const DISTRUST: Duration = Duration::from_secs(60);
/// How long a guardian that returned nothing is not asked: it may only have been busy. Doubles each further
/// time, up to [`DISTRUST`].
const REST: Duration = Duration::from_secs(3);

/// The number of refused records of a guardian that are remembered.
const MAX_REFUSALS: usize = 100;

/// How long a guardian that has too much to do is not asked.
const MOMENT: Duration = Duration::from_millis(250);

/// The size above which a record is checked on another thread: a guardian can make that take arbitrarily
/// long.
const LARGE: usize = 1 << 20;

/// Why a guardian returned nothing useful.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The guardian does not answer, or answers with an error.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The program ends.
    #[error("the record was not looked at, as the program ends")]
    Stopped,
    /// The record is not what the guardians signed.
    #[error(transparent)]
    Proof(#[from] OutcomeError),
}

/// What to do with a record whose header also matches a shorter list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguous {
    /// Refuse it: if only nodes order, none of them signs such a record.
    Refused,
    /// Servers sign such records. Therefore any record may be one of two, and counts only after f + 1
    /// guardians returned the same list: at least one of them is honest.
    Vouched,
    /// Accept it if f + 1 guardians return it, or all that can be asked: the reader reports what its
    /// signatures do not fix.
    Accepted,
}

/// A record that is proven.
pub(crate) struct Proven {
    pub(crate) record: Vec<u8>,
    /// The leaves of its items.
    pub(crate) leaves: Vec<Hash>,
    /// Whether its header also fits a shorter list.
    pub(crate) is_ambiguous: bool,
}

pub(crate) struct Source {
    peer: PeerId,
    guardian: Guardian,
    /// The number of invalid records from all guardians.
    refused: Arc<AtomicU64>,
    latency: Arc<Latency>,
    ambiguous: Ambiguous,
    keys: Arc<SessionKeys>,
    places: Arc<Semaphore>,
    rest: Mutex<Rest>,
    /// How many sessions the guardian claims to have finished.
    count: watch::Sender<u64>,
    /// Whether it answered the last request.
    answers: AtomicBool,
    /// Whether it was ever asked.
    asked: AtomicBool,
    complaints: Mutex<Complaints>,
}

/// What is held against a guardian.
#[derive(Default)]
struct Complaints {
    /// The first records that were refused, and why.
    refusals: Vec<(u64, String)>,
    /// Why it last returned nothing.
    failure: Option<String>,
}

/// The time during which a guardian is not asked.
struct Rest {
    until: Option<Instant>,
    /// How long the next one will be, if the guardian returns nothing again.
    next: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self { until: None, next: REST }
    }
}

impl Source {
    pub(crate) fn new(
        (peer, guardian): (PeerId, Guardian),
        keys: Arc<SessionKeys>,
        ambiguous: Ambiguous,
        (refused, latency): (Arc<AtomicU64>, Arc<Latency>),
    ) -> Self {
        Self {
            peer,
            guardian,
            refused,
            latency,
            ambiguous,
            keys,
            places: Arc::new(Semaphore::new(AT_A_TIME)),
            rest: Mutex::default(),
            count: watch::Sender::new(0),
            answers: AtomicBool::new(true),
            asked: AtomicBool::new(false),
            complaints: Mutex::default(),
        }
    }

    pub(crate) fn guardian(&self) -> &Guardian {
        &self.guardian
    }

    pub(crate) fn count(&self) -> u64 {
        *self.count.borrow()
    }

    pub(crate) fn answers(&self) -> bool {
        self.answers.load(Relaxed)
    }

    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    pub(crate) fn refusals(&self) -> Vec<(u64, String)> {
        self.complaints().refusals.clone()
    }

    pub(crate) fn last_failure(&self) -> Option<String> {
        self.complaints().failure.clone()
    }

    pub(crate) fn note_failure(&self, reason: &AskError) {
        self.complaints().failure = Some(reason.to_string());
    }

    fn complaints(&self) -> MutexGuard<'_, Complaints> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the guardian is currently asked for records.
    pub(crate) fn is_asked(&self) -> bool {
        self.rest().until.is_none_or(|until| until <= Instant::now())
    }

    /// Notes that the guardian misled.
    pub(crate) fn distrust(&self) {
        self.rest().until = Some(Instant::now() + DISTRUST);
        self.guardian.hang_up();
    }

    /// Notes that the guardian returned an invalid record: logs a warning, and does not ask it for a long
    /// time.
    pub(crate) fn refuse(&self, session: u64, reason: &AskError) {
        self.refused.fetch_add(1, Relaxed);
        warn!(guardian = self.peer, session, %reason, "outcome refused");
        let mut complaints = self.complaints();
        if complaints.refusals.len() < MAX_REFUSALS {
            complaints.refusals.push((session, reason.to_string()));
        }
        complaints.failure = Some(reason.to_string());
        drop(complaints);
        self.distrust();
    }

    /// Notes that the guardian returned nothing; several requests that failed together count once.
    pub(crate) fn leave_alone(&self) {
        let mut rest = self.rest();
        let now = Instant::now();
        if rest.until.is_none_or(|until| until <= now) {
            rest.until = Some(now + jittered(rest.next));
            rest.next = (rest.next * 2).min(DISTRUST);
        }
        drop(rest);
        self.guardian.hang_up();
    }

    /// Notes that the guardian has too much to do: it is not asked for a moment.
    pub(crate) fn spare(&self) {
        let until = Instant::now() + jittered(MOMENT);
        let mut rest = self.rest();
        rest.until = rest.until.max(Some(until));
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the proven record of a session.
    pub(crate) async fn record(self: Arc<Self>, session: u64) -> Result<Proven, AskError> {
        // The semaphore is never closed. If the caller goes while it waits, nothing is left.
        let place = self.places.clone().acquire_owned().await.map_err(|_| AskError::Stopped)?;
        // A request that nobody waits for any more still takes its place at the guardian: so it keeps its
        // place here until it is answered, and what comes of it is noted.
        let asked = tokio::spawn(async move {
            let answer = self.clone().fetch(session).await;
            drop(place);
            if let Err(reason) = &answer {
                self.disappointed(session, reason);
            }
            answer
        });
        asked.await.unwrap_or(Err(AskError::Stopped))
    }

    async fn fetch(self: Arc<Self>, session: u64) -> Result<Proven, AskError> {
        let start = Instant::now();
        let (record, room) = self.guardian.record(session, RECORD_PATIENCE).await?;
        self.latency.took(start.elapsed());
        let source = self.clone();
        let is_large = record.len() > LARGE;
        // The record takes memory until it is proven, even if no caller waits for it any more. And a guardian
        // that misled is noted even if its callers had no time.
        let prove = move || {
            let _room = room;
            source.prove(session, record)
        };
        let proven = if is_large { aside(prove).await } else { spawn_blocking(prove).await.ok() };
        proven.ok_or(AskError::Stopped)?
    }

    /// Notes that the guardian returned nothing useful; it is not asked for a while.
    fn disappointed(&self, session: u64, reason: &AskError) {
        match reason {
            // The code that checked its record has already refused it.
            AskError::Proof(_) | AskError::Stopped => {}
            AskError::Client(ClientError::Unreadable { .. }) => self.refuse(session, reason),
            AskError::Client(ClientError::Refused { source, .. }) if source.code == RpcError::BUSY => {
                self.note_failure(reason);
                self.spare();
            }
            AskError::Client(_) => {
                debug!(guardian = self.peer, session, %reason, "no outcome");
                self.note_failure(reason);
                self.leave_alone();
            }
        }
    }

    fn prove(&self, session: u64, record: Vec<u8>) -> Result<Proven, AskError> {
        let proven = prove_record(&self.keys, session, &record).and_then(|proven| {
            let is_refused = proven.ambiguous && self.ambiguous == Ambiguous::Refused;
            if is_refused { Err(OutcomeError::Ambiguous) } else { Ok((proven.leaves, proven.ambiguous)) }
        });
        match proven {
            Ok((leaves, is_ambiguous)) => {
                self.rest().next = REST;
                Ok(Proven { record, leaves, is_ambiguous })
            }
            Err(error) => {
                let error = error.into();
                self.refuse(session, &error);
                Err(error)
            }
        }
    }

    /// Polls the guardian for how many sessions it has finished, and notifies `change` after each answer.
    pub(crate) async fn watch(self: Arc<Self>, change: Arc<watch::Sender<()>>) {
        loop {
            match self.ask_count().await {
                Ok(count) => {
                    self.answers.store(true, Relaxed);
                    self.count.send_replace(count);
                }
                Err(reason) => {
                    debug!(url = self.guardian.url(), %reason, "no answer");
                    self.answers.store(false, Relaxed);
                }
            }
            self.asked.store(true, Relaxed);
            change.send_replace(());
            sleep(jittered(ASK_AFTER)).await;
        }
    }

    async fn ask_count(&self) -> Result<u64, AskError> {
        Ok(self.guardian.ask_for("session_count", None, &Value::Null, COUNT_PATIENCE).await?)
    }
}
