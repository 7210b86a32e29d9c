//! The session's Merkle tree against its plainest form, and the ambiguity that comes with it (CVE-2012-2459).

use std::collections::BTreeMap;

use fm_history::{Hash, merkle_root, sha256};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::given::hash;

/// The rule as it is written down: repeat the last one on odd levels, hash pairs.
fn plain(mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        if !level.len().is_multiple_of(2) {
            level.push(level[level.len() - 1]);
        }
        level = (0..level.len() / 2)
            .map(|pair| sha256(&[&[level[2 * pair].0, level[2 * pair + 1].0].concat()]))
            .collect();
    }
    level.first().copied().unwrap_or(Hash([0; 32]))
}

/// Every list of up to `longest` leaves over an alphabet.
fn all_lists(letters: u8, longest: usize) -> Vec<Vec<Hash>> {
    let mut all = vec![vec![]];
    let mut start = 0;
    for _ in 0..longest {
        let end = all.len();
        for place in start..end {
            for letter in 0..letters {
                let longer = [all[place].as_slice(), &[sha256(&[&[letter]])]].concat();
                all.push(longer);
            }
        }
        start = end;
    }
    all
}

#[test]
fn of_all_lists_with_one_root_exactly_the_shortest_is_not_flagged() {
    for (letters, longest) in [(1, 40), (2, 9), (3, 7)] {
        let mut by_root: BTreeMap<Hash, Vec<Vec<Hash>>> = BTreeMap::new();
        for list in all_lists(letters, longest) {
            by_root.entry(merkle_root(list.clone()).root).or_default().push(list);
        }
        let mut shared = 0;
        for lists in by_root.values() {
            let shortest = lists.iter().map(Vec::len).min();
            for list in lists {
                let is_shortest = Some(list.len()) == shortest;
                assert_ne!(merkle_root(list.clone()).ambiguous, is_shortest, "{list:?} of {lists:?}");
            }
            assert_eq!(lists.iter().filter(|list| Some(list.len()) == shortest).count(), 1, "{lists:?}");
            shared += usize::from(lists.len() > 1);
        }
        assert!(shared > 2, "no two lists share a root");
    }
}

#[test]
fn the_repeated_tail() {
    let [a, b, c] = [1u8, 2, 3].map(|byte| Hash([byte; 32]));
    let (short, long) = (merkle_root(vec![a, b, c]), merkle_root(vec![a, b, c, c]));
    assert_eq!(short.root, long.root);
    assert_eq!((short.ambiguous, long.ambiguous), (false, true));
    // Two levels up: pairs repeat.
    let (short, long) = (merkle_root(vec![a, b, c, a, b, c]), merkle_root(vec![a, b, c, a, b, c, b, c]));
    assert_eq!(short.root, long.root);
    assert_eq!((short.ambiguous, long.ambiguous), (false, true));
    // Equal neighbours that are no siblings, or siblings before the end, share nothing.
    assert!(!merkle_root(vec![a, b, b, c]).ambiguous);
    assert!(!merkle_root(vec![a, a, b, c]).ambiguous && !merkle_root(vec![a, a]).ambiguous);
    assert!(!merkle_root(vec![]).ambiguous && !merkle_root(vec![a]).ambiguous);
}

proptest! {
    #[test]
    fn the_root_is_that_of_the_plain_rule(leaves in vec(hash(), 0..70)) {
        let found = merkle_root(leaves.clone());
        prop_assert_eq!(found.root, plain(leaves));
        prop_assert!(!found.ambiguous);
    }

    #[test]
    fn repeating_the_last_leaf_of_an_odd_list_is_flagged(leaves in vec(hash(), 1..70)) {
        prop_assume!(leaves.len() % 2 == 1 && leaves.len() > 1);
        let longer = [leaves.as_slice(), &leaves[leaves.len() - 1..]].concat();
        let (short, long) = (merkle_root(leaves), merkle_root(longer));
        prop_assert_eq!(short.root, long.root);
        prop_assert!(long.ambiguous);
    }

    #[test]
    fn another_leaf_gives_another_root(leaves in vec(hash(), 1..40), place: prop::sample::Index, other in hash()) {
        let mut changed = leaves.clone();
        let place = place.index(leaves.len());
        prop_assume!(changed[place] != other);
        changed[place] = other;
        prop_assert_ne!(merkle_root(leaves).root, merkle_root(changed).root);
    }
}
