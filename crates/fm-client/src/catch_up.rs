//! Records one after the other, fetched ahead from all guardians that have them.

use std::collections::VecDeque;

use tokio::task::JoinHandle;
use tracing::debug;

use crate::AHEAD;
use crate::guardians::{Asked, Fetched, Guardians, ask};

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
}

impl<'a> CatchUp<'a> {
    pub(crate) fn new(guardians: &'a Guardians, from: u64) -> Self {
        Self { guardians, next: from, pending: VecDeque::new() }
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
        while self.pending.len() < AHEAD {
            let session = self.next;
            let mut ahead = self.guardians.ahead(session);
            // Waiting for these keeps the node from ordering: a single guardian must not be able to cause it.
            if ahead.len() < self.guardians.honest() {
                return;
            }
            let turn = usize::try_from(session).unwrap_or_default() % ahead.len();
            ahead.rotate_left(turn);
            // Where one is enough, the others are asked for the sessions behind it.
            if self.guardians.needed() == 1 {
                ahead.truncate(1);
            }
            let question = ask(self.guardians.needed(), self.guardians.sources(&ahead), session);
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
