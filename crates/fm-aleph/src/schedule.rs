//! The library's configuration for a session: its rounds, and when to ask again for what is missing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aleph_bft_0_36 as aleph;
use fm_consensus::Schedule;
use fm_history::PeerId;

use crate::AlephError;

/// The time for which the rounds of a session last, however many guardians are down: ten years.
/// Source: fedimint-server 0.5.0, src/consensus/engine.rs.
const ROUNDS_LAST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The longest wait of a round, so that no time overflows.
const LONGEST_ROUND: Duration = Duration::from_secs(365 * 24 * 3600);
/// The first and the last delay between requests for this guardian's own newest unit. The last one is the
/// delay that the library uses from the start. Source: fedimint-aleph-bft 0.36.0, src/config.rs.
const FIRST_NEWEST_REQUEST: Duration = Duration::from_millis(200);
const LAST_NEWEST_REQUEST: Duration = Duration::from_secs(3);
/// The most rounds that may be skipped without restarting the schedule.
const MOST_LEFT_OUT: usize = 4;
/// The first round that waits. Source: fedimint-server 0.5.0, src/consensus/engine.rs.
const FIRST_DELAYED: usize = 1;
/// The fewest guardians that AlephBFT needs. Source: fedimint-server 0.5.0, src/consensus/engine.rs.
const LEAST_GUARDIANS: usize = 4;

/// Returns the library's configuration.
pub(crate) fn config(
    guardians: usize,
    me: PeerId,
    session: u64,
    schedule: Schedule,
    round_delay: Duration,
) -> Result<aleph::Config, AlephError> {
    if guardians < LEAST_GUARDIANS {
        return Err(AlephError::TooFewGuardians { guardians });
    }
    if schedule.exhausted_after(round_delay) < ROUNDS_LAST {
        return Err(AlephError::TooFast { millis: round_delay.as_millis() });
    }
    let mut delays = aleph::default_delay_config();
    let beat = Mutex::new(Beat::new(Instant::now()));
    delays.unit_creation_delay = Arc::new(move |round| {
        let number = u16::try_from(round).unwrap_or(u16::MAX);
        let mut delay = schedule.delay(number, round_delay).min(LONGEST_ROUND);
        if round == FIRST_DELAYED {
            delay += lead(guardians, me, delay);
        }
        beat.lock().unwrap_or_else(PoisonError::into_inner).wait(round, delay, Instant::now())
    });
    delays.newest_request_delay = Arc::new(|attempt| {
        let doubled = 1_u32 << attempt.min(8);
        (FIRST_NEWEST_REQUEST * doubled).min(LAST_NEWEST_REQUEST)
    });
    let (nodes, me) = (aleph::NodeCount(guardians), aleph::NodeIndex(me.into()));
    // How long the rounds last was checked above; the library would add up waits that it asks for all at
    // once.
    aleph::create_config(nodes, me, session, schedule.max_round, delays, Duration::ZERO)
        .map_err(|_| AlephError::Refused)
}

/// Returns how much later than the first guardian this one begins, so that their units do not all arrive at
/// once.
fn lead(guardians: usize, me: PeerId, delay: Duration) -> Duration {
    let part = f64::from(me) / f64::from(u32::try_from(guardians).unwrap_or(u32::MAX));
    delay.mul_f64(part.min(1.0))
}

/// Keeps the rounds as long as the schedule says: the time to make a unit is not added to each round.
///
/// Invariant: the waits of consecutive rounds together are never shorter than scheduled by more than half a
/// round.
struct Beat {
    round: usize,
    /// When the unit of the round was due.
    due: Instant,
}

impl Beat {
    fn new(now: Instant) -> Self {
        Self { round: 0, due: now }
    }

    /// Returns how long to wait before the unit of this round is made.
    fn wait(&mut self, round: usize, delay: Duration, now: Instant) -> Duration {
        // Rounds are skipped if others are ahead already.
        let left_out =
            round.checked_sub(self.round.saturating_add(1)).filter(|rounds| *rounds <= MOST_LEFT_OUT);
        let planned = left_out.and_then(|rounds| Some(self.due + delay * u32::try_from(rounds).ok()?));
        let off = |planned: &Instant| {
            now.saturating_duration_since(*planned).max(planned.saturating_duration_since(now))
        };
        // If it is off by more than that, the schedule starts again from now.
        let from = planned.filter(|planned| off(planned) <= delay / 2).unwrap_or(now);
        self.round = round;
        self.due = from + delay;
        self.due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beat_makes_up_for_small_delays_only() {
        let (start, delay) = (Instant::now(), Duration::from_millis(50));
        let after = |millis| start + Duration::from_millis(millis);
        let mut beat = Beat::new(start);
        let mut wait = |round, millis| beat.wait(round, delay, after(millis)).as_millis();
        assert_eq!(wait(1, 0), 50);
        assert_eq!(wait(2, 53), 47, "due at 100");
        assert_eq!(wait(3, 125), 25, "due at 150");
        assert_eq!(wait(4, 176), 50, "too late: from now on");
        assert_eq!(wait(5, 227), 49);
        assert_eq!(wait(7, 310), 66, "due at 376, as one of 326 was left out");
        assert_eq!(wait(20, 380), 50, "many were left out");
        assert_eq!(wait(20, 431), 50, "the same again");
        assert_eq!(beat.wait(usize::MAX, LONGEST_ROUND, start), LONGEST_ROUND);
    }

    #[test]
    fn guardians_begin_one_after_the_other() {
        let delay = Duration::from_millis(40);
        let all: Vec<_> = (0..4).map(|me| lead(4, me, delay).as_millis()).collect();
        assert_eq!(all, [0, 10, 20, 30]);
        assert!(lead(3, 9, delay) <= delay);
    }

    fn refused(guardians: usize, rounds: u16, delay: u64) -> Option<AlephError> {
        let schedule = Schedule::rounds(rounds).unwrap();
        config(guardians, 0, 7, schedule, Duration::from_millis(delay)).err()
    }

    #[test]
    fn rounds_that_end_too_soon_are_refused() {
        assert_eq!(refused(4, 3600, 50), None);
        assert_eq!(refused(4, 10, 20), None);
        assert_eq!(refused(4, 10, 10), Some(AlephError::TooFast { millis: 10 }));
        assert_eq!(refused(3, 3600, 50), Some(AlephError::TooFewGuardians { guardians: 3 }));
    }

    #[test]
    fn no_delay_overflows() {
        let config = config(4, 0, 0, Schedule::rounds(64_535).unwrap(), LONGEST_ROUND).unwrap();
        let delays = config.delay_config();
        assert!((delays.unit_creation_delay)(usize::MAX) <= LONGEST_ROUND * 2);
        assert_eq!((delays.newest_request_delay)(usize::MAX), LAST_NEWEST_REQUEST);
        assert_eq!((delays.unit_creation_delay)(0), Duration::ZERO);
    }
}
