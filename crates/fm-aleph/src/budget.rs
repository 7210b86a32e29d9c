//! Limits what one guardian may make this one do. The library's own queues are unbounded, so what enters them
//! is bounded here.
//!
//! Invariant: a guardian that uses up its budget loses its own messages and no other guardian's.

use std::collections::BTreeSet;
use std::time::Instant;

use fm_history::{Hash, sha256};
use fm_peers::Bucket;

use crate::message::Cost;

/// The signature checks per second that messages of one guardian may cause, in the long run. A round of 50 ms
/// needs 25; a guardian that catches up within a session causes more.
const CHECKS_PER_SECOND: u32 = 2000;
/// The budget that may be saved up, in seconds.
const SAVED_SECONDS: f64 = 4.0;
/// The bytes of fork alerts that are kept in a session: from all other guardians together, and the minimum
/// from each. The library keeps every signed alert, even another one of the same fork.
const ALERT_BYTES: usize = 64 << 20;
const LEAST_ALERT_BYTES: usize = 4 << 20;

/// The budget of one guardian in one session.
#[derive(Debug)]
pub(crate) struct Budget {
    checks: Bucket,
    alerts: BTreeSet<Hash>,
    alert_bytes_left: usize,
}

impl Budget {
    pub(crate) fn new(guardians: usize, now: Instant) -> Self {
        let share = ALERT_BYTES / guardians.saturating_sub(1).max(1);
        Self {
            checks: Bucket::new(CHECKS_PER_SECOND, SAVED_SECONDS, now),
            alerts: BTreeSet::new(),
            alert_bytes_left: share.max(LEAST_ALERT_BYTES),
        }
    }

    /// Charges a message to the budget; returns false if the message is to be dropped.
    pub(crate) fn pay(&mut self, cost: &Cost, message: &[u8], now: Instant) -> bool {
        let checks = u32::try_from(cost.checks).unwrap_or(u32::MAX);
        self.checks.try_take(now, checks) && (!cost.is_kept || self.keep(cost.bytes, message))
    }

    /// Returns whether an alert may be kept; an alert that is already kept is free.
    fn keep(&mut self, bytes: usize, message: &[u8]) -> bool {
        let hash = sha256(&[message]);
        if self.alerts.contains(&hash) {
            return true;
        }
        let Some(left) = self.alert_bytes_left.checked_sub(bytes) else { return false };
        self.alert_bytes_left = left;
        self.alerts.insert(hash);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_kept_up_to_a_number_of_bytes() {
        let now = Instant::now();
        let mut budget = Budget::new(1000, now);
        let alert = Cost { checks: 4, bytes: LEAST_ALERT_BYTES / 2, is_kept: true };
        assert!(budget.pay(&alert, b"1", now) && budget.pay(&alert, b"2", now));
        assert!(!budget.pay(&alert, b"3", now));
        assert!(budget.pay(&alert, b"1", now), "again");
        let unit = Cost { is_kept: false, ..alert };
        assert!(budget.pay(&unit, b"3", now), "other messages still pass");
    }

    #[test]
    fn checks_are_paced() {
        let now = Instant::now();
        let mut budget = Budget::new(4, now);
        let unit = Cost { checks: 1, bytes: 500, is_kept: false };
        let passed = (0..100_000).filter(|_| budget.pay(&unit, b"", now)).count();
        assert_eq!(passed, 8000);
    }
}
