//! Reads the histories of several sources in step, one session at a time.

use std::sync::mpsc::{self, SyncSender, sync_channel};
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
    /// A hash that is equal for equal sessions.
    pub(crate) token: Hash,
    /// The leaf that the history root commits to, if the content can be read.
    pub(crate) leaf: Option<SessionLeaf>,
}

/// The sessions of one source by number, in order.
pub(crate) type Steps = mpsc::IntoIter<Result<(u64, Step), AuditError>>;

/// Starts to read a source on its own thread.
pub(crate) fn steps<'scope>(
    scope: &'scope Scope<'scope, '_>,
    state: &'scope State,
    control: Control<'scope>,
) -> Result<Steps, AuditError> {
    let (sender, receiver) = sync_channel(WAITING);
    thread::Builder::new()
        .spawn_scoped(scope, move || {
            if let Err(error) = read(state, control, &sender) {
                // If the comparison ended early, nothing receives this.
                let _ = sender.send(Err(error));
            }
        })
        .map_err(|source| AuditError::File { path: state.path().to_owned(), source })?;
    Ok(receiver.into_iter())
}

fn read(
    state: &State,
    control: Control<'_>,
    sender: &SyncSender<Result<(u64, Step), AuditError>>,
) -> Result<(), AuditError> {
    let send = |index, step| sender.send(Ok((index, step))).map_err(|_| AuditError::Interrupted);
    if state.profile() == Profile::Headers {
        for row in state.rows().scan_range(&[], None) {
            let (key, value) = row.map_err(|source| AuditError::rows(state.path(), source))?;
            control.check()?;
            let leaf = session_of_key(&key).and_then(|index| read_header(index, &value));
            let (leaf, _) = leaf.map_err(|error| AuditError::rows(state.path(), error.into()))?;
            send(leaf.header.index, step(leaf))?;
        }
        return Ok(());
    }
    old_sessions(state.history(), control, &mut |session: OldSession<'_>| {
        let step = match session.converted {
            Some(converted) => step(converted.leaf),
            None => Step { token: sha256(&[&[2], &session.hash.0]), leaf: None },
        };
        send(session.index, step)
    })
}

fn step(leaf: SessionLeaf) -> Step {
    Step { token: sha256(&[&[1], &leaf.to_bytes()]), leaf: Some(leaf) }
}
