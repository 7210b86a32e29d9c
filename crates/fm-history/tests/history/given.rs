//! Generators of values.

use fm_codec::ModuleValue;
use fm_history::{
    AcceptedItem, ConsensusItem, Contribution, EpochContent, EpochItem, EpochTransaction, Hash,
    SessionOutcome, Transaction, TransactionSignature,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

pub(crate) fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(any::<u8>(), N).prop_map(|bytes| bytes.try_into().unwrap())
}

pub(crate) fn hash() -> impl Strategy<Value = Hash> {
    bytes().prop_map(Hash)
}

pub(crate) fn value() -> impl Strategy<Value = ModuleValue> {
    (any::<u16>(), vec(any::<u8>(), 0..300)).prop_map(|(instance, body)| ModuleValue { instance, body })
}

/// Generates one of six transaction ids, so that they repeat.
fn txid() -> impl Strategy<Value = Hash> {
    (0u8..6).prop_map(|byte| Hash([byte; 32]))
}

fn epoch_transaction() -> impl Strategy<Value = EpochTransaction> {
    (txid(), vec(value(), 0..3), vec(value(), 0..3), prop::option::of(bytes()))
        .prop_map(|(txid, inputs, outputs, signature)| EpochTransaction { txid, inputs, outputs, signature })
}

fn epoch_item() -> impl Strategy<Value = EpochItem> {
    prop_oneof![
        1 => Just(EpochItem::ConsensusUpgrade),
        1 => bytes().prop_map(|share| EpochItem::ClientConfigSignatureShare(Box::new(share))),
        1 => bytes().prop_map(|share| EpochItem::EpochOutcomeSignatureShare(Box::new(share))),
        4 => epoch_transaction().prop_map(|transaction| EpochItem::Transaction(Box::new(transaction))),
        2 => value().prop_map(EpochItem::Module),
    ]
}

/// Generates contributions of different guardians, in any order.
pub(crate) fn content() -> impl Strategy<Value = EpochContent> {
    let peers = btree_set(any::<u16>(), 0..5).prop_map(|peers| peers.into_iter().collect::<Vec<_>>());
    let contributions = peers.prop_shuffle().prop_flat_map(|peers| {
        let contribution = |peer| vec(epoch_item(), 0..6).prop_map(move |items| Contribution { peer, items });
        peers.into_iter().map(contribution).collect::<Vec<_>>()
    });
    (contributions, btree_set(txid(), 0..4)).prop_map(|(contributions, rejected)| EpochContent {
        contributions,
        rejected: rejected.into_iter().collect(),
    })
}

fn signature() -> impl Strategy<Value = TransactionSignature> {
    let unknown = (1u64.., vec(any::<u8>(), 0..100));
    prop_oneof![
        vec(bytes(), 0..3).prop_map(TransactionSignature::Schnorr),
        unknown.prop_map(|(variant, bytes)| TransactionSignature::Default { variant, bytes }),
    ]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    (vec(value(), 0..3), vec(value(), 0..3), bytes(), signature())
        .prop_map(|(inputs, outputs, nonce, signature)| Transaction { inputs, outputs, nonce, signature })
}

fn accepted_item() -> impl Strategy<Value = AcceptedItem> {
    let unknown = (2u64.., vec(any::<u8>(), 0..100));
    let item = prop_oneof![
        transaction().prop_map(ConsensusItem::Transaction),
        value().prop_map(ConsensusItem::Module),
        unknown.prop_map(|(variant, bytes)| ConsensusItem::Default { variant, bytes }),
    ];
    (item, any::<u16>()).prop_map(|(item, peer)| AcceptedItem { item, peer })
}

pub(crate) fn outcome() -> impl Strategy<Value = SessionOutcome> {
    vec(accepted_item(), 0..5).prop_map(|items| SessionOutcome { items })
}
