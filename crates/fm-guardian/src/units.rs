//! The units of the open session in the database, as v0.5 stores them: one per row, after its length.
//!
//! Invariant: once a session is finished and its units are removed, no unit is added: the next session could
//! not load it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use fm_aleph::UnitLog;
use fm_codec::{Dialect, Reader, Writer};
use fm_consensus::{ALEPH_UNITS, unit_key};
use fm_store::{Durability, LiveStore};
use tokio::task::block_in_place;
use tracing::error;

use crate::ahead::Ahead;
use crate::lock::lock;
use crate::recorder::Recorder;

/// The log of one session. Only one log is written at a time.
pub(crate) struct DatabaseLog {
    store: Arc<LiveStore>,
    ahead: Arc<Ahead>,
    recorder: Arc<Recorder>,
    session: u64,
    end: Mutex<End>,
}

struct End {
    next: u64,
    /// Whether this guardian has made a unit since the log was opened.
    made: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Units are appended.
    Open,
    /// The session is finished, and its units are removed.
    Finished,
    /// The session is no longer ordered through this log.
    Abandoned,
}

impl DatabaseLog {
    /// Opens the log in the database; the transactions in units of other guardians are checked ahead of their
    /// turn.
    pub(crate) fn open(
        store: Arc<LiveStore>,
        ahead: Arc<Ahead>,
        recorder: Arc<Recorder>,
        session: u64,
    ) -> io::Result<Self> {
        let last = store.last_of_prefix(&[ALEPH_UNITS]).map_err(io::Error::other)?;
        let next = match last {
            None => 0,
            Some((key, _)) => {
                let mut reader = Reader::new(&key[1..], Dialect::MODERN);
                let last = reader.u64().map_err(io::Error::other)?;
                reader.finish().map_err(io::Error::other)?;
                last.checked_add(1)
                    .ok_or_else(|| io::Error::other("the last unit has the greatest number"))?
            }
        };
        let end = Mutex::new(End { next, made: false, state: State::Open });
        Ok(Self { store, ahead, recorder, session, end })
    }

    /// Returns whether this guardian has made a unit since the log was opened.
    pub(crate) fn made_units(&self) -> bool {
        self.hold().made
    }

    /// Runs a step that may finish the session and remove its units; no unit is appended meanwhile. If the step returns
    /// true, the session is finished, and no unit is appended any more.
    ///
    /// # Errors
    /// As the step; the session is then not finished.
    pub(crate) fn finish_if<E>(&self, step: impl FnOnce() -> Result<bool, E>) -> Result<bool, E> {
        let mut end = block_in_place(|| self.hold());
        let is_finished = step()?;
        if is_finished {
            end.state = State::Finished;
        }
        Ok(is_finished)
    }

    fn hold(&self) -> MutexGuard<'_, End> {
        lock(&self.end)
    }

    /// Refuses all further units, even of an unfinished session.
    pub(crate) fn abandon(&self) {
        let mut end = self.hold();
        if end.state == State::Open {
            end.state = State::Abandoned;
        }
    }
}

impl UnitLog for DatabaseLog {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut units = Vec::new();
        for row in self.store.scan_prefix(&[ALEPH_UNITS]) {
            let (_, value) = row.map_err(io::Error::other)?;
            let mut reader = Reader::new(&value, Dialect::MODERN);
            units.extend_from_slice(reader.bytes().map_err(io::Error::other)?);
            reader.finish().map_err(io::Error::other)?;
        }
        Ok(units)
    }

    fn append(&self, unit: &[u8], safe: bool) -> io::Result<()> {
        let mut end = self.hold();
        match end.state {
            State::Open => (),
            // The session is never ordered again: a unit that is not stored misleads no guardian.
            State::Finished => return Ok(()),
            State::Abandoned => return Err(io::Error::other("the session is not ordered any more")),
        }
        let key = unit_key(end.next);
        let mut value = Writer::new(Dialect::MODERN);
        value.bytes(unit);
        let durability = if safe { Durability::Synced } else { Durability::Deferred };
        let row = (key.as_slice(), Some(value.as_bytes()));
        self.store.write([row], durability).map_err(io::Error::other)?;
        end.next += 1;
        if safe {
            end.made = true;
            self.recorder.made_units(self.session).map_err(|error| {
                error!(session = self.session, %error, "the record of the newest session cannot be written");
                io::Error::other(error)
            })?;
        }
        // The transactions in its own units were checked when they were submitted.
        if !safe {
            self.ahead.offer(unit);
        }
        Ok(())
    }
}
