//! Records one after the other, fetched ahead from all guardians that have them.

use std::collections::VecDeque;

use tokio::task::JoinHandle;
use tracing::debug;

use crate::AHEAD;
use crate::guardians::{Asked, Fetched, Guardians, Question, ask};

/// Bytes of the records that are fetched ahead, about.
const AHEAD_BYTES: usize = 32 << 20;

/// A record that was asked for.
struct Pending {
    session: u64,
    answer: JoinHandle<Asked>,
}

/// Fetches ahead, from all guardians that are ahead, each in its turn.
pub struct CatchUp<'a> {
    guardians: &'a Guardians,
    next: u64,
    pending: VecDeque<Pending>,
    /// Bytes of the last record.
    record_bytes: usize,
}

impl<'a> CatchUp<'a> {
    pub(crate) fn new(guardians: &'a Guardians, from: u64) -> Self {
        Self { guardians, next: from, pending: VecDeque::new(), record_bytes: 0 }
    }

    /// The next record; none if too few have one, or who said so do not give it.
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
                    // Where nobody failed and too few agree, asking again at once would be of no use.
                    if fetched.is_some() || failures.is_empty() {
                        return fetched;
                    }
                }
                Err(error) => debug!(session, %error, "a question ended"),
            }
            self.begin_again(session);
        }
    }

    /// What was asked of others behind it is asked again.
    fn begin_again(&mut self, session: u64) {
        self.pending.drain(..).for_each(|pending| pending.answer.abort());
        self.next = session;
    }

    fn fill(&mut self) {
        // Sessions are about as large as those before them.
        let ahead = AHEAD_BYTES.checked_div(self.record_bytes).unwrap_or(AHEAD).clamp(1, AHEAD);
        while self.pending.len() < ahead {
            let session = self.next;
            let mut givers = self.guardians.ahead(session);
            // Waiting for these keeps the node from ordering: a single guardian must not be able to cause it.
            if givers.len() < self.guardians.honest() {
                return;
            }
            let turn = usize::try_from(session).unwrap_or_default() % givers.len();
            givers.rotate_left(turn);
            // Where one is enough, the others are asked for the sessions behind it.
            if self.guardians.needed() == 1 {
                givers.truncate(1);
            }
            // Nothing of these sessions was ordered here.
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
