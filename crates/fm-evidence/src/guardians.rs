//! Compares what the guardians of a running federation serve, session by session.
//!
//! Invariant: only records that enough guardians signed are compared, so a difference is either two signed
//! sessions of one number, or two lists of items under one header.

use std::collections::BTreeMap;

use fm_audit::{AuditError, Control};
use fm_history::{PeerId, SessionLeaf};
use fm_rows::{JoinedAll, join_all};

/// A guardian that serves another session than most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardianDifference {
    /// The session.
    pub session: u64,
    /// The guardian.
    pub peer: PeerId,
    /// The guardians that serve the same session as each other, and are more.
    pub others: Vec<PeerId>,
    /// What the guardian serves, in the place of what the others serve.
    pub what: String,
}

/// Compares the sessions that guardians serve, and returns the number after the last one of each. A guardian
/// that does not serve a session is not compared in it.
///
/// # Errors
/// If the job was interrupted.
pub fn compare_guardians<E>(
    answers: BTreeMap<PeerId, impl Iterator<Item = Result<(u64, SessionLeaf), E>>>,
    control: Control<'_>,
    on_difference: &mut dyn FnMut(GuardianDifference),
) -> Result<BTreeMap<PeerId, u64>, E>
where
    E: From<AuditError>,
{
    let (peers, answers): (Vec<PeerId>, Vec<_>) = answers.into_iter().unzip();
    let mut ends: BTreeMap<PeerId, u64> = peers.iter().map(|peer| (*peer, 0)).collect();
    for joined in join_all(answers) {
        let JoinedAll { key: session, values, .. } = joined?;
        control.check()?;
        control.progress.advance(1);
        let mut groups: Vec<(SessionLeaf, Vec<PeerId>)> = Vec::new();
        for (peer, leaf) in peers.iter().zip(values) {
            let Some(leaf) = leaf else { continue };
            ends.insert(*peer, session.saturating_add(1));
            match groups.iter_mut().find(|(known, _)| *known == leaf) {
                Some((_, group)) => group.push(*peer),
                None => groups.push((leaf, vec![*peer])),
            }
        }
        // Of groups of one size, the one with the lowest number comes first: nobody knows which is right.
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.len()));
        let mut groups = groups.into_iter();
        let Some((common, others)) = groups.next() else { continue };
        for (leaf, group) in groups {
            for peer in group {
                let what = difference(&leaf, &common);
                on_difference(GuardianDifference { session, peer, others: others.clone(), what });
            }
        }
    }
    Ok(ends)
}

fn difference(leaf: &SessionLeaf, common: &SessionLeaf) -> String {
    if leaf.header.root == common.header.root {
        return format!(
            "serves a list of {} items, under the header that {} items have too",
            leaf.items, common.items
        );
    }
    format!(
        "serves another session, signed as well: its header is {} in the place of {}",
        leaf.header.root, common.header.root
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use fm_audit::Silent;
    use fm_history::{Hash, SessionHeader};

    use super::*;

    fn leaf(index: u64, items: u64, root: u8) -> SessionLeaf {
        SessionLeaf { items, header: SessionHeader { index, root: Hash([root; 32]) } }
    }

    type Served = Vec<Result<(u64, SessionLeaf), AuditError>>;

    fn differences(served: Vec<Served>) -> Vec<GuardianDifference> {
        let (stop, mut found) = (AtomicBool::new(false), Vec::new());
        let control = Control { progress: &Silent, interrupted: &stop };
        let answers = (0..).zip(served.into_iter().map(Vec::into_iter)).collect();
        compare_guardians(answers, control, &mut |difference| found.push(difference)).unwrap();
        found
    }

    fn honest(sessions: u64) -> Served {
        (0..sessions).map(|index| Ok((index, leaf(index, 3, 1)))).collect()
    }

    #[test]
    fn the_one_that_differs_is_named() {
        let mut liar = honest(5);
        liar[3] = Ok((3, leaf(3, 3, 9)));
        liar[4] = Ok((4, leaf(4, 4, 1)));
        let found = differences(vec![honest(5), liar, honest(5), honest(4)]);
        let places: Vec<_> = found.iter().map(|found| (found.session, found.peer)).collect();
        assert_eq!(places, [(3, 1), (4, 1)]);
        assert_eq!((found[0].others.as_slice(), found[1].others.as_slice()), (&[0, 2, 3][..], &[0, 2][..]));
        assert!(found[0].what.starts_with("serves another session, signed as well"));
        assert_eq!(found[1].what, "serves a list of 4 items, under the header that 3 items have too");
    }

    #[test]
    fn who_lags_or_has_holes_does_not_differ() {
        let mut holes = honest(9);
        drop(holes.remove(4));
        assert_eq!(differences(vec![honest(9), honest(2), holes, Vec::new()]), []);
        assert_eq!(differences(Vec::new()), []);
    }
}
