//! Records in order, fetched ahead from all guardians that have them.

use std::collections::VecDeque;

use tokio::task::JoinHandle;
use tracing::debug;

use crate::AHEAD;
use crate::guardians::{Asked, Fetched, Guardians, Question, ask};

/// The approximate number of bytes of the records that are fetched ahead.
const AHEAD_BYTES: usize = 32 << 20;

/// A requested record.
struct Pending {
    session: u64,
    answer: JoinHandle<Asked>,
}

/// Fetches records ahead from all guardians that have finished them, in turn.
pub struct CatchUp<'a> {
    guardians: &'a Guardians,
    next: u64,
    pending: VecDeque<Pending>,
    /// The size of the last record in bytes.
    record_bytes: usize,
}

impl<'a> CatchUp<'a> {
    pub(crate) fn new(guardians: &'a Guardians, from: u64) -> Self {
        Self { guardians, next: from, pending: VecDeque::new(), record_bytes: 0 }
    }

    /// Returns the next record; `None` if too few guardians have one, or those that claim to have it do not
    /// return it.
    pub async fn next(&mut self) -> Option<Fetched> {
        loop {
            self.fill();
            let Pending { session, answer } = self.pending.front_mut()?;
            let session = *session;
            let answer = answer.await;
            self.pending.pop_front();
            match answer {
                Ok(Asked { fetched, failures }) => {
                    let guardians = self.guardians;
                    failures.iter().for_each(|(peer, reason)| guardians.disappointed(*peer, session, reason));
                    self.record_bytes =
                        fetched.as_ref().map_or(self.record_bytes, |fetched| fetched.record.len());
                    // If no guardian failed and too few agree, asking again at once would not help.
                    if fetched.is_some() || failures.is_empty() {
                        return fetched;
                    }
                }
                Err(error) => debug!(session, %error, "a question ended"),
            }
            self.begin_again(session);
        }
    }

    /// Repeats the requests for this session and the later ones.
    fn begin_again(&mut self, session: u64) {
        self.pending.drain(..).for_each(|pending| pending.answer.abort());
        self.next = session;
    }

    fn fill(&mut self) {
        // Sessions are about as large as the ones before them.
        let ahead = AHEAD_BYTES.checked_div(self.record_bytes).unwrap_or(AHEAD).clamp(1, AHEAD);
        while self.pending.len() < ahead {
            let session = self.next;
            let mut givers = self.guardians.ahead(session);
            // While the node waits for these records it does not order: a single guardian must not be able to
            // cause that.
            if givers.len() < self.guardians.honest() {
                return;
            }
            let turn = usize::try_from(session).unwrap_or_default() % givers.len();
            givers.rotate_left(turn);
            // If one guardian is enough, the others are asked for the sessions after this one.
            if self.guardians.needed() == 1 {
                givers.truncate(1);
            }
            // No item of these sessions was ordered here.
            let question = Question { session, needed: self.guardians.needed(), own: None };
            let question = ask(question, self.guardians.sources(&givers));
            self.pending.push_back(Pending { session, answer: tokio::spawn(question) });
            self.next += 1;
        }
    }
}

impl Drop for CatchUp<'_> {
    fn drop(&mut self) {
        self.pending.iter().for_each(|pending| pending.answer.abort());
    }
}
