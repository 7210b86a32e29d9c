//! The session's Merkle tree against its plainest form, and the ambiguity that comes with it (CVE-2012-2459).

use std::collections::BTreeMap;

use fm_history::{Depth, Hash, RootBuilder, merkle_root, merkle_root_of_items, sha256};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::given::hash;

/// Computes the rule as it is written: repeat the last node on odd levels, hash pairs.
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

/// Returns every list of up to `longest` leaves over an alphabet.
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
fn leaves_that_come_one_by_one_have_the_same_root() {
    let leaves: Vec<Hash> = (0..300_u32).map(|leaf| sha256(&[&leaf.to_be_bytes()])).collect();
    for count in 0..=leaves.len() {
        let mut builder = RootBuilder::default();
        leaves[..count].iter().for_each(|leaf| builder.push(*leaf));
        assert_eq!(builder.root(), plain(leaves[..count].to_vec()), "{count} leaves");
    }
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
                let found = merkle_root(list.clone());
                assert_ne!(found.ambiguous, is_shortest, "{list:?} of {lists:?}");
                assert_eq!(found.repeated > 0, found.ambiguous, "{list:?}");
                // All of them begin with the shortest list: its items have one place in every list with this
                // root.
                let shorter = &list[..list.len() - found.repeated];
                assert_eq!(Some(shorter.len()), shortest, "{list:?}");
                assert!(lists.iter().all(|other| other.starts_with(shorter)), "{list:?} of {lists:?}");
                assert_eq!(merkle_root(shorter.to_vec()).root, found.root, "{list:?}");
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
    assert_eq!((short.repeated, long.repeated), (0, 2));
    // A tail that repeats itself, and is then repeated as a whole: the shortest list has neither repetition.
    let list = [a, b, c, a, b, c, a, b, c, b, b, b, c, b, b, b];
    for (items, repeated) in [(16, 5), (15, 4), (12, 1), (11, 0)] {
        let found = merkle_root(list[..items].to_vec());
        assert_eq!(
            (found.root, found.repeated),
            (merkle_root(list[..11].to_vec()).root, repeated),
            "{items}"
        );
    }
    // Equal neighbours that are not siblings, or siblings before the end, share their root with no other
    // list.
    assert!(!merkle_root(vec![a, b, b, c]).ambiguous);
    assert!(!merkle_root(vec![a, a, b, c]).ambiguous && !merkle_root(vec![a, a]).ambiguous);
    assert!(!merkle_root(vec![]).ambiguous && !merkle_root(vec![a]).ambiguous);
}

/// Returns the nodes of a level as a list of items: 64 bytes each.
fn nodes_as_items(items: &[Vec<u8>], levels: usize) -> Vec<Vec<u8>> {
    let mut items = items.to_vec();
    for _ in 0..levels {
        let leaves: Vec<Hash> = items.iter().map(|item| sha256(&[item])).collect();
        let pair = |pair: &[Hash]| [pair[0].0, pair[pair.len() - 1].0].concat();
        items = leaves.chunks(2).map(pair).collect();
    }
    items
}

fn slices(items: &[Vec<u8>]) -> Vec<&[u8]> {
    items.iter().map(Vec::as_slice).collect()
}

/// Lists of different depth with one root: exactly these two are flagged.
#[test]
fn nodes_in_the_place_of_items() {
    for count in 2..40usize {
        let items: Vec<Vec<u8>> = (0..count).map(|number| vec![7; 10 + number]).collect();
        let depth = count.next_power_of_two().ilog2() as usize;
        let plain = merkle_root_of_items(&slices(&items), |_| false);
        assert_eq!(plain, merkle_root(items.iter().map(|item| sha256(&[item])).collect()), "{count}");
        for levels in 1..=depth {
            let shorter = nodes_as_items(&items, levels);
            let of_nodes = merkle_root_of_items(&slices(&shorter), |_| false);
            assert_eq!((of_nodes.root, of_nodes.depth), (plain.root, Depth::MaybeDeeper), "{count} {levels}");
            let of_items =
                merkle_root_of_items(&slices(&items), |pair| shorter.iter().any(|item| item == pair));
            assert_eq!((of_items.root, of_items.depth), (plain.root, Depth::Shallower), "{count} {levels}");
            // One node that is not an item: no list has that depth.
            let but_last = merkle_root_of_items(&slices(&items), |pair| {
                shorter.iter().take(shorter.len() - 1).any(|item| item == pair)
            });
            assert!(
                but_last.depth == Depth::Settled || shorter.len() > 1 && shorter.last() == shorter.first()
            );
        }
        let with_one_of_64_bytes: Vec<Vec<u8>> = items.iter().cloned().chain([vec![1; 64]]).collect();
        let found = merkle_root_of_items(&slices(&with_one_of_64_bytes), |_| false);
        assert_eq!(found.depth, Depth::Settled, "{count}");
    }
    assert_eq!(merkle_root_of_items(&[], |_| true).depth, Depth::Settled);
    assert_eq!(merkle_root_of_items(&[&[1; 63]], |_| true).depth, Depth::Settled);
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
