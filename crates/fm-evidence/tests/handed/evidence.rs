//! Evidence of differences: each class, every changed byte, and claims that do not follow from the records.

use fm_eras::Era;
use std::collections::BTreeMap;

use fm_audit::TrustedKeys;
use fm_evidence::{EvidenceError, Explanation, Pair, check_evidence, evidence, explain};
use fm_history::{Block, BlockContent, BlockItem, DiffClass, convert_block};

use crate::made::{flipped, item, items, keys, modern, record, reseal, trusted};

/// The session in which the histories diverge.
const AT: u64 = 7;

fn pair(left: Option<Vec<u8>>, right: Option<Vec<u8>>) -> Pair {
    Pair { index: AT, left, right, is_end: false }
}

fn signed(items: Vec<BlockItem>, signers: &[u16]) -> Option<Vec<u8>> {
    Some(record(AT, items, signers))
}

fn file(pair: &Pair, trusted: TrustedKeys<'_>) -> (String, Explanation) {
    let layout = modern().0;
    let explanation = explain(pair, &layout, &layout, trusted).unwrap();
    (evidence(pair, &explanation, ["ours", "theirs"], [&layout, &layout], trusted), explanation)
}

fn equivocated() -> Pair {
    let other = [&items(5)[..3], &[item(b"other", 2), item(b"another", 3)]].concat();
    pair(signed(items(5), &[0, 1, 2]), signed(other, &[0, 2, 3]))
}

#[test]
fn each_class_is_explained_and_derived_again() {
    let list = items(6);
    let with = |edit: fn(&mut Vec<BlockItem>)| {
        let mut list = list.clone();
        edit(&mut list);
        list
    };
    let ours = signed(list.clone(), &[0, 1, 2]);
    let cases = [
        (DiffClass::OtherSignatures, None, ours.clone(), signed(list.clone(), &[1, 2, 3])),
        (DiffClass::Reordered, Some(1), ours.clone(), signed(with(|list| list.swap(1, 4)), &[])),
        (DiffClass::ExtraTail, Some(6), ours.clone(), signed(with(|list| list.push(item(b"more", 1))), &[])),
        (DiffClass::ExtraTail, Some(0), ours.clone(), signed(Vec::new(), &[])),
        (DiffClass::ExtraTail, Some(4), ours.clone(), signed(with(|list| list.truncate(4)), &[3])),
        (
            DiffClass::MerkleMutation,
            Some(6),
            ours.clone(),
            signed(with(|list| list.extend_from_within(4..)), &[0, 1, 2]),
        ),
        (DiffClass::DifferentContent, Some(0), ours.clone(), signed(with(|list| list[0].peer = 3), &[3])),
        (DiffClass::DifferentContent, Some(2), ours.clone(), signed(with(|list| drop(list.remove(2))), &[])),
        (DiffClass::Missing, None, ours.clone(), None),
        (DiffClass::Undecodable, None, ours.clone(), Some(vec![9, 9, 9])),
        (DiffClass::Equivocation, Some(0), ours.clone(), signed(items(5)[1..].to_vec(), &[1, 2, 3])),
        (DiffClass::Equivocation, Some(5), ours, signed(items(5), &[2])),
    ];
    let keys = keys();
    for (class, place, left, right) in cases {
        for (left, right) in [(left.clone(), right.clone()), (right, left)] {
            let pair = pair(left, right);
            for keys in [TrustedKeys::default(), trusted(&keys)] {
                let (text, explanation) = file(&pair, keys);
                let with_keys = keys.session.is_some();
                let is_class = explanation.class == class;
                assert!(
                    is_class || (class == DiffClass::Equivocation && !with_keys),
                    "{class}: {explanation:?}"
                );
                assert_eq!(explanation.item, place, "{class}");
                let checked = check_evidence(&text, keys).unwrap();
                assert_eq!(checked.explanation, explanation);
                assert_eq!(checked.sources, ["ours", "theirs"]);
            }
        }
    }
}

#[test]
fn who_signed_both_is_named() {
    let keys = keys();
    let (text, explanation) = file(&equivocated(), trusted(&keys));
    assert_eq!(explanation.equivocators, [0, 2]);
    assert_eq!(
        (explanation.class, explanation.change),
        (DiffClass::Equivocation, DiffClass::DifferentContent)
    );
    // A checker without keys sees the content; so does a checker with keys in a file that was made without
    // them.
    assert_eq!(
        check_evidence(&text, TrustedKeys::default()).unwrap().explanation.class,
        DiffClass::DifferentContent
    );
    let (unpinned, _) = file(&equivocated(), TrustedKeys::default());
    assert_eq!(check_evidence(&unpinned, trusted(&keys)).unwrap().explanation, explanation);
    // A list with a repeated tail is not a second header.
    let list = items(3);
    let long = [list.as_slice(), &list[2..]].concat();
    let mutated = pair(signed(list, &[0, 1, 2]), signed(long, &[0, 1, 2]));
    let (_, explanation) = file(&mutated, trusted(&keys));
    assert_eq!((explanation.class, explanation.equivocators.len()), (DiffClass::MerkleMutation, 0));
}

