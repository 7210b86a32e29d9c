//! Rates at which guardians are read, and waits before dialling again.

use std::time::{Duration, Instant};

/// Messages read from one guardian per second, on average; a round of 50 ms needs about 25.
const MESSAGES_PER_SECOND: u32 = 2000;
/// Bytes per second, likewise; a round of 50 ms with full units needs about 1 MB.
const BYTES_PER_SECOND: u32 = 16 << 20;
/// The unused rate that can be saved, in seconds.
const SAVED_SECONDS: f64 = 4.0;

/// Counts what was read and returns the pauses.
pub(crate) struct Pace {
    messages: Bucket,
    bytes: Bucket,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        let bucket = |rate| Bucket::new(rate, SAVED_SECONDS, now);
        Self { messages: bucket(MESSAGES_PER_SECOND), bytes: bucket(BYTES_PER_SECOND) }
    }

    /// Returns how long to wait before a message of this many bytes is read.
    pub(crate) fn pause(&mut self, now: Instant, bytes: u32) -> Duration {
        self.messages.take(now, 1.0).max(self.bytes.take(now, f64::from(bytes)))
    }
}

/// A token bucket: a rate, and the part of it that can be saved.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    most: f64,
    /// Negative if more was taken than was available.
    left: f64,
    at: Instant,
}

impl Bucket {
    /// Returns a full bucket with a rate per second; it holds the tokens of `saved_seconds`.
    pub fn new(rate: u32, saved_seconds: f64, now: Instant) -> Self {
        let (rate, most) = (f64::from(rate), f64::from(rate) * saved_seconds);
        Self { rate, most, left: most, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.at = now;
        self.left = (self.left + gained).min(self.most);
    }

    /// Takes tokens, and returns the wait until the bucket has earned them.
    pub(crate) fn take(&mut self, now: Instant, cost: f64) -> Duration {
        self.refill(now);
        self.left -= cost;
        Duration::from_secs_f64((-self.left / self.rate).max(0.0))
    }

    /// Takes tokens if the bucket has enough, and returns whether it did. A cost above the bucket's capacity
    /// takes all tokens of a full bucket.
    pub fn try_take(&mut self, now: Instant, cost: u32) -> bool {
        self.refill(now);
        let cost = f64::from(cost).min(self.most);
        let is_paid = self.left >= cost;
        if is_paid {
            self.left -= cost;
        }
        is_paid
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Waits that double, up to a limit.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST_WAIT)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST_WAIT);
        jittered(wait)
    }
}

/// Returns half to one and a half of a time, at random, so that guardians do not all act at once.
pub fn jittered(time: Duration) -> Duration {
    // Without randomness: approximately the time itself.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    time.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_slowed_to_the_rate_and_silence_is_not_saved_for_ever() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let spent = |pace: &mut Pace, now| (0..10_000).map(|_| pace.pause(now, 100)).max().unwrap();
        assert_eq!(
            spent(&mut pace, start),
            Duration::from_secs(1),
            "10,000 at once: 8,000 saved, 2,000 a second"
        );
        let later = start + Duration::from_secs(1000);
        assert_eq!(spent(&mut pace, later), Duration::from_secs(1));
        let mut pace = Pace::new(start);
        for second in 0..100 {
            assert_eq!(pace.pause(start + Duration::from_secs(second), 1 << 20), Duration::ZERO);
        }
    }

    #[test]
    fn what_is_not_there_is_not_taken() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 2.0, start);
        assert!(bucket.try_take(start, 15) && bucket.try_take(start, 5));
        assert!(!bucket.try_take(start, 1));
        let later = start + Duration::from_secs(1);
        assert!(!bucket.try_take(later, 11), "a refusal takes nothing");
        assert!(bucket.try_take(later, 10));
        assert!(bucket.try_take(later + Duration::from_secs(9), 1_000), "as much as it holds");
    }

    #[test]
    fn waits_grow_to_their_limit() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] < FIRST_WAIT * 2);
        assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT.mul_f64(1.5)));
        assert!(waits[19] >= LONGEST_WAIT / 2);
    }
}
