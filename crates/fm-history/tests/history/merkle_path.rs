//! Paths against their tree: every place, every number of items, every byte.

use fm_history::{Hash, PathError, merkle_path, merkle_root, sha256, walk_path};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::given::hash;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| sha256(&[&number.to_be_bytes()])).collect()
}

/// Returns whether both paths together fit a list of this many items under the root.
fn fits(root: Hash, [item, last]: [(Hash, u64, &[Hash]); 2], count: u64) -> bool {
    let leads = |(leaf, index, path): (Hash, u64, &[Hash])| {
        walk_path(leaf, index, count, path).is_ok_and(|walked| walked.root == root)
    };
    leads(item) && count > 0 && leads((last.0, count - 1, last.2))
}

#[test]
fn every_item_of_every_list_leads_to_the_root() {
    for count in 1..=40 {
        let leaves = leaves(count);
        let root = merkle_root(leaves.clone()).root;
        for (index, leaf) in leaves.iter().enumerate() {
            let path = merkle_path(&leaves, index).unwrap();
            let walked = walk_path(*leaf, index as u64, count, &path).unwrap();
            assert_eq!(walked.root, root, "{index} of {count}");
            assert_eq!(walked.pairs.last().map(|pair| sha256(&[pair])), (count > 1).then_some(root));
        }
        assert_eq!(merkle_path(&leaves, leaves.len()), None);
    }
}

#[test]
fn no_other_place_and_no_other_count_fit() {
    for count in 1..=33u64 {
        let leaves = leaves(count);
        let root = merkle_root(leaves.clone()).root;
        let last = leaves.len() - 1;
        let last_path = merkle_path(&leaves, last).unwrap();
        for (index, leaf) in leaves.iter().enumerate() {
            let path = merkle_path(&leaves, index).unwrap();
            for other in 0..=70u64 {
                let both = [(*leaf, index as u64, path.as_slice()), (leaves[last], 0, last_path.as_slice())];
                assert_eq!(fits(root, both, other), other == count, "{index} of {count} as one of {other}");
                if other != index as u64 {
                    let walked = walk_path(*leaf, other, count, &path);
                    let leads = walked.is_ok_and(|walked| walked.root == root);
                    assert!(!leads, "{index} of {count} as item {other}");
                }
            }
        }
    }
}

/// All lists over a small alphabet: exactly those that repeat their tail have no path from their last item.
#[test]
fn a_repeated_tail_is_refused() {
    let mut refused = 0;
    for length in 1..=8usize {
        for number in 0..3usize.pow(u32::try_from(length).unwrap()) {
            let letter = |place: u32| u8::try_from(number / 3usize.pow(place) % 3).unwrap();
            let list: Vec<Hash> =
                (0..u32::try_from(length).unwrap()).map(|place| sha256(&[&[letter(place)]])).collect();
            let merkle = merkle_root(list.clone());
            let path = merkle_path(&list, length - 1).unwrap();
            let walked = walk_path(list[length - 1], length as u64 - 1, length as u64, &path);
            match walked {
                Ok(walked) => assert!(!merkle.ambiguous && walked.root == merkle.root, "{list:?}"),
                Err(PathError::RepeatedTail { .. }) => {
                    assert!(merkle.ambiguous, "{list:?}");
                    refused += 1;
                }
                Err(error) => panic!("{error}: {list:?}"),
            }
        }
    }
    assert!(refused > 100, "only {refused} lists repeat their tail");
}

#[test]
fn shapes_that_cannot_be() {
    let [a, b] = [1, 2].map(|byte| Hash([byte; 32]));
    assert_eq!(walk_path(a, 0, 0, &[]), Err(PathError::NoSuchItem { index: 0, count: 0 }));
    assert_eq!(walk_path(a, 3, 3, &[b, b]), Err(PathError::NoSuchItem { index: 3, count: 3 }));
    assert!(matches!(walk_path(a, 0, 1, &[b]), Err(PathError::Length { expected: 0, found: 1, .. })));
    assert!(matches!(walk_path(a, 0, 2, &[]), Err(PathError::Length { expected: 1, found: 0, .. })));
    // The largest count has a path of 64 levels, not as many steps as items.
    assert!(matches!(walk_path(a, 0, u64::MAX, &[b]), Err(PathError::Length { expected: 64, .. })));
    assert!(matches!(walk_path(a, u64::MAX - 1, u64::MAX, &[b]), Err(PathError::Length { .. })));
    assert_eq!(walk_path(a, 0, 1, &[]).unwrap().root, a);
    // A pair of equal items is not a repeated tail: a single one is the root itself.
    assert_eq!(walk_path(a, 1, 2, &[a]).unwrap().root, merkle_root(vec![a, a]).root);
}

proptest! {
    #[test]
    fn every_changed_bit_leads_elsewhere(
        list in vec(hash(), 1..70), place: prop::sample::Index, byte: prop::sample::Index, bit in 0u8..8
    ) {
        let index = place.index(list.len());
        let (root, count) = (merkle_root(list.clone()).root, list.len() as u64);
        let mut way = vec![list[index]];
        way.extend(merkle_path(&list, index).unwrap());
        let byte = byte.index(32 * way.len());
        way[byte / 32].0[byte % 32] ^= 1 << bit;
        let walked = walk_path(way[0], index as u64, count, &way[1..]);
        prop_assert!(walked.is_err() || walked.unwrap().root != root);
    }

    #[test]
    fn no_input_panics(leaf in hash(), index: u64, count: u64, path in vec(hash(), 0..70)) {
        let _ = walk_path(leaf, index, count, &path);
        let _ = walk_path(leaf, index % 100, count % 100, &path[..path.len().min(7)]);
    }
}
