//! Limits the rate at which a password may be guessed.
//!
//! Invariant: after wrong passwords the next check waits, not the answer: a client that disconnects and
//! connects again guesses no faster. A right password costs nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// The number of wrong passwords from one address that are checked at once, and the time until one more is.
const OF_AN_ADDRESS: Rate = Rate { saved: 5, each: Duration::from_secs(2) };
/// The same for all addresses together.
const IN_ALL: Rate = Rate { saved: 30, each: Duration::from_millis(200) };
/// The longest time that a check waits.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Rate {
    saved: u32,
    each: Duration,
}

/// Counts wrong passwords: holds the time at which all of them would be forgotten.
#[derive(Clone, Copy)]
struct Bucket(Instant);

impl Bucket {
    /// Returns the time until another password may be checked.
    fn wait(self, rate: Rate, now: Instant) -> Duration {
        let most = rate.each * (rate.saved - 1);
        self.0.saturating_duration_since(now).saturating_sub(most)
    }

    fn wrong(&mut self, rate: Rate, now: Instant) {
        self.0 = self.0.max(now) + rate.each;
    }
}

/// Recent wrong passwords.
pub(crate) struct Guesses(Mutex<Counted>);

struct Counted {
    all: Bucket,
    by_address: HashMap<IpAddr, Bucket>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self(Mutex::new(Counted { all: Bucket(Instant::now()), by_address: HashMap::new() }))
    }
}

impl Guesses {
    /// Returns whether a password is right. Checks it as soon as a password from that address may be checked;
    /// returns `None` if that takes too long.
    pub(crate) async fn check(&self, from: IpAddr, is_right: impl Fn() -> bool) -> Option<bool> {
        let start = Instant::now();
        loop {
            let wait = match self.try_check(from, Instant::now(), &is_right) {
                Ok(right) => return Some(right),
                Err(wait) => wait,
            };
            if start.elapsed() + wait > LONGEST_WAIT {
                return None;
            }
            sleep(wait).await;
        }
    }

    /// Checks a password, or returns the time until the next try.
    fn try_check(&self, from: IpAddr, now: Instant, is_right: impl Fn() -> bool) -> Result<bool, Duration> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { all, by_address } = &mut *counted;
        let mut own = by_address.get(&from).copied().unwrap_or(Bucket(now));
        let wait = own.wait(OF_AN_ADDRESS, now).max(all.wait(IN_ALL, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        // With the lock held: no other check can happen between the test and the count.
        let right = is_right();
        if !right {
            all.wrong(IN_ALL, now);
            own.wrong(OF_AN_ADDRESS, now);
            by_address.retain(|_, bucket| bucket.0 > now);
            by_address.insert(from, own);
        }
        Ok(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    /// Counts the guesses from this many addresses that are checked within a time, if each is tried every 10
    /// ms.
    fn checked(guesses: &Guesses, start: Instant, time: Duration, addresses: u8) -> u32 {
        let mut count = 0;
        let mut now = start;
        while now < start + time {
            for last in 0..addresses {
                count += u32::from(guesses.try_check(address(last), now, || false).is_ok());
            }
            now += Duration::from_millis(10);
        }
        count
    }

    #[test]
    fn guessing_is_slow_from_one_address_and_from_many() {
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        assert_eq!(checked(&Guesses::default(), start, minute, 1), 5 + 29);
        let many = checked(&Guesses::default(), start, minute, 200);
        assert!((30..=330).contains(&many), "{many}");
        let guesses = Guesses::default();
        checked(&guesses, start, minute, 200);
        assert!(guesses.0.lock().unwrap().by_address.len() < 100, "what is forgotten takes no memory");
    }

    #[test]
    fn a_right_password_costs_nothing_and_an_others_guesses_do_not_keep_it_out() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(guesses.try_check(address(1), now, || true), Ok(true));
        }
        for _ in 0..5 {
            assert_eq!(guesses.try_check(address(2), now, || false), Ok(false));
        }
        assert_eq!(guesses.try_check(address(2), now, || true), Err(OF_AN_ADDRESS.each));
        assert_eq!(guesses.try_check(address(1), now, || true), Ok(true));
        assert_eq!(guesses.try_check(address(2), now + OF_AN_ADDRESS.each, || true), Ok(true));
    }

    #[tokio::test]
    async fn the_check_waits() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(guesses.check(address(1), || false).await, Some(false));
        }
        assert!(start.elapsed() < Duration::from_secs(1));
        assert_eq!(guesses.check(address(1), || true).await, Some(true));
        assert!(start.elapsed() >= Duration::from_millis(1900));
    }
}
