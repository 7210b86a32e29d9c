//! The finished sessions of a running federation as rows, in the form in which a guardian stores them.
//!
//! Invariants: every row was proven by the guardians' signatures; the number of sessions changes only when the
//! owner asks for it, so that every scan between sees the same history; the open session has no row.

use std::collections::BTreeMap;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fm_crypto::SessionKeys;
use fm_eras::session::{session_key, session_of_key};
use fm_history::{HistoryRoot, PeerId, SessionLeaf};
use fm_peers::jittered;
use fm_rows::{Keys, Row, RowSource, Rows, SourceError};
use fm_rpc::ClientError;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::guardian::Guardian;
use crate::guardians::{Fetched, Guardians, Refusal};
use crate::source::Ambiguous;
use crate::stated_root::last_common_root;

/// How long all guardians together may return nothing before a scan ends with an error.
const STALL: Duration = Duration::from_secs(60);
/// How long guardians have to answer the first question.
const FIRST_LOOK: Duration = Duration::from_secs(15);
/// The interval at which guardians that returned nothing are asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// The number of records that wait for the reader; those after them wait in the window.
const WAITING: usize = 1;

/// Why a running federation cannot be read.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The system cannot set up what is needed to talk to guardians.
    #[error("cannot set up connections")]
    Setup(#[source] std::io::Error),
    /// A guardian does not answer, or answers with an error.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Too few guardians answer.
    #[error(
        "{answering} of {guardians} guardians answer, and {needed} are needed to know how many sessions there are"
    )]
    Silent { answering: usize, guardians: usize, needed: usize },
    /// No guardian returns a session that some claim to have.
    #[error("no guardian returns session {session}: {reasons}")]
    Stalled {
        session: u64,
        /// The last reason of each guardian.
        reasons: String,
    },
}

/// The sessions that the guardians of a federation serve.
pub struct LiveHistory {
    guardians: Arc<Guardians>,
    honest: usize,
    sessions: AtomicU64,
    runtime: Runtime,
}

impl LiveHistory {
    /// Asks the guardians how many sessions they have finished.
    ///
    /// # Errors
    /// If no more of them answer than may be dishonest.
    pub fn open(guardians: BTreeMap<PeerId, Guardian>, keys: &SessionKeys) -> Result<Self, LiveError> {
        let runtime = runtime()?;
        let count = guardians.len();
        let honest = keys.guardians() - keys.threshold() + 1;
        let guardians = runtime.block_on(async {
            let guardians = Guardians::watch(guardians, keys, Ambiguous::Accepted, Arc::default());
            guardians.first_look(FIRST_LOOK).await;
            Arc::new(guardians)
        });
        let counts: Vec<u64> = guardians.counts().into_values().flatten().collect();
        let honest = honest.min(count);
        let answering = counts.len();
        let few = LiveError::Silent { answering, guardians: count, needed: honest };
        let sessions = boundary(counts, honest).ok_or(few)?;
        Ok(Self { guardians, honest, sessions: AtomicU64::new(sessions), runtime })
    }

    /// Returns the number of sessions that the rows are of.
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Relaxed)
    }

    /// Takes in the sessions that were finished since, and returns their number. It never becomes smaller.
    pub fn refresh(&self) -> u64 {
        let counts: Vec<u64> = self.guardians.counts().into_values().flatten().collect();
        // If too few answer now, what was known stays.
        let found = boundary(counts, self.honest).unwrap_or(0);
        self.sessions.fetch_max(found, Relaxed).max(found)
    }

    /// Returns how many sessions each guardian claims to have finished; `None` if it does not answer.
    pub fn counts(&self) -> BTreeMap<PeerId, Option<u64>> {
        self.guardians.counts()
    }

    /// Returns the history root after the most sessions for which two guardians state the same, if each side is one
    /// guardian and states roots.
    ///
    /// # Errors
    /// If a guardian cannot be reached, does not answer in time, or answers with an error.
    pub fn last_common_root(&self, other: &Self) -> Result<Option<HistoryRoot>, LiveError> {
        let (Some(left), Some(right)) = (self.guardians.only(), other.guardians.only()) else {
            return Ok(None);
        };
        let most = self.sessions().min(other.sessions());
        Ok(self.runtime.block_on(last_common_root([left, right], most))?)
    }

    /// Returns the records that were refused because their signatures do not prove them.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.guardians.refusals()
    }

    /// Returns the sessions that one guardian serves, up to the boundary: those that it has, and whose
    /// signatures prove them. It ends where the guardian stops to answer.
    pub fn answers_of(&self, peer: PeerId) -> Answers {
        let (sender, receiver) = mpsc::channel(WAITING);
        let guardians = self.guardians.clone();
        let end = self.sessions();
        self.runtime.spawn(async move {
            let mut answers = pin!(guardians.records_of(peer, end));
            while let Some(row) = answers.next().await {
                if sender.send(row).await.is_err() {
                    return;
                }
            }
        });
        Answers(receiver)
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>) -> Range<u64> {
        let first = |key: &[u8]| first_at(key, self.sessions(), session_key);
        first(from)..to.map_or_else(|| self.sessions(), first)
    }

    /// Fetches sessions in order, and passes them on until the reader is gone.
    fn fetch(&self, range: Range<u64>) -> mpsc::Receiver<Result<Row, SourceError>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let guardians = self.guardians.clone();
        self.runtime.spawn(async move {
            let mut records = guardians.catch_up(range.start).up_to(range.end);
            for session in range {
                let row = match next_of(&guardians, &mut records, session).await {
                    Ok(fetched) => Ok((session_key(session), fetched.record)),
                    Err(error) => Err(error.into()),
                };
                let is_last = row.is_err();
                if sender.send(row).await.is_err() || is_last {
                    return;
                }
            }
        });
        receiver
    }
}

