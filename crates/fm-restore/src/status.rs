//! Where a restore stands, told without changing anything.

use std::path::{Path, PathBuf};

use fm_eras::session::{SIGNED_SESSION_OUTCOME, session_of_key};
use fm_store::{ReadStore, StoreError};

use crate::RestoreError;
use crate::data_dir::DataDir;
use crate::guard::Guard;
use crate::journal::Journal;
use crate::outgoing::sentence;

/// Where a restore stands.
#[derive(Debug)]
pub struct Status {
    /// Whether one is at work right now.
    pub busy: bool,
    /// The newest restore that was not undone.
    pub journal: Option<Journal>,
    /// The guard that is in place.
    pub guard: Option<Guard>,
    /// How far the database is, if a guard is in place.
    pub reached: Option<Reached>,
    /// Databases that restores left here.
    pub kept: Vec<PathBuf>,
}

/// How far the database in place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// So many sessions are finished.
    Sessions(u64),
    /// A process works with it, which knows.
    Running,
    /// It cannot be read, for this reason.
    Unknown(String),
}

impl Status {
    /// Looks.
    ///
    /// # Errors
    /// If journal or guard cannot be read, or are not of these tools.
    pub fn of(dir: &DataDir) -> Result<Self, RestoreError> {
        let busy = matches!(dir.clone().lock(), Err(RestoreError::Busy { .. }));
        let (journal, _) = Journal::current(dir.path())?;
        let guard = Guard::read(dir.path())?;
        let reached = guard.as_ref().map(|_| Reached::of(&dir.database()));
        Ok(Self { busy, journal, guard, reached, kept: dir.kept() })
    }

    /// Whether the guarded sessions are over, if a guard is in place and that can be told.
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
