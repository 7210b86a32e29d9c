//! What the node counts since its start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) accepted: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) skipped_batches: AtomicU64,
    pub(crate) units: AtomicU64,
    pub(crate) sessions_ordered: AtomicU64,
    pub(crate) sessions_fetched: AtomicU64,
    pub(crate) submitted: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) refused_outcomes: Arc<AtomicU64>,
    pub(crate) ignored_signatures: AtomicU64,
    pub(crate) failed_checkpoints: AtomicU64,
    pub(crate) wrong_passwords: AtomicU64,
    pub(crate) open_requests: AtomicU64,
}

impl Metrics {
    /// Counts a request as open until the returned value is dropped.
    pub(crate) fn open_request(&self) -> OpenRequest<'_> {
        Self::count(&self.open_requests);
        OpenRequest(&self.open_requests)
    }

    /// Adds one to a counter.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// A request that is being answered; it also ends if its client disconnects.
pub(crate) struct OpenRequest<'a>(&'a AtomicU64);

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
