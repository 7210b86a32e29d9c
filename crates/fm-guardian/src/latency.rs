//! The time from submission here to acceptance of transactions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fm_history::Hash;

/// Upper limits of the classes, in milliseconds; one more class is above the last.
pub(crate) const CLASSES: [u64; 11] = [50, 100, 200, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000];
/// The most transactions that are timed at once.
const MAX_OPEN: usize = 100_000;
/// A transaction that is not accepted in this time is no longer timed.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// Times in classes.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    open: Mutex<HashMap<Hash, Instant>>,
    counts: [AtomicU64; CLASSES.len() + 1],
    sum_ms: AtomicU64,
}

impl Latency {
    /// Starts the time of a submitted transaction.
    pub(crate) fn begin(&self, txid: Hash) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MAX_OPEN {
            open.retain(|_, since| since.elapsed() < FORGOTTEN);
        }
        if open.len() < MAX_OPEN {
            open.entry(txid).or_insert_with(Instant::now);
        }
    }

    /// Ends the time of an accepted transaction.
    pub(crate) fn end(&self, txid: &Hash) {
        let since = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(txid);
        if let Some(since) = since {
            self.take(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
    }

    fn take(&self, ms: u64) {
        let class = CLASSES.iter().position(|end| ms <= *end).unwrap_or(CLASSES.len());
        self.counts[class].fetch_add(1, Relaxed);
        self.sum_ms.fetch_add(ms, Relaxed);
    }

    /// Returns the count of each class, and the sum of all times in milliseconds.
    pub(crate) fn classes(&self) -> ([u64; CLASSES.len() + 1], u64) {
        (std::array::from_fn(|class| self.counts[class].load(Relaxed)), self.sum_ms.load(Relaxed))
    }

    /// Returns the upper limit of the class that contains this percentile; `None` without any time, or in the
    /// last class.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        let (counts, _) = self.classes();
        let total: u64 = counts.iter().sum();
        let mut seen = 0;
        let class = counts.iter().position(|count| {
            seen += count;
            total > 0 && seen * 100 >= total * percent
        });
        class.and_then(|class| CLASSES.get(class).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ends_of_classes() {
        let latency = Latency::default();
        assert_eq!(latency.percentile(50), None);
        (0..98).for_each(|_| latency.take(60));
        latency.take(701);
        latency.take(1_000_000);
        assert_eq!((latency.percentile(50), latency.percentile(98)), (Some(100), Some(100)));
        assert_eq!((latency.percentile(99), latency.percentile(100)), (Some(1000), None));
        let (counts, sum) = latency.classes();
        assert_eq!((counts.iter().sum::<u64>(), sum), (100, 98 * 60 + 701 + 1_000_000));
    }

    #[test]
    fn only_what_was_submitted_here_counts_and_once() {
        let latency = Latency::default();
        latency.begin(Hash([1; 32]));
        latency.end(&Hash([2; 32]));
        latency.end(&Hash([1; 32]));
        latency.end(&Hash([1; 32]));
        assert_eq!(latency.classes().0.iter().sum::<u64>(), 1);
    }
}
