//! How the library is to go about a session: its rounds, and when to ask again for what is missing.

use std::sync::Arc;
use std::time::Duration;

use aleph_bft_0_36 as aleph;
use fm_consensus::Schedule;
use fm_peers::jittered;

use crate::AlephError;

/// However many guardians are down, the rounds of a session last for this: ten years.
const ROUNDS_LAST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// No round waits longer, so that no time overflows.
const LONGEST_ROUND: Duration = Duration::from_secs(365 * 24 * 3600);
/// Asking others for one's own newest unit starts with the first delay and ends with the other.
const FIRST_NEWEST_REQUEST: Duration = Duration::from_millis(200);
const LAST_NEWEST_REQUEST: Duration = Duration::from_secs(3);
/// What AlephBFT needs.
const LEAST_GUARDIANS: usize = 4;

/// The library's configuration.
pub(crate) fn config(
    guardians: usize,
    me: u16,
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
    delays.unit_creation_delay = Arc::new(move |round| {
        let round = u16::try_from(round).unwrap_or(u16::MAX);
        jittered(schedule.delay(round, round_delay).min(LONGEST_ROUND))
    });
    delays.newest_request_delay = Arc::new(|attempt| {
        let doubled = 1_u32 << attempt.min(8);
        (FIRST_NEWEST_REQUEST * doubled).min(LAST_NEWEST_REQUEST)
    });
    let (nodes, me) = (aleph::NodeCount(guardians), aleph::NodeIndex(me.into()));
    // How long the rounds last was checked above; the library would check it with the jitter of one day.
    aleph::create_config(nodes, me, session, schedule.max_round, delays, Duration::ZERO)
        .map_err(|_| AlephError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

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