#[test]
fn every_changed_byte_is_refused() {
    let keys = keys();
    let (text, _) = file(&equivocated(), trusted(&keys));
    for (at, changed) in flipped(&text) {
        assert!(check_evidence(&changed, trusted(&keys)).is_err(), "byte {at} of\n{text}");
    }
    for end in 0..text.len() {
        assert!(check_evidence(&text[..end], trusted(&keys)).is_err(), "cut at {end}");
    }
}

/// A class is proven only if enough guardians signed both sides. For an equivocation, two headers of one
/// guardian are enough.
#[test]
fn what_is_proven_of_which_side() {
    let keys = keys();
    let other = || [items(5).as_slice(), &[item(b"more", 1)]].concat();
    let both = DiffClass::Equivocation;
    let cases = [
        (signed(items(5), &[0, 1, 2]), signed(other(), &[]), None, [true, false]),
        (signed(items(5), &[]), signed(other(), &[0, 1, 3]), None, [false, true]),
        (signed(items(5), &[0]), signed(other(), &[3]), None, [false, false]),
        (signed(items(5), &[0, 1, 2]), None, None, [true, false]),
        (signed(items(5), &[0]), signed(other(), &[0]), Some(both), [false, false]),
        (signed(items(5), &[0, 1, 2]), signed(other(), &[0, 1, 2]), Some(both), [true, true]),
        (
            signed(items(5), &[0, 1, 2]),
            signed(items(5), &[1, 2, 3]),
            Some(DiffClass::OtherSignatures),
            [true, true],
        ),
    ];
    for (left, right, proven, sides) in cases {
        let (text, _) = file(&pair(left, right), trusted(&keys));
        let checked = check_evidence(&text, trusted(&keys)).unwrap();
        assert_eq!(
            (checked.proven_class(), checked.proven_sides()),
            (proven, sides),
            "{:?}",
            checked.explanation
        );
        let unpinned = check_evidence(&text, TrustedKeys::default()).unwrap();
        assert_eq!((unpinned.proven_class(), unpinned.proven_sides()), (None, [false, false]));
    }
}

/// A record compared with itself is not a difference, however many guardians signed it; nor are two missing
/// records.
#[test]
fn one_record_twice() {
    let keys = keys();
    for record in [signed(items(5), &[0, 1, 2]), None] {
        let (text, _) = file(&pair(record.clone(), record), trusted(&keys));
        let error = check_evidence(&text, trusted(&keys)).unwrap_err();
        assert!(matches!(error, EvidenceError::NoDifference), "{error}");
    }
}

/// Returns an item that is another item in a layout of 2023, whatever layout the file names.
fn twofold() -> BlockItem {
    let content = BlockContent::Module(fm_codec::ModuleValue { instance: 2, body: vec![9] });
    BlockItem { content, position: None, peer: 2 }
}

/// Guardians who sealed a conversion signed the block and its session: this is not an equivocation, even if
/// the file says that both are sessions of the current layout.
#[test]
fn a_conversion_is_no_equivocation() {
    let keys = keys();
    let old = fm_eras::broadcast::LAYOUTS.iter().chain(fm_eras::session::LAYOUTS);
    let old: Vec<_> = old.filter(|layout| !layout.is_modern() && layout.era == Era::C).collect();
    let bytes = crate::made::bytes(&twofold());
    let mut tried = 0;
    for layout in old {
        let Ok(read) = fm_eras::block::decode_accepted_item(&bytes, layout) else { continue };
        let merkle = fm_history::merkle_root(vec![fm_history::sha256(&[&bytes])]);
        let signatures = BTreeMap::new();
        let block = Block { index: None, items: vec![read], merkle, signatures };
        let sealed = convert_block(AT, &block, false);
        if sealed.leaf.header.root == merkle.root {
            continue;
        }
        let signatures = crate::made::sign(AT, sealed.leaf.header.root, &[0, 1, 2]);
        let sealed = fm_history::with_signatures(&sealed.outcome, &signatures);
        for pair in [
            pair(signed(vec![twofold()], &[0, 1, 2]), Some(sealed.clone())),
            pair(Some(sealed), signed(vec![twofold()], &[0, 1, 2])),
        ] {
            let (text, explanation) = file(&pair, trusted(&keys));
            assert_eq!((explanation.class, explanation.equivocators.len()), (DiffClass::DifferentContent, 0));
            let lie = text.replacen("\"class\": \"different-content\"", "\"class\": \"equivocation\"", 1);
            assert!(check_evidence(&reseal(&lie), trusted(&keys)).is_err(), "{}", layout.name);
        }
        tried += 1;
    }
    assert!(tried > 0, "no layout reads it");
}

