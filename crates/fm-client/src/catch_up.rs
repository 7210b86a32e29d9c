//! Records in order, fetched ahead from all guardians that have them.

use std::collections::VecDeque;

use tokio::task::JoinHandle;
use tracing::debug;

use crate::guardians::{Asked, Fetched, Guardians, ask};
use crate::window::Window;

/// A requested record.
struct Pending {
    session: u64,
    answer: JoinHandle<Asked>,
}

/// Fetches records ahead from all guardians that have finished them, in turn.
pub struct CatchUp<'a> {
    guardians: &'a Guardians,
    next: u64,
    /// The session before which it ends.
    end: u64,
    /// The number of guardians that must claim to have a session before it is requested.
    least: usize,
    pending: VecDeque<Pending>,
    window: Window,
}

impl<'a> CatchUp<'a> {
    /// Fetches what more guardians claim to have than may be dishonest.
    pub(crate) fn new(guardians: &'a Guardians, from: u64) -> Self {
        // While the node waits for these records it does not order: a single guardian must not be able to
        // cause that.
        let least = guardians.honest();
        Self { guardians, next: from, end: u64::MAX, least, pending: VecDeque::new(), window: Window::new() }
    }

    /// Fetches the sessions before `end`, from a single guardian if no other has them.
    pub(crate) fn up_to(mut self, end: u64) -> Self {
        (self.end, self.least) = (end, 1);
        self
    }

    /// Returns the next record; `None` at the end, if too few guardians have one, or if those that claim to
    /// have it do not return it.
    pub async fn next(&mut self) -> Option<Fetched> {
        self.fill();
        while let Some(Pending { session, answer }) = self.pending.front_mut() {
            let session = *session;
            let had_to_wait = !answer.is_finished();
            let answer = answer.await;
            self.pending.pop_front();
            match answer {
                Ok(Asked { fetched, has_failures }) => {
                    if let Some(fetched) = &fetched {
                        self.window.took(fetched.record.len(), had_to_wait);
                    }
                    // If no guardian failed and too few agree, asking again at once would not help.
                    if fetched.is_some() || !has_failures {
                        return fetched.or_else(|| self.begin_again(session));
                    }
                }
                Err(error) => debug!(session, %error, "a question ended"),
            }
            match self.ask(session) {
                Some(again) => self.pending.push_front(again),
                None => return self.begin_again(session),
            }
        }
        None
    }

    /// Stops for now; the next call requests this session and the later ones again.
    fn begin_again(&mut self, session: u64) -> Option<Fetched> {
        self.pending.drain(..).for_each(|pending| pending.answer.abort());
        self.next = session;
        None
    }

    fn fill(&mut self) {
        while self.next < self.end && self.pending.len() < self.window.size() {
            let Some(pending) = self.ask(self.next) else { return };
            self.pending.push_back(pending);
            self.next += 1;
        }
    }

    /// Requests a session; `None` if too few guardians claim to have it.
    fn ask(&self, session: u64) -> Option<Pending> {
        let mut givers = self.guardians.ahead(session);
        if givers.len() < self.least {
            return None;
        }
        // The others are asked first for the sessions after this one.
        givers.sort_unstable();
        let turn = usize::try_from(session).unwrap_or_default() % givers.len();
        givers.rotate_left(turn);
        // No item of these sessions was ordered here.
        let question = self.guardians.question(session, None);
        let question = ask(question, self.guardians.sources(&givers));
        Some(Pending { session, answer: tokio::spawn(question) })
    }
}

impl Drop for CatchUp<'_> {
    fn drop(&mut self) {
        self.pending.iter().for_each(|pending| pending.answer.abort());
    }
}
