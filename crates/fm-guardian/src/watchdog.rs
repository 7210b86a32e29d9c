//! Detects whether the open session is stuck, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use fm_history::PeerId;
use serde::Serialize;

use crate::progress::Movement;
use crate::shared::Shared;

/// A session without progress, and the known reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Stuck {
    /// The number of seconds without progress.
    pub(crate) seconds: u64,
    /// Guardians without a link.
    pub(crate) not_linked: Vec<PeerId>,
    /// Guardians with a link but without ordered units.
    pub(crate) silent: Vec<PeerId>,
    /// Guardians whose signatures are missing, once the rounds are over.
    pub(crate) unsigned: Vec<PeerId>,
    /// The session up to which this node may make no units: it waits for the outcome of the others.
    pub(crate) guarded: Option<u64>,
}

/// Returns why the open session makes no progress; `None` if it does, or in a federation of one.
pub(crate) fn stuck(shared: &Shared) -> Option<Stuck> {
    let links = shared.peers.as_ref()?.states();
    let linked = links.iter().map(|(peer, state)| (*peer, state.connected)).collect();
    let progress = shared.telemetry.progress().clone();
    judge(&progress.movement, &linked, progress.missing.unwrap_or_default(), shared.stuck_after)
}

fn judge(
    movement: &Movement,
    linked: &BTreeMap<PeerId, bool>,
    unsigned: Vec<PeerId>,
    patience: Duration,
) -> Option<Stuck> {
    let signing = movement.signing.map_or(Duration::ZERO, |since| since.elapsed());
    let still = movement.ordered.elapsed().max(signing);
    if still < patience {
        return None;
    }
    let not_linked = linked.iter().filter(|(_, up)| !**up).map(|(peer, _)| *peer).collect();
    let is_silent = |peer: &PeerId| movement.heard.get(peer).is_none_or(|heard| heard.elapsed() >= patience);
    let silent = linked.iter().filter(|(peer, up)| **up && is_silent(peer)).map(|(peer, _)| *peer).collect();
    Some(Stuck { seconds: still.as_secs(), not_linked, silent, unsigned, guarded: movement.guarded })
}

impl Stuck {
    /// Describes the reason in words.
    pub(crate) fn reason(&self) -> String {
        let list = |peers: &[PeerId]| peers.iter().map(PeerId::to_string).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        for (what, peers) in [
            ("no link to guardian", &self.not_linked),
            ("nothing of guardian", &self.silent),
            ("no signature of guardian", &self.unsigned),
        ] {
            if !peers.is_empty() {
                parts.push(format!("{what} {}", list(peers)));
            }
        }
        if let Some(session) = self.guarded {
            parts.push(format!("this guardian makes no units up to session {session}"));
        }
        if parts.is_empty() { "no reason is known".to_owned() } else { parts.join("; ") }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine runs that long")
    }

    #[test]
    fn who_is_missing_is_told() {
        let heard = BTreeMap::from([(1, ago(1)), (2, ago(70))]);
        let linked = BTreeMap::from([(1, true), (2, true), (3, false)]);
        let moving = Movement { ordered: ago(5), signing: None, heard, guarded: None };
        assert_eq!(judge(&moving, &linked, Vec::new(), PATIENCE), None);
        let still = Movement { ordered: ago(65), ..moving.clone() };
        let stuck = judge(&still, &linked, Vec::new(), PATIENCE).expect("it is stuck");
        assert_eq!((&stuck.not_linked[..], &stuck.silent[..]), (&[3][..], &[2][..]));
        assert_eq!(stuck.reason(), "no link to guardian 3; nothing of guardian 2");
        // Units are ordered, but no guardian signs.
        let signing = Movement { signing: Some(ago(61)), guarded: Some(9), ..moving };
        let stuck = judge(&signing, &linked, vec![2, 3], PATIENCE).expect("it is stuck");
        assert!(stuck.reason().contains("no signature of guardian 2, 3"), "{}", stuck.reason());
        assert!(stuck.reason().ends_with("no units up to session 9"), "{}", stuck.reason());
    }
}
