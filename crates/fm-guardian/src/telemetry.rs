//! What is measured of the node: counters, latency, and the progress of the session.

use std::sync::{Mutex, MutexGuard};

use crate::counters::Metrics;
use crate::latency::Latency;
use crate::lock::lock;
use crate::progress::SessionProgress;

#[derive(Default)]
pub(crate) struct Telemetry {
    pub(crate) metrics: Metrics,
    /// The latency of transactions.
    pub(crate) latency: Latency,
    progress: Mutex<SessionProgress>,
}

impl Telemetry {
    pub(crate) fn progress(&self) -> MutexGuard<'_, SessionProgress> {
        lock(&self.progress)
    }
}
