//! Records one after the other, fetched ahead from all guardians that have them.

use std::collections::VecDeque;

use tokio::task::JoinHandle;
use tracing::debug;

use crate::AHEAD;
use crate::guardians::{Fetched, Guardians};
use crate::source::AskError;

/// A question that was asked: of whom, about which session, and the answer.
struct Asked {
    peer: u16,
    session: u64,
    answer: JoinHandle<Result<Vec<u8>, AskError>>,
}

/// Fetches ahead, from all guardians that are ahead, each in its turn.
pub struct CatchUp<'a> {
    guardians: &'a Guardians,
    next: u64,
    pending: VecDeque<Asked>,
}

impl<'a> CatchUp<'a> {
    pub(crate) fn new(guardians: &'a Guardians, from: u64) -> Self {
        Self { guardians, next: from, pending: VecDeque::new() }
    }

    /// The next record; none if too few have one, or who said so do not give it.
    pub async fn next(&mut self) -> Option<Fetched> {
        loop {
            self.fill();
            let Asked { peer, session, answer } = self.pending.front_mut()?;
            let (peer, session) = (*peer, *session);
            let answer = answer.await;
            self.pending.pop_front();
            match answer {
                Ok(Ok(record)) => return Some(Fetched { peer, session, record }),
                Ok(Err(reason)) => {
                    self.guardians.disappointed(peer, session, &reason);
                    self.begin_again(session);
                }
                Err(error) => {
                    debug!(session, %error, "a question ended");
                    self.begin_again(session);
                }
            }
        }
    }

    /// What was asked of others behind it is asked again.
    fn begin_again(&mut self, session: u64) {
        self.pending.drain(..).for_each(|asked| asked.answer.abort());
        self.next = session;
    }

    fn fill(&mut self) {
        while self.pending.len() < AHEAD {
            let session = self.next;
            let ahead = self.guardians.ahead(session);
            // Waiting for these keeps the node from ordering: a single guardian must not be able to cause it.
            if ahead.len() < self.guardians.honest() {
                return;
            }
            let turn = usize::try_from(session).unwrap_or_default().checked_rem(ahead.len());
            let Some(peer) = turn.map(|turn| ahead[turn]) else { return };
            let Some(source) = self.guardians.source(peer) else { return };
            let answer = tokio::spawn(async move { source.record(session).await });
            self.pending.push_back(Asked { peer, session, answer });
            self.next += 1;
        }
    }
}

impl Drop for CatchUp<'_> {
    fn drop(&mut self) {
        self.pending.iter().for_each(|asked| asked.answer.abort());
    }
}
