//! The state of a restore, reported without any change.

use std::path::{Path, PathBuf};

use fm_datadir::GuardFile;
use fm_eras::session::{SIGNED_SESSION_OUTCOME, session_of_key};
use fm_store::{ReadStore, StoreError};

use crate::RestoreError;
use crate::data_dir::DataDir;
use crate::journal::Journal;
use crate::outgoing::sentence;
use crate::small_file::read_guard;

/// The state of a restore.
#[derive(Debug)]
pub struct Status {
    /// Whether a restore is running now.
    pub busy: bool,
    /// The newest restore that was not undone.
    pub journal: Option<Journal>,
    /// The current guard.
    pub guard: Option<GuardFile>,
    /// The progress of the database, if there is a guard.
    pub reached: Option<Reached>,
    /// Databases that restores left here.
    pub kept: Vec<PathBuf>,
}

/// The progress of the database in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// This many sessions are finished.
    Sessions(u64),
    /// A process is using the database; only that process knows.
    Running,
    /// The database cannot be read, for this reason.
    Unknown(String),
}

impl Status {
    /// Reads the state.
    ///
    /// # Errors
    /// Fails if the journal or the guard cannot be read, or was not written by these tools.
    pub fn of(dir: &DataDir) -> Result<Self, RestoreError> {
        let busy = matches!(dir.clone().lock(), Err(RestoreError::Busy { .. }));
        let (journal, _) = Journal::current(dir.path())?;
        let guard = read_guard(dir.path())?;
        let reached = guard.as_ref().map(|_| Reached::of(&dir.database()));
        Ok(Self { busy, journal, guard, reached, kept: dir.kept() })
    }

    /// Returns whether the guarded sessions are over; `None` if there is no guard or the progress is unknown.
    pub fn guard_passed(&self) -> Option<bool> {
        match (&self.guard, &self.reached) {
            (Some(guard), Some(Reached::Sessions(finished))) => Some(*finished > guard.until_session),
            _ => None,
        }
    }
}

impl Reached {
    fn of(database: &Path) -> Self {
        let last =
            ReadStore::open(database).and_then(|store| store.last_of_prefix(&[SIGNED_SESSION_OUTCOME]));
        match last.map(|last| last.map(|(key, _)| session_of_key(&key)).transpose()) {
            Ok(Ok(last)) => Self::Sessions(last.map_or(0, |last| last.saturating_add(1))),
            Ok(Err(error)) => Self::Unknown(sentence(&error)),
            Err(StoreError::Locked { .. }) => Self::Running,
            Err(error) => Self::Unknown(sentence(&error)),
        }
    }
}
