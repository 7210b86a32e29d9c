//! How a caller watches a long job and stops it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::AuditError;

/// Told about the stages of a job and how far they are.
pub trait Progress: Sync {
    /// A stage begins; `total` is the number of units it will take, if that is known.
    fn begin(&self, stage: &'static str, unit: &'static str, total: Option<u64>);

    /// `count` more units are done.
    fn advance(&self, count: u64);

    /// The stage is over.
    fn end(&self);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &'static str, _: &'static str, _: Option<u64>) {}

    fn advance(&self, _: u64) {}

    fn end(&self) {}
}

/// The caller's hand on a running job.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Where progress goes.
    pub progress: &'a dyn Progress,
    /// Set from outside to stop the job.
    pub interrupted: &'a AtomicBool,
}

impl Control<'_> {
    /// An error if the job was told to stop.
    pub fn check(&self) -> Result<(), AuditError> {
        if self.interrupted.load(Ordering::Relaxed) { Err(AuditError::Interrupted) } else { Ok(()) }
    }
}
