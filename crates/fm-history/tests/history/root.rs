//! The history root against the recursive definition of RFC 9162, section 2.1.1.

use fm_history::{Hash, HistoryRoot, HistoryTree, SessionHeader, SessionLeaf, sha256};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::given::hash;

fn recursive(leaves: &[[u8; 56]]) -> Hash {
    match leaves {
        [] => sha256(&[b""]),
        [leaf] => sha256(&[&[0x00], leaf]),
        many => {
            let mut split = 1;
            while split * 2 < many.len() {
                split *= 2;
            }
            let (left, right) = many.split_at(split);
            sha256(&[&[0x01], &recursive(left).0, &recursive(right).0])
        }
    }
}

fn leaf() -> impl Strategy<Value = SessionLeaf> {
    (any::<u64>(), any::<u64>(), hash())
        .prop_map(|(items, index, root)| SessionLeaf { items, header: SessionHeader { index, root } })
}

fn root(leaves: &[SessionLeaf]) -> Hash {
    let mut root = HistoryRoot::new();
    leaves.iter().for_each(|leaf| root.push(*leaf));
    assert_eq!(root.sessions(), leaves.len() as u64);
    root.root()
}

#[test]
fn the_leaf_is_index_count_and_header() {
    let leaf = SessionLeaf { items: 2, header: SessionHeader { index: 1, root: Hash([3; 32]) } };
    let expected =
        [[0, 0, 0, 0, 0, 0, 0, 1].as_slice(), &[0, 0, 0, 0, 0, 0, 0, 2], &[0, 0, 0, 0, 0, 0, 0, 1], &[3; 32]]
            .concat();
    assert_eq!(leaf.to_bytes().as_slice(), expected);
}

#[test]
fn no_sessions_give_the_hash_of_nothing() {
    let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(HistoryRoot::new().root().to_string(), expected);
}

proptest! {
    #[test]
    fn the_root_is_that_of_the_rfc_after_every_session(leaves in vec(leaf(), 1..70)) {
        let bytes: Vec<[u8; 56]> = leaves.iter().map(|leaf| leaf.to_bytes()).collect();
        let mut root = HistoryRoot::new();
        for (place, leaf) in leaves.iter().enumerate() {
            root.push(*leaf);
            prop_assert_eq!(root.root(), recursive(&bytes[..=place]));
        }
    }

    #[test]
    fn lists_that_differ_have_roots_that_differ(
        leaves in vec(leaf(), 1..20), place: prop::sample::Index, change in 0..5,
    ) {
        let mut other = leaves.clone();
        let place = place.index(leaves.len());
        match change {
            0 => other[place].items ^= 1,
            1 => other[place].header.index ^= 1,
            2 => other[place].header.root.0[31] ^= 1,
            3 => drop(other.remove(place)),
            _ => other.push(leaves[place]),
        }
        prop_assert_ne!(root(&leaves), root(&other));
    }
}

#[test]
fn the_tree_knows_the_root_after_every_session() {
    let (mut tree, mut root, mut roots) =
        (HistoryTree::default(), HistoryRoot::new(), vec![HistoryRoot::new()]);
    for session in 0..300_u64 {
        let header = SessionHeader { index: session, root: sha256(&[&session.to_be_bytes()]) };
        let leaf = SessionLeaf { items: session % 7, header };
        tree.push(leaf);
        root.push(leaf);
        roots.push(root.clone());
        assert_eq!(tree.sessions(), root.sessions());
    }
    for (sessions, root) in (0..).zip(&roots) {
        let mut found = tree.after(sessions).expect("a root");
        assert_eq!((found.sessions(), found.root()), (sessions, root.root()));
        // It can be continued.
        let leaf = SessionLeaf { items: 1, header: SessionHeader { index: sessions, root: Hash([9; 32]) } };
        let mut root = root.clone();
        found.push(leaf);
        root.push(leaf);
        assert_eq!(found.root(), root.root());
    }
    for sessions in [301, 512, u64::MAX] {
        assert!(tree.after(sessions).is_none(), "{sessions}");
    }
}
