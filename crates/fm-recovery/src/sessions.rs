//! Where the sessions come from.

use std::time::Duration;

use fm_audit::{AuditError, Control, Origin, Scope, extent};

/// A history that a recovery reads.
pub trait Sessions {
    /// Returns the rows.
    fn origin(&self) -> Origin<'_>;

    /// Returns the number of finished sessions that an honest guardian has.
    ///
    /// # Errors
    /// If the source cannot be read.
    fn finished(&self) -> Result<u64, AuditError>;

    /// Waits until this many sessions are finished, and returns whether they are.
    ///
    /// # Errors
    /// If the source cannot be read, or the job was interrupted.
    fn wait_for(&self, sessions: u64, patience: Duration, control: Control<'_>) -> Result<bool, AuditError>;
}

/// Sessions that do not become more: an archive, or a database that no guardian uses.
pub struct StoredSessions<'a> {
    origin: Origin<'a>,
    finished: u64,
}

impl<'a> StoredSessions<'a> {
    /// Counts the sessions of a history.
    ///
    /// # Errors
    /// If the source cannot be read, or the job was interrupted.
    pub fn new(origin: Origin<'a>, control: Control<'_>) -> Result<Self, AuditError> {
        let last = extent(origin, Scope::default(), control)?.last;
        Ok(Self { origin, finished: last.map_or(0, |last| last.saturating_add(1)) })
    }
}

impl Sessions for StoredSessions<'_> {
    fn origin(&self) -> Origin<'_> {
        self.origin
    }

    fn finished(&self) -> Result<u64, AuditError> {
        Ok(self.finished)
    }

    fn wait_for(&self, sessions: u64, _: Duration, _: Control<'_>) -> Result<bool, AuditError> {
        Ok(self.finished >= sessions)
    }
}
