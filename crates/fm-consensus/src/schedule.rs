//! When a session ends and how its rounds slow down, in every generation of the engine, as data.
//!
//! AlephBFT numbers rounds with 16 bits and stops at a maximum round. So that a session that cannot end does
//! not reach it, rounds slow down from some round on, each by the same factor.

use std::time::Duration;

/// What ends a session's rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The first ordered unit of this round or a later one; that unit is not used (v0.4 and later).
    Round(u16),
    /// This number of ordered batches, including those that cannot be decoded (v0.2, v0.3).
    Batches(u64),
}

/// The rounds of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// What ends the rounds.
    pub end: SessionEnd,
    /// The bytes of accepted items that end the rounds earlier, if there is such a limit.
    pub most_bytes: Option<usize>,
    /// The round from which rounds slow down.
    pub slowdown_start: u16,
    /// The factor by which each round is slower than the one before it.
    pub slowdown_base: f64,
    /// The last round that AlephBFT makes.
    pub max_round: u16,
}

/// The bytes of accepted items with which a session is full: with one more batch and the signatures, its
/// record is still short enough for every server to read.
pub const SESSION_BYTES: usize = 15_000_000;
/// The number of rounds after the end of a session for signing its header, from v0.4 on.
/// Source: fedimint-server 0.4.0, src/consensus/engine.rs.
const SIGNING_ROUNDS: u16 = 1000;
/// The number of rounds per session if the configuration does not set it.
/// Source: fedimint-server 0.4.0, src/config/mod.rs.
pub const DEFAULT_ROUNDS_PER_SESSION: u16 = 3600;

impl Schedule {
    /// Returns the schedule of v0.4 and later, by `broadcast_rounds_per_session`; a full session ends early,
    /// see [`Self::unbounded`]. `None` if there are more rounds than AlephBFT can count.
    ///
    /// Source: fedimint-server 0.4.0, src/consensus/engine.rs.
    pub fn rounds(rounds_per_session: u16) -> Option<Self> {
        Some(Self {
            end: SessionEnd::Round(rounds_per_session),
            most_bytes: Some(SESSION_BYTES),
            slowdown_start: rounds_per_session,
            slowdown_base: 1.02,
            max_round: rounds_per_session.checked_add(SIGNING_ROUNDS)?,
        })
    }

    /// Returns the schedule of v0.2.2 to v0.3, by `broadcast_expected_rounds_per_session` and
    /// `broadcast_max_rounds_per_session` (900 and 5000 by default). `None` if there are more rounds than
    /// AlephBFT can count.
    ///
    /// Source: fedimint-server 0.2.2, src/consensus/server.rs.
    pub fn batches(expected_rounds: u16, max_rounds: u16, guardians: u16) -> Option<Self> {
        let expected = expected_rounds.checked_mul(3)?;
        Some(Self {
            end: SessionEnd::Batches(u64::from(expected) * u64::from(guardians)),
            most_bytes: None,
            slowdown_start: expected.checked_mul(3)?,
            slowdown_base: 1.005,
            max_round: max_rounds.checked_mul(3)?,
        })
    }

    /// Returns the schedule of v0.2.0 and v0.2.1, by the same fields. `None` if there are more rounds than
    /// AlephBFT can count.
    ///
    /// Source: fedimint-server/src/consensus/server.rs at bad31bd65.
    pub fn first_batches(expected_rounds: u16, max_rounds: u16, guardians: u16) -> Option<Self> {
        let expected = expected_rounds.checked_mul(3)?;
        Some(Self {
            end: SessionEnd::Batches(u64::from(expected) * u64::from(guardians)),
            most_bytes: None,
            slowdown_start: expected,
            slowdown_base: 1.01,
            max_round: max_rounds,
        })
    }

    /// Returns the same schedule without an end by bytes: this is what servers do, and is required if they
    /// take part in ordering. A session may then become so large that no guardian can fetch it.
    #[must_use]
    pub fn unbounded(self) -> Self {
        Self { most_bytes: None, ..self }
    }

    /// Returns whether this many ordered batches, or this many bytes of accepted items, end the rounds.
    pub(crate) fn is_over(&self, batches: u64, bytes: usize) -> bool {
        matches!(self.end, SessionEnd::Batches(end) if batches >= end)
            || self.most_bytes.is_some_and(|most| bytes >= most)
    }

    /// Returns how long to wait before a unit of this round is made; the first round has no delay.
    pub fn delay(&self, round: u16, round_delay: Duration) -> Duration {
        match round {
            0 => Duration::ZERO,
            _ => Duration::try_from_secs_f64(round_delay.as_secs_f64() * self.factor(round))
                .unwrap_or(Duration::MAX),
        }
    }

    /// Returns the shortest time in which all rounds are used up.
    pub fn exhausted_after(&self, round_delay: Duration) -> Duration {
        let factors: f64 = (1..=self.max_round).map(|round| self.factor(round)).sum();
        Duration::try_from_secs_f64(round_delay.as_secs_f64() * factors).unwrap_or(Duration::MAX)
    }

    fn factor(&self, round: u16) -> f64 {
        self.slowdown_base.powi(i32::from(round.saturating_sub(self.slowdown_start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The round delay in guardians' configurations.
    const ROUND_DELAY: Duration = Duration::from_millis(50);

    fn years(schedule: Option<Schedule>) -> f64 {
        schedule.unwrap().exhausted_after(ROUND_DELAY).as_secs_f64() / (365.25 * 86400.0)
    }

    #[test]
    fn rounds_last_for_the_promised_years() {
        for guardians in [4, 7, 100] {
            assert!(years(Schedule::first_batches(900, 5000, guardians)) > 100.0);
            assert!(years(Schedule::batches(900, 5000, guardians)) > 100.0);
        }
        for rounds in [1, 40, 200, DEFAULT_ROUNDS_PER_SESSION, u16::MAX - SIGNING_ROUNDS] {
            let years = years(Schedule::rounds(rounds));
            assert!((10.0..100.0).contains(&years), "{rounds} rounds last {years} years");
        }
    }

    #[test]
    fn rounds_that_cannot_be_counted_are_refused() {
        assert_eq!(Schedule::rounds(u16::MAX - SIGNING_ROUNDS + 1), None);
        assert_eq!(Schedule::batches(u16::MAX / 9 + 1, 5000, 4), None);
        assert_eq!(Schedule::batches(900, u16::MAX / 3 + 1, 4), None);
        assert_eq!(Schedule::first_batches(u16::MAX / 3 + 1, 5000, 4), None);
    }

    #[test]
    fn rounds_slow_down_from_the_end_of_a_session_on() {
        let schedule = Schedule::rounds(100).unwrap();
        assert_eq!(schedule.delay(0, ROUND_DELAY), Duration::ZERO);
        assert_eq!(schedule.delay(1, ROUND_DELAY), ROUND_DELAY);
        assert_eq!(schedule.delay(100, ROUND_DELAY), ROUND_DELAY);
        assert_eq!(schedule.delay(101, ROUND_DELAY), Duration::from_millis(51));
        assert!(schedule.delay(u16::MAX, ROUND_DELAY) == Duration::MAX);
    }
}