/// What one guardian serves: the sessions by number, as far as they are proven.
pub struct Answers(mpsc::Receiver<(u64, SessionLeaf)>);

impl Iterator for Answers {
    type Item = (u64, SessionLeaf);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.blocking_recv()
    }
}

/// Returns threads that talk to guardians while others read what they return.
pub(crate) fn runtime() -> Result<Runtime, LiveError> {
    let built = Builder::new_multi_thread().worker_threads(2).thread_name("guardians").enable_all().build();
    built.map_err(LiveError::Setup)
}

/// Returns the next record, and waits for guardians that return nothing for a while.
async fn next_of(
    guardians: &Guardians,
    records: &mut crate::CatchUp<'_>,
    session: u64,
) -> Result<Fetched, LiveError> {
    let start = Instant::now();
    loop {
        if let Some(fetched) = records.next().await {
            return Ok(fetched);
        }
        if start.elapsed() > STALL {
            return Err(LiveError::Stalled { session, reasons: guardians.reasons(session) });
        }
        sleep(jittered(AGAIN)).await;
    }
}

/// Returns how many sessions are finished, by what guardians claim: the largest number that more of them claim
/// than may be dishonest, if that many answered.
fn boundary(mut counts: Vec<u64>, honest: usize) -> Option<u64> {
    counts.sort_unstable_by(|one, other| other.cmp(one));
    counts.get(honest.checked_sub(1)?).copied()
}

/// Returns the first number whose key is not before a key, but no more than `end`.
pub(crate) fn first_at(key: &[u8], end: u64, key_of: impl Fn(u64) -> Vec<u8>) -> u64 {
    let (mut first, mut end) = (0, end);
    while first < end {
        let middle = first + (end - first) / 2;
        if key_of(middle).as_slice() < key {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    first
}

impl RowSource for LiveHistory {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        let range = self.range(from, to);
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let mut rows = self.fetch(range);
        Box::new(std::iter::from_fn(move || rows.blocking_recv()))
    }

    fn keys<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Keys<'a> {
        Box::new(self.range(from, to).map(|session| Ok(session_key(session))))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        // The number alone does not say which table a key is of.
        let is_whole = |session: &u64| *session < self.sessions() && session_key(*session) == key;
        let Some(session) = session_of_key(key).ok().filter(is_whole) else { return Ok(None) };
        let row = self.fetch(session..session + 1).blocking_recv();
        row.transpose().map(|row| row.map(|(_, record)| record))
    }
}

#[cfg(test)]
mod tests {
    use fm_eras::session::SIGNED_SESSION_OUTCOME;

    use super::*;

    #[test]
    fn the_boundary_is_what_an_honest_guardian_has() {
        // One of four may lie.
        assert_eq!(boundary(vec![7, 9, u64::MAX, 9], 2), Some(9));
        assert_eq!(boundary(vec![0, 9, 9, 9], 2), Some(9));
        assert_eq!(boundary(vec![5, 3], 2), Some(3));
        // One of two may be the one that lies: then nobody knows.
        assert_eq!(boundary(vec![u64::MAX], 2), None);
        assert_eq!(boundary(vec![], 2), None);
        assert_eq!(boundary(vec![4], 1), Some(4));
    }

    #[test]
    fn keys_name_the_first_session_that_is_not_before_them() {
        for end in [0, 1, 300, 100_000] {
            assert_eq!(first_at(&[], end, session_key), 0);
            assert_eq!(first_at(&[SIGNED_SESSION_OUTCOME], end, session_key), 0);
            assert_eq!(first_at(&[SIGNED_SESSION_OUTCOME + 1], end, session_key), end);
        }
        for session in [0, 1, 0xFC, 0xFD, 0xFFFF, 0x1_0000, 99_999] {
            let mut key = session_key(session);
            assert_eq!(first_at(&key, 100_000, session_key), session);
            key.push(0);
            assert_eq!(first_at(&key, 100_000, session_key), session + 1);
        }
    }
}