/// If the signed bytes have another reading, the signatures do not prove the reading in the file.
#[test]
fn content_that_no_signature_tells() {
    let keys = keys();
    let pair = |left| pair(left, signed(items(5), &[]));
    let below = vec![item(&crate::proof::GROUND.to_be_bytes(), 1), item(b"the right one", 2)];
    let node = item(&[7; 59], 1);
    assert_eq!(crate::made::bytes(&node).len(), 64);
    for (list, words) in [
        (vec![twofold()], "in the layout"),
        (below, "a shorter list"),
        (vec![node.clone()], "a longer list"),
        (vec![node.clone(), node], "a longer list"),
    ] {
        let (text, _) = file(&pair(signed(list, &[0, 1, 2])), trusted(&keys));
        let checked = check_evidence(&text, trusted(&keys)).unwrap();
        let doubt = checked.doubts[0].as_deref().unwrap_or("none");
        assert!(doubt.contains(words), "{words}: {doubt}");
        assert_eq!((checked.proven_class(), checked.proven_sides()), (None, [false, false]));
    }
    for list in [Vec::new(), items(1), items(6), vec![twofold(), item(b"another", 1)]] {
        let (text, _) = file(&pair(signed(list, &[0, 1, 2])), trusted(&keys));
        let checked = check_evidence(&text, trusted(&keys)).unwrap();
        assert_eq!((checked.proven_sides(), checked.doubts), ([true, false], [None, None]));
    }
}

/// With the right digest on a modified file, only the names of the sources and layouts can be changed.
#[test]
fn a_new_digest_does_not_help() {
    let keys = keys();
    let (text, explanation) = file(&equivocated(), trusted(&keys));
    let mut taken = 0;
    for (at, changed) in flipped(&text) {
        if let Ok(checked) = check_evidence(&reseal(&changed), trusted(&keys)) {
            taken += 1;
            assert_eq!(checked.explanation, explanation, "byte {at}");
        }
    }
    assert!(taken >= 64 * 2, "{taken}");
}

#[test]
fn claims_that_do_not_follow() {
    let keys = keys();
    let (text, _) = file(&equivocated(), trusted(&keys));
    let lies = [
        ("\"class\": \"equivocation\"", "\"class\": \"reordered\"", "class"),
        ("\"change\": \"different-content\"", "\"change\": \"extra-tail\"", "change"),
        ("\"item\": 3", "\"item\": 2", "item"),
        ("\"index\": 7", "\"index\": 8", "class"),
        ("    0,\n    2\n  ],\n  \"left\"", "    0\n  ],\n  \"left\"", "equivocators"),
        ("\"enough\": true", "\"enough\": false", "left.enough"),
        ("      0,\n      1,\n      2\n", "      0,\n      1\n", "left.signed_by"),
        ("      0,\n      2,\n      3\n", "      1,\n      2,\n      3\n", "right.signed_by"),
    ];
    for (reported, lie, part) in lies {
        let changed = reseal(&text.replacen(reported, lie, 1));
        assert_ne!(reseal(&text), changed, "{reported} is not in\n{text}");
        match check_evidence(&changed, trusted(&keys)) {
            Err(EvidenceError::Claim { claim, .. }) => assert_eq!(claim, part, "{lie}"),
            other => panic!("{lie}: {other:?}"),
        }
    }
    for garbage in ["", "{}", "[1]", "null"] {
        assert!(matches!(check_evidence(garbage, trusted(&keys)), Err(EvidenceError::Form(_))), "{garbage}");
    }
    let renamed = reseal(&text.replacen("\"v0.4\"", "\"v9\"", 1));
    assert!(matches!(
        check_evidence(&renamed, trusted(&keys)),
        Err(EvidenceError::Layout { side: "left", .. })
    ));
    let stranger = fm_crypto::SigningKey::from_bytes([99; 32]).unwrap().public_key();
    let other = fm_crypto::SessionKeys::new(&[(0, stranger)].into()).unwrap();
    let error = check_evidence(&text, trusted(&other)).unwrap_err();
    assert!(matches!(error, EvidenceError::OtherKeys { .. }), "{error}");
}
