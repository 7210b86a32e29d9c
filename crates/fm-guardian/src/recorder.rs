//! The running node's record of its newest session.
//!
//! Invariant: before the first unit of a session leaves the guardian, the record on the disk names that
//! session.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fm_datadir::SignedSession;
use fm_store::StoreError;

/// Keeps the record.
pub(crate) struct Recorder {
    directory: PathBuf,
    record: Mutex<SignedSession>,
}

impl Recorder {
    /// Begins with a record; writes it if it differs from the present one.
    pub(crate) fn begin(
        directory: &Path,
        record: SignedSession,
        present: Option<&SignedSession>,
    ) -> Result<Self, StoreError> {
        if present != Some(&record) {
            record.write(directory)?;
        }
        Ok(Self { directory: directory.to_owned(), record: Mutex::new(record) })
    }

    /// Records the session of a unit of the guardian that is in the database and is about to leave.
    pub(crate) fn made_units(&self, session: u64) -> Result<(), StoreError> {
        // Replaced as a whole, and only once it is written.
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.newest >= Some(session) {
            return Ok(());
        }
        let newer = SignedSession { newest: Some(session), ..record.clone() };
        newer.write(&self.directory)?;
        *record = newer;
        Ok(())
    }
}
