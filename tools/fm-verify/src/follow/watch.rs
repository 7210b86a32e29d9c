//! What a follower says of guardians and of the federation over time: each thing once when it begins, and
//! once when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fm_history::{Code, Finding, PeerId, Place, Severity};

pub(super) struct Watcher {
    /// The number of sessions from which on a guardian lags.
    lag: u64,
    /// How long nothing may happen.
    stall: Duration,
    progress: Instant,
    is_stalled: bool,
    lagging: BTreeSet<PeerId>,
    /// Since when guardians do not answer.
    silent: BTreeMap<PeerId, Instant>,
    reported_silent: BTreeSet<PeerId>,
}

impl Watcher {
    pub(super) fn new(lag: u64, stall: Duration) -> Self {
        Self {
            lag: lag.max(1),
            stall,
            progress: Instant::now(),
            is_stalled: false,
            lagging: BTreeSet::new(),
            silent: BTreeMap::new(),
            reported_silent: BTreeSet::new(),
        }
    }

    /// Notes that sessions were audited.
    pub(super) fn progressed(&mut self, now: Instant) {
        self.progress = now;
    }

    /// Returns what has changed. `counts` are the sessions that each guardian claims; `sessions` were audited.
    pub(super) fn look(
        &mut self,
        counts: &BTreeMap<PeerId, Option<u64>>,
        sessions: u64,
        now: Instant,
        name: &dyn Fn(PeerId) -> String,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let is_stalled = now.duration_since(self.progress) >= self.stall;
        if is_stalled != self.is_stalled {
            self.is_stalled = is_stalled;
            let message = match is_stalled {
                true => format!("no session was finished for {} seconds", self.stall.as_secs()),
                false => "sessions are finished again".to_owned(),
            };
            found.push(changed(Code::FederationStalled, Place::session(sessions), message, is_stalled));
        }
        for (peer, count) in counts {
            found.extend(self.answers(*peer, count.is_some(), now, name));
            let Some(count) = count else { continue };
            let lags = count.saturating_add(self.lag) <= sessions;
            if lags == self.lagging.contains(peer) {
                continue;
            }
            let message = if lags {
                self.lagging.insert(*peer);
                format!("{} has finished {count} sessions of {sessions}", name(*peer))
            } else {
                self.lagging.remove(peer);
                format!("{} has caught up", name(*peer))
            };
            found.push(changed(Code::GuardianBehind, Place::session(*count), message, lags));
        }
        found
    }

    fn answers(
        &mut self,
        peer: PeerId,
        answers: bool,
        now: Instant,
        name: &dyn Fn(PeerId) -> String,
    ) -> Option<Finding> {
        if answers {
            self.silent.remove(&peer);
            return self.reported_silent.remove(&peer).then(|| {
                let message = format!("{} answers again", name(peer));
                changed(Code::GuardianSilent, Place::everywhere(), message, false)
            });
        }
        let since = *self.silent.entry(peer).or_insert(now);
        let is_long = now.duration_since(since) >= self.stall;
        (is_long && self.reported_silent.insert(peer)).then(|| {
            let message = format!("{} does not answer for {} seconds", name(peer), self.stall.as_secs());
            changed(Code::GuardianSilent, Place::everywhere(), message, true)
        })
    }
}

/// A warning when something begins, information when it is over.
fn changed(code: Code, place: Place, message: String, begins: bool) -> Finding {
    let severity = if begins { Severity::Warning } else { Severity::Info };
    Finding::new(code, place, message).with_severity(severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(60);

    fn reported(found: Vec<Finding>) -> Vec<(Code, Severity)> {
        found.iter().map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn everything_is_said_once_when_it_begins_and_once_when_it_is_over() {
        let start = Instant::now();
        let mut watcher = Watcher::new(3, STALL);
        watcher.progressed(start);
        let name = |peer: PeerId| format!("guardian {peer}");
        let counts = |last: Option<u64>| BTreeMap::from([(0, Some(10)), (1, last)]);
        let look = |watcher: &mut Watcher, last, seconds| {
            reported(watcher.look(&counts(last), 10, start + Duration::from_secs(seconds), &name))
        };
        assert_eq!(look(&mut watcher, Some(8), 1), []);
        assert_eq!(look(&mut watcher, Some(7), 2), [(Code::GuardianBehind, Severity::Warning)]);
        assert_eq!(look(&mut watcher, Some(7), 3), []);
        assert_eq!(look(&mut watcher, Some(8), 4), [(Code::GuardianBehind, Severity::Info)]);
        assert_eq!(look(&mut watcher, None, 5), []);
        assert_eq!(look(&mut watcher, Some(10), 30), [], "a short silence is ordinary");
        assert_eq!(look(&mut watcher, None, 31), []);
        assert_eq!(look(&mut watcher, None, 61), [(Code::FederationStalled, Severity::Warning)]);
        assert_eq!(look(&mut watcher, None, 91), [(Code::GuardianSilent, Severity::Warning)]);
        assert_eq!(look(&mut watcher, None, 99), []);
        watcher.progressed(start + Duration::from_secs(100));
        let over = [(Code::FederationStalled, Severity::Info), (Code::GuardianSilent, Severity::Info)];
        assert_eq!(look(&mut watcher, Some(10), 101), over);
        assert_eq!(look(&mut watcher, Some(10), 102), []);
    }
}
