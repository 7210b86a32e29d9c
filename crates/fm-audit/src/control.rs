//! How a caller follows the progress of a long job and stops the job.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::AuditError;

/// A receiver of the stages of a job and their progress.
pub trait Progress: Sync {
    /// Called when a stage begins; `total` is the number of units of the stage, if it is known.
    fn begin(&self, stage: &'static str, unit: &'static str, total: Option<u64>);

    /// Called when `count` more units are done.
    fn advance(&self, count: u64);

    /// Called when the stage ends.
    fn end(&self);
}

/// A receiver that discards all progress.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &'static str, _: &'static str, _: Option<u64>) {}

    fn advance(&self, _: u64) {}

    fn end(&self) {}
}

/// The caller's control of a running job.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// The receiver of progress.
    pub progress: &'a dyn Progress,
    /// Set from outside to stop the job.
    pub interrupted: &'a AtomicBool,
}

impl Control<'_> {
    /// Checks whether the caller has stopped the job.
    ///
    /// # Errors
    /// If the job was interrupted.
    pub fn check(&self) -> Result<(), AuditError> {
        if self.interrupted.load(Ordering::Relaxed) { Err(AuditError::Interrupted) } else { Ok(()) }
    }
}
