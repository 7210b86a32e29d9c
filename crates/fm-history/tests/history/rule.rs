//! Conversion rule 1: what an epoch of v0.1 becomes.

use std::collections::BTreeMap;

use fm_codec::{Dialect, ModuleValue};
use fm_history::{
    AcceptedItem, ConsensusItem, Contribution, DropReason, EpochContent, EpochItem, EpochTransaction, Hash,
    SIGNATURE_VARIANT_V0_1, SignedSession, Transaction, TransactionSignature, accepted_transactions,
    convert_epoch, merkle_root,
};
use proptest::prelude::*;

use crate::given::{bytes, content};

fn value(instance: u16, byte: u8) -> ModuleValue {
    ModuleValue { instance, body: vec![byte; 3] }
}

fn transaction(id: u8, signature: Option<[u8; 64]>) -> EpochItem {
    EpochItem::Transaction(Box::new(EpochTransaction {
        txid: Hash([id; 32]),
        inputs: vec![value(0, id)],
        outputs: vec![value(300, id), value(1, id)],
        signature,
    }))
}

fn module(byte: u8) -> EpochItem {
    EpochItem::Module(value(2, byte))
}

fn contribution(peer: u16, items: Vec<EpochItem>) -> Contribution {
    Contribution { peer, items }
}

/// Returns the modern transaction that [`transaction`] becomes.
fn modern(id: u8, signature: Option<[u8; 64]>) -> Transaction {
    let bytes = signature.map_or(vec![0], |signature| [[1].as_slice(), &signature].concat());
    Transaction {
        inputs: vec![value(0, id)],
        outputs: vec![value(300, id), value(1, id)],
        nonce: [0; 8],
        signature: TransactionSignature::Default { variant: SIGNATURE_VARIANT_V0_1, bytes },
    }
}

#[test]
fn an_epoch_with_everything_in_it() {
    let share = [5; 96];
    let content = EpochContent {
        // Out of order: peer 3 is before peer 1.
        contributions: vec![
            contribution(
                3,
                vec![
                    transaction(1, Some([9; 64])),
                    EpochItem::EpochOutcomeSignatureShare(Box::new(share)),
                    module(7),
                    transaction(4, None),
                ],
            ),
            contribution(
                1,
                vec![
                    EpochItem::ConsensusUpgrade,
                    transaction(2, None),
                    module(8),
                    transaction(1, Some([6; 64])),
                    EpochItem::ClientConfigSignatureShare(Box::new(share)),
                    transaction(1, Some([6; 64])),
                ],
            ),
        ],
        rejected: vec![Hash([2; 32]), Hash([77; 32])],
    };
    let converted = convert_epoch(12, &content);
    let expected = vec![
        AcceptedItem { item: ConsensusItem::Module(value(2, 8)), peer: 1 },
        // The first occurrence by peer counts, with its signature.
        AcceptedItem { item: ConsensusItem::Transaction(modern(1, Some([6; 64]))), peer: 1 },
        AcceptedItem { item: ConsensusItem::Module(value(2, 7)), peer: 3 },
        AcceptedItem { item: ConsensusItem::Transaction(modern(4, None)), peer: 3 },
    ];
    assert_eq!(converted.outcome.items, expected);
    let dropped: Vec<(u16, u64, DropReason, Option<Hash>)> =
        converted.dropped.iter().map(|drop| (drop.peer, drop.item, drop.reason, drop.txid)).collect();
    assert_eq!(
        dropped,
        [
            (1, 0, DropReason::ConsensusUpgrade, None),
            (1, 1, DropReason::TransactionRejected, Some(Hash([2; 32]))),
            (1, 4, DropReason::ClientConfigSignatureShare, None),
            (1, 5, DropReason::TransactionRepeated, Some(Hash([1; 32]))),
            (3, 0, DropReason::TransactionRepeated, Some(Hash([1; 32]))),
            (3, 1, DropReason::EpochSignatureShare, None),
        ]
    );
    let carried: Vec<(Hash, Hash, u64, u16)> = converted
        .transactions
        .iter()
        .map(|carried| (carried.old_txid, carried.txid, carried.item, carried.peer))
        .collect();
    assert_eq!(
        carried,
        [(Hash([1; 32]), modern(1, None).txid(), 1, 1), (Hash([4; 32]), modern(4, None).txid(), 3, 3),]
    );
    // Two outputs, of the modules 300 (three bytes) and 1.
    assert_eq!(converted.transactions[0].index_value, [2, 0xFD, 0x01, 0x2C, 1]);
    assert_eq!((converted.leaf.items, converted.leaf.header.index), (4, 12));
    assert!(!converted.ambiguous);
}

#[test]
fn an_epoch_without_items_becomes_an_empty_session() {
    let content = EpochContent { contributions: vec![], rejected: vec![] };
    let converted = convert_epoch(0, &content);
    assert_eq!(converted.record, [0, 0]);
    assert_eq!(converted.leaf.header.to_bytes(), [0; 40]);
    assert_eq!((converted.leaf.items, converted.dropped.len(), converted.ambiguous), (0, 0, false));
}

#[test]
fn a_session_that_shares_its_header_is_flagged() {
    let items = vec![module(1), module(2), module(3), module(3)];
    let twice = EpochContent { contributions: vec![contribution(0, items)], rejected: vec![] };
    assert!(convert_epoch(0, &twice).ambiguous);
    let by_two_peers = EpochContent {
        contributions: vec![
            contribution(0, vec![module(1), module(2), module(3)]),
            contribution(1, vec![module(3)]),
        ],
        rejected: vec![],
    };
    // The peer is part of the item.
    assert!(!convert_epoch(0, &by_two_peers).ambiguous);
}

