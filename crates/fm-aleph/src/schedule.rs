//! How fast rounds follow each other: v0.4 and later.
//!
//! Steadily while the session lasts. Then ever slower, for the signatures on its header take rounds too, and the
//! number of rounds is limited: so they last for years, however long the guardians need.

use std::sync::Arc;
use std::time::Duration;

use aleph_bft_0_36 as aleph;
use fm_peers::jittered;

/// The shortest delay with which the rounds last for ten years.
pub const MIN_ROUND_DELAY: Duration = Duration::from_millis(16);
/// Rounds behind those of the session.
const MORE_ROUNDS: u16 = 1000;
/// Each of them takes so much longer than the one before.
const SLOWDOWN: f64 = 1.02;
/// Asking for others' newest units of our own starts with this delay and ends with the other.
const FIRST_NEWEST_REQUEST: Duration = Duration::from_millis(200);
const LAST_NEWEST_REQUEST: Duration = Duration::from_secs(3);

/// Why a session cannot be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// AlephBFT needs four.
    #[error("AlephBFT needs four guardians or more, these are {guardians}")]
    TooFewGuardians {
        /// How many there are.
        guardians: usize,
    },
    /// The rounds would run out in less than ten years.
    #[error("a round delay of {millis} ms is too short, it must be {} ms or more", MIN_ROUND_DELAY.as_millis())]
    TooFast {
        /// The delay.
        millis: u128,
    },
    /// A round number has 16 bits.
    #[error("{rounds} rounds in a session are too many, at most {} fit", u16::MAX - MORE_ROUNDS)]
    TooManyRounds {
        /// The rounds.
        rounds: u16,
    },
    /// The library does not like the configuration.
    #[error("AlephBFT refuses its configuration")]
    Refused,
}

/// The delays between rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    rounds: u16,
    delay: Duration,
}

impl Schedule {
    /// A schedule for sessions of so many rounds, with that delay between them.
    ///
    /// # Errors
    /// If the rounds are too many or too fast.
    pub fn new(rounds: u16, delay: Duration) -> Result<Self, ScheduleError> {
        if delay < MIN_ROUND_DELAY {
            return Err(ScheduleError::TooFast { millis: delay.as_millis() });
        }
        rounds.checked_add(MORE_ROUNDS).ok_or(ScheduleError::TooManyRounds { rounds })?;
        Ok(Self { rounds, delay })
    }

    /// How long this guardian waits before it makes its unit of a round, on average.
    pub fn delay(&self, round: usize) -> Duration {
        match round.checked_sub(self.rounds.into()) {
            _ if round == 0 => Duration::ZERO,
            None => self.delay,
            Some(over) => {
                let over = u16::try_from(over).unwrap_or(u16::MAX);
                let slower = self.delay.as_secs_f64() * SLOWDOWN.powi(over.into());
                Duration::try_from_secs_f64(slower).unwrap_or(Duration::MAX / 4)
            }
        }
    }

    pub(crate) fn config(
        self,
        guardians: aleph::NodeCount,
        me: aleph::NodeIndex,
        session: u64,
    ) -> Result<aleph::Config, ScheduleError> {
        if guardians.0 < 4 {
            return Err(ScheduleError::TooFewGuardians { guardians: guardians.0 });
        }
        let mut delays = aleph::default_delay_config();
        delays.unit_creation_delay = Arc::new(move |round| jittered(self.delay(round)));
        delays.newest_request_delay = Arc::new(|attempt| {
            let doubled = 1_u32 << attempt.min(8);
            (FIRST_NEWEST_REQUEST * doubled).min(LAST_NEWEST_REQUEST)
        });
        let most = self.rounds + MORE_ROUNDS;
        // How long the rounds last was settled when the schedule was made; jitter would make the library's check random.
        aleph::create_config(guardians, me, session, most, delays, Duration::ZERO)
            .map_err(|_| ScheduleError::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn lasts(schedule: Schedule) -> Duration {
        (0..usize::from(schedule.rounds + MORE_ROUNDS)).map(|round| schedule.delay(round)).sum()
    }

    #[test]
    fn rounds_last_for_ten_years() {
        for rounds in [1, 40, 200, 3600] {
            assert!(lasts(Schedule::new(rounds, MIN_ROUND_DELAY).unwrap()) > 10 * YEAR, "{rounds}");
        }
        let usual = Schedule::new(3600, Duration::from_millis(50)).unwrap();
        assert!(lasts(usual) > 30 * YEAR);
        assert_eq!((usual.delay(0), usual.delay(3599)), (Duration::ZERO, Duration::from_millis(50)));
        assert!(usual.delay(3601) > usual.delay(3600));
    }

    #[test]
    fn schedules_that_end_too_soon_are_refused() {
        let fast = MIN_ROUND_DELAY - Duration::from_millis(1);
        assert_eq!(Schedule::new(100, fast), Err(ScheduleError::TooFast { millis: 15 }));
        let rounds = u16::MAX - MORE_ROUNDS + 1;
        assert_eq!(Schedule::new(rounds, YEAR), Err(ScheduleError::TooManyRounds { rounds }));
        assert!(Schedule::new(rounds - 1, YEAR).unwrap().delay(usize::MAX) > YEAR);
    }
}
