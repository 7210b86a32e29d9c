//! How long guardians take to answer, and when it is time to ask another one too.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The number of answers that are remembered.
const REMEMBERED: usize = 128;
/// With fewer answers, nothing is known.
const LEAST: usize = 16;
/// Of this many answers, all but one come sooner.
const ONE_OF: usize = 20;
/// Another guardian is not asked sooner than this.
const SHORTEST: Duration = Duration::from_millis(100);

/// The times of the last answers.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    times: Mutex<(Vec<Duration>, usize)>,
}

impl Latency {
    pub(crate) fn took(&self, time: Duration) {
        let mut guard = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, next) = &mut *guard;
        if times.len() < REMEMBERED {
            times.push(time);
        } else {
            times[*next] = time;
        }
        *next = (*next + 1) % REMEMBERED;
    }

    /// Returns the time that nineteen of twenty answers do not take, but no more than `longest`, which it is
    /// if too little is known.
    pub(crate) fn slow(&self, longest: Duration) -> Duration {
        let guard = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = guard.0.clone();
        drop(guard);
        if times.len() < LEAST {
            return longest;
        }
        let place = times.len() - 1 - times.len() / ONE_OF;
        let (_, slow, _) = times.select_nth_unstable(place);
        (*slow).max(SHORTEST).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_answer_of_twenty_changes_nothing() {
        let (latency, longest) = (Latency::default(), Duration::from_secs(1));
        assert_eq!(latency.slow(longest), longest);
        for number in 0..10 * REMEMBERED {
            latency.took(Duration::from_millis(if number % 40 == 0 { 900 } else { 150 }));
        }
        assert_eq!(latency.slow(longest), Duration::from_millis(150));
        (0..REMEMBERED).for_each(|_| latency.took(Duration::from_millis(1)));
        assert_eq!(latency.slow(longest), SHORTEST);
        (0..REMEMBERED).for_each(|_| latency.took(Duration::from_secs(9)));
        assert_eq!(latency.slow(longest), longest);
    }
}