/// Computes the rule again, slowly: for each item, looks at everything before it.
fn kept(content: &EpochContent) -> Vec<(u16, EpochItem)> {
    let mut contributions: Vec<&Contribution> = content.contributions.iter().collect();
    contributions.sort_by_key(|contribution| contribution.peer);
    let all: Vec<(u16, &EpochItem)> = contributions
        .into_iter()
        .flat_map(|contribution| contribution.items.iter().map(|item| (contribution.peer, item)))
        .collect();
    let txid = |item: &EpochItem| match item {
        EpochItem::Transaction(transaction) => Some(transaction.txid),
        _ => None,
    };
    all.iter()
        .enumerate()
        .filter(|(place, (_, item))| match item {
            EpochItem::Module(_) => true,
            EpochItem::Transaction(transaction) => {
                !content.rejected.contains(&transaction.txid)
                    && !all[..*place].iter().any(|(_, other)| txid(other) == Some(transaction.txid))
            }
            _ => false,
        })
        .map(|(_, (peer, item))| (*peer, (*item).clone()))
        .collect()
}

proptest! {
    #[test]
    fn the_items_are_those_of_the_slow_rule(content in content(), number: u64) {
        let converted = convert_epoch(number, &content);
        let expected = kept(&content);
        prop_assert_eq!(converted.outcome.items.len(), expected.len());
        for (item, (peer, old)) in converted.outcome.items.iter().zip(&expected) {
            prop_assert_eq!(item.peer, *peer);
            match (&item.item, old) {
                (ConsensusItem::Module(value), EpochItem::Module(old)) => prop_assert_eq!(value, old),
                (ConsensusItem::Transaction(new), EpochItem::Transaction(old)) => {
                    prop_assert_eq!(&new.inputs, &old.inputs);
                    prop_assert_eq!(&new.outputs, &old.outputs);
                    prop_assert_eq!(new.nonce, [0; 8]);
                    let bytes = old.signature.map_or(vec![0], |old| [[1].as_slice(), &old].concat());
                    let variant = SIGNATURE_VARIANT_V0_1;
                    prop_assert_eq!(&new.signature, &TransactionSignature::Default { variant, bytes });
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        let all: usize = content.contributions.iter().map(|contribution| contribution.items.len()).sum();
        prop_assert_eq!(converted.outcome.items.len() + converted.dropped.len(), all);
        let accepted: Vec<Hash> = accepted_transactions(&content).iter().map(|old| old.txid).collect();
        let carried: Vec<Hash> = converted.transactions.iter().map(|carried| carried.old_txid).collect();
        prop_assert_eq!(accepted, carried);
    }

    #[test]
    fn the_record_is_the_session_and_the_leaf_is_its_header(content in content(), number: u64) {
        let converted = convert_epoch(number, &content);
        let (session, leaves) = SignedSession::decode_with_leaves(&converted.record, Dialect::MODERN).unwrap();
        prop_assert_eq!(session, SignedSession { outcome: converted.outcome, signatures: BTreeMap::new() });
        prop_assert_eq!(converted.leaf.items, leaves.len() as u64);
        let merkle = merkle_root(leaves);
        prop_assert_eq!((converted.leaf.header.root, converted.ambiguous), (merkle.root, merkle.ambiguous));
        prop_assert_eq!(converted.leaf.header.index, number);
    }

    #[test]
    fn the_order_of_contributions_and_rejected_ids_does_not_matter(
        (content, shuffled) in content().prop_flat_map(|content| {
            let contributions = Just(content.contributions.clone()).prop_shuffle();
            let rejected = Just(content.rejected.clone()).prop_shuffle();
            let shuffled = (contributions, rejected)
                .prop_map(|(contributions, rejected)| EpochContent { contributions, rejected });
            (Just(content), shuffled)
        }),
    ) {
        prop_assert_eq!(convert_epoch(3, &content), convert_epoch(3, &shuffled));
    }

    #[test]
    fn what_has_no_counterpart_does_not_change_the_session(content in content(), share in bytes()) {
        let mut more = content.clone();
        more.rejected.push(Hash([200; 32]));
        for contribution in &mut more.contributions {
            contribution.items.insert(0, EpochItem::EpochOutcomeSignatureShare(Box::new(share)));
            contribution.items.push(EpochItem::ConsensusUpgrade);
            // Everything a second time: each transaction is a repetition.
            let again: Vec<EpochItem> = contribution
                .items
                .iter()
                .filter(|item| matches!(item, EpochItem::Transaction(_)))
                .cloned()
                .collect();
            contribution.items.extend(again);
        }
        let (before, after) = (convert_epoch(3, &content), convert_epoch(3, &more));
        prop_assert_eq!((before.record, before.leaf, before.transactions), (after.record, after.leaf, after.transactions));
    }

    #[test]
    fn the_number_is_in_the_header_alone(content in content(), a: u64, b: u64) {
        let (one, other) = (convert_epoch(a, &content), convert_epoch(b, &content));
        prop_assert_eq!((one.record, one.leaf.header.root), (other.record, other.leaf.header.root));
        prop_assert_eq!((one.leaf.header.index, other.leaf.header.index), (a, b));
    }
}
