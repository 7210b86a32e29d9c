//! Where a restore stands, told without changing anything.

use std::path::PathBuf;

use crate::RestoreError;
use crate::data_dir::DataDir;
use crate::guard::Guard;
use crate::journal::Journal;

/// Where a restore stands.
#[derive(Debug)]
pub struct Status {
    /// Whether one is at work right now.
    pub busy: bool,
    /// The newest restore that was not undone.
    pub journal: Option<Journal>,
    /// The guard that is in place.
    pub guard: Option<Guard>,
    /// Databases that restores left here.
    pub kept: Vec<PathBuf>,
}

impl Status {
    /// Looks.
    ///
    /// # Errors
    /// If journal or guard cannot be read, or are not of these tools.
    pub fn of(dir: &DataDir) -> Result<Self, RestoreError> {
        let busy = matches!(dir.clone().lock(), Err(RestoreError::Busy { .. }));
        let (journal, _) = Journal::current(dir.path())?;
        Ok(Self { busy, journal, guard: Guard::read(dir.path())?, kept: dir.kept() })
    }
}
