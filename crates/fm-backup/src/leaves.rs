//! Reads the histories of several sources in step, one session at a time.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use fm_audit::{AuditError, Control, OldSession, old_sessions};
use fm_eras::session::session_of_key;
use fm_history::{Hash, SessionLeaf, sha256};

use crate::headers::read_header;
use crate::{Profile, State};

/// The number of sessions of one source that may wait for the others.
const WAITING: usize = 1024;

/// A session as it is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) index: u64,
    /// A hash that is equal for equal sessions.
    pub(crate) token: Hash,
    /// The leaf that the history root commits to, if the content can be read.
    pub(crate) leaf: Option<SessionLeaf>,
}

/// The sessions of one source, in order.
pub(crate) struct Steps {
    receiver: Receiver<Result<Step, AuditError>>,
    next: Option<Step>,
}

impl Steps {
    /// Starts to read a source on its own thread.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        state: &'scope State,
        control: Control<'scope>,
    ) -> Result<Self, AuditError> {
        let (sender, receiver) = sync_channel(WAITING);
        thread::Builder::new()
            .spawn_scoped(scope, move || {
                if let Err(error) = read(state, control, &sender) {
                    // If the comparison ended early, nothing receives this.
                    let _ = sender.send(Err(error));
                }
            })
            .map_err(|source| AuditError::File { path: state.path().to_owned(), source })?;
        let mut steps = Self { receiver, next: None };
        steps.advance()?;
        Ok(steps)
    }

    /// Returns the current session; `None` at the end.
    pub(crate) fn current(&self) -> Option<Step> {
        self.next
    }

    pub(crate) fn advance(&mut self) -> Result<(), AuditError> {
        self.next = self.receiver.recv().ok().transpose()?;
        Ok(())
    }
}

fn read(
    state: &State,
    control: Control<'_>,
    sender: &SyncSender<Result<Step, AuditError>>,
) -> Result<(), AuditError> {
    let send = |step| sender.send(Ok(step)).map_err(|_| AuditError::Interrupted);
    if state.profile() == Profile::Headers {
        for row in state.rows().scan_range(&[], None) {
            let (key, value) = row.map_err(|source| AuditError::rows(state.path(), source))?;
            control.check()?;
            let leaf = session_of_key(&key).and_then(|index| read_header(index, &value));
            let (leaf, _) = leaf.map_err(|error| AuditError::rows(state.path(), error.into()))?;
            send(step(leaf.header.index, leaf))?;
        }
        return Ok(());
    }
    old_sessions(state.history(), control, &mut |session: OldSession<'_>| {
        send(match session.converted {
            Some(converted) => step(session.index, converted.leaf),
            None => Step { index: session.index, token: sha256(&[&[2], &session.hash.0]), leaf: None },
        })
    })
}

fn step(index: u64, leaf: SessionLeaf) -> Step {
    Step { index, token: sha256(&[&[1], &leaf.to_bytes()]), leaf: Some(leaf) }
}
