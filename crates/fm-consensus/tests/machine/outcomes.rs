//! Fetched signed outcomes: which are refused, and which stop the node.

use std::path::Path;
use std::sync::Arc;

use fm_codec::{Dialect, Encode};
use fm_consensus::{
    Action, ConsensusFailure, Engine, EngineError, FailureKind, Guard, MemoryStorage, Orderers, OutcomeError,
    Rules, accepted_item_key,
};
use fm_eras::session::session_key;
use fm_history::{
    AcceptedItem, ConsensusItem, Hash, SessionHeader, SessionOutcome, SignedSession, merkle_root, sha256,
};
use serde_json::Value;

use crate::fixture;
use crate::world::{
    LAST_ROUND, batch, deposit, federation, fresh, modules, open, rules, signature, signing_key, transfer,
    vote,
};

/// Makes a session of the made-up federation, signed by these guardians.
pub(crate) fn signed(session: u64, items: &[(ConsensusItem, u16)], signers: &[u16]) -> SignedSession {
    let items: Vec<_> =
        items.iter().map(|(item, peer)| AcceptedItem { item: item.clone(), peer: *peer }).collect();
    let header = header(session, &items);
    let signatures = signers.iter().map(|peer| (*peer, signature(4, *peer, header))).collect();
    SignedSession { outcome: SessionOutcome { items }, signatures }
}

fn header(session: u64, items: &[AcceptedItem]) -> SessionHeader {
    let leaves: Vec<Hash> = items.iter().map(|item| sha256(&[&item.to_bytes(Dialect::MODERN)])).collect();
    SessionHeader { index: session, root: merkle_root(leaves).root }
}

fn bytes(session: &SignedSession) -> Vec<u8> {
    session.to_bytes(Dialect::MODERN)
}

/// Returns three items that are valid on an empty ledger.
pub(crate) fn good_items() -> Vec<(ConsensusItem, u16)> {
    let (alice, bob) = (signing_key(101), signing_key(102));
    vec![(deposit(10, &alice, 1), 0), (vote(1, 5, b"hello"), 1), (transfer(4, &alice, &bob, 2), 2)]
}

fn refusal(engine: &mut Engine, session: u64, record: &[u8]) -> OutcomeError {
    match engine.on_fetched_outcome(session, record).unwrap().pop() {
        Some(Action::OutcomeRefused { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn failure(engine: &mut Engine, record: &[u8]) -> Box<ConsensusFailure> {
    match engine.on_fetched_outcome(engine.session(), record) {
        Err(EngineError::ConsensusFailure(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_the_signed_outcome_is_refused_and_changes_nothing() {
    let (storage, mut engine) = fresh();
    let before = storage.rows();
    let good = signed(0, &good_items(), &[0, 1, 3]);
    let mut forged = good.clone();
    forged.signatures.insert(3, [9; 64]);
    let mut stranger = signed(0, &good_items(), &[0, 1]);
    stranger.signatures.insert(4, [9; 64]);
    let mut swapped = good.clone();
    swapped.outcome.items.swap(0, 1);
    let mut repeated = good.clone();
    let last = repeated.outcome.items[2].clone();
    repeated.outcome.items.push(last);
    let with = |extra: &[u8]| [bytes(&good).as_slice(), extra].concat();
    let cut = bytes(&good)[..bytes(&good).len() - 1].to_vec();

    assert!(matches!(
        refusal(&mut engine, 1, &bytes(&good)),
        OutcomeError::OtherSession { session: 1, open: 0 }
    ));
    assert!(matches!(refusal(&mut engine, 0, &[]), OutcomeError::Undecodable(_)));
    assert!(matches!(refusal(&mut engine, 0, &cut), OutcomeError::Undecodable(_)));
    assert!(matches!(refusal(&mut engine, 0, &with(&[0])), OutcomeError::Undecodable(_)));
    assert!(matches!(refusal(&mut engine, 0, &vec![0; 16_000_001]), OutcomeError::TooLarge { .. }));
    for signers in [&[0, 1][..], &[0, 1, 2, 3], &[]] {
        let record = bytes(&signed(0, &good_items(), signers));
        let count = OutcomeError::SignatureCount { signatures: signers.len(), threshold: 3 };
        assert_eq!(refusal(&mut engine, 0, &record), count);
    }
    for bad in [&forged, &stranger, &swapped, &signed(1, &good_items(), &[0, 1, 2])] {
        assert!(matches!(refusal(&mut engine, 0, &bytes(bad)), OutcomeError::Signature(_)));
    }
    // The root of three items is also that of the four with the last one repeated.
    assert_eq!(refusal(&mut engine, 0, &bytes(&repeated)), OutcomeError::Ambiguous);
    assert!(storage.rows() == before && engine.session() == 0);

    assert!(matches!(
        engine.on_fetched_outcome(0, &bytes(&good)).unwrap().as_slice(),
        [Action::SessionComplete { session: 0, items: 3, .. }]
    ));
    assert_eq!(storage.rows()[&session_key(0)], bytes(&good));
    assert!(matches!(refusal(&mut engine, 0, &bytes(&good)), OutcomeError::OtherSession { .. }));
}

/// Servers accept a repeated vote, and sign the list that ends with it: the caller has the list from an
/// honest guardian.
#[test]
fn beside_servers_a_list_that_repeats_its_end_is_taken() {
    let twice = [(deposit(10, &signing_key(101), 1), 0), (vote(1, 5, b"x"), 1), (vote(1, 6, b"y"), 1)];
    let twice = [twice.as_slice(), &twice[2..]].concat();
    let record = bytes(&signed(0, &twice, &[0, 1, 2]));
    for orderers in [Orderers::Nodes, Orderers::Servers { ignore_rest: true }] {
        let storage = Arc::new(MemoryStorage::default());
        let rules = Rules { orderers, ..rules() };
        let (federation, modules) = (federation(4, 3), Arc::new(modules(4)));
        let mut engine = Engine::open(storage.clone(), federation, modules, rules, Guard::default()).unwrap();
        if orderers == Orderers::Nodes {
            assert_eq!(refusal(&mut engine, 0, &record), OutcomeError::Ambiguous);
            continue;
        }
        let actions = engine.on_fetched_outcome(0, &record).unwrap();
        assert!(matches!(actions.as_slice(), [Action::SessionComplete { items: 4, .. }]), "{actions:?}");
        assert_eq!(storage.rows()[&session_key(0)], record);
    }
}

#[test]
fn a_list_whose_root_may_be_that_of_a_longer_one_is_refused() {
    let (storage, mut engine) = fresh();
    let before = storage.rows();
    // Votes that are 64 bytes long with their guardian: each may be two nodes of the signed tree.
    let long = |salt, bytes: usize| (vote(salt, 1, &vec![b'x'; bytes]), 0);
    for items in [vec![long(1, 54)], vec![long(1, 54), long(2, 54)]] {
        let record = bytes(&signed(0, &items, &[0, 1, 2]));
        assert_eq!(refusal(&mut engine, 0, &record), OutcomeError::AnotherDepth);
    }
    assert!(storage.rows() == before);
    // If one item is not a pair of nodes, no item is.
    let record = bytes(&signed(0, &[long(1, 54), long(2, 53)], &[0, 1, 2]));
    assert!(matches!(
        engine.on_fetched_outcome(0, &record).unwrap().as_slice(),
        [Action::SessionComplete { items: 2, .. }]
    ));
}

#[test]
fn every_changed_byte_of_a_real_outcome_is_refused_or_is_a_failure() {
    let real = fixture::rows(0);
    let record = &real[&session_key(3)];
    let mut base = real.clone();
    base.clear();
    let storage = fixture::storage(&base);
    let mut engine = fixture::engine(storage.clone(), 0).unwrap();
    for session in 0..3 {
        engine.on_fetched_outcome(session, &real[&session_key(session)]).unwrap();
    }
    let before = storage.rows();
    for place in 0..record.len() {
        let mut bad = record.clone();
        bad[place] ^= 1 << (place % 8);
        let refused = refusal(&mut engine, 3, &bad);
        assert!(!matches!(refused, OutcomeError::OtherSession { .. }), "{refused}");
    }
    assert!(storage.rows() == before);
    engine.on_fetched_outcome(3, record).unwrap();
}

#[test]
fn accepted_items_that_are_no_beginning_of_the_outcome_stop_the_node() {
    let (storage, mut engine) = fresh();
    let mut items = good_items();
    engine.on_ordered_unit(0, 0, Some(&batch(&[items[0].0.clone()]))).unwrap();
    engine.on_ordered_unit(1, 3, Some(&batch(&[items[1].0.clone()]))).unwrap();
    let before = storage.rows();
    let theirs = signed(0, &items, &[0, 1, 3]);
    let failure = failure(&mut engine, &bytes(&theirs));
    assert_eq!((failure.kind, failure.first_difference), (FailureKind::ItemsDiffer, Some(1)));
    assert_eq!((failure.ours.items, failure.theirs.as_ref().unwrap().items), (2, 3));
    assert_eq!((failure.ours.peer, failure.theirs.as_ref().unwrap().peer), (Some(3), Some(1)));
    assert_eq!(failure.ours.item, Some(hex::encode(&before[&accepted_item_key(1)])));
    assert_eq!(failure.signatures.keys().copied().collect::<Vec<_>>(), [0, 1, 3]);
    let root = header(0, &theirs.outcome.items);
    assert_eq!(failure.theirs.as_ref().unwrap().header, hex::encode(root.to_bytes()));
    assert!(storage.rows() == before);
    assert!(matches!(engine.on_ordered_unit(2, 0, None), Err(EngineError::Stopped)));

    // A list that ends before the accepted items does not begin with them.
    let mut engine = open(storage.clone(), 0).unwrap();
    items.truncate(1);
    let failure = self::failure(&mut engine, &bytes(&signed(0, &items, &[0, 1, 3])));
    assert_eq!((failure.kind, failure.first_difference), (FailureKind::ItemsDiffer, Some(1)));
    assert_eq!(failure.theirs.as_ref().unwrap().item, None);
    assert!(storage.rows() == before);
}

#[test]
fn an_outcome_with_another_header_than_ours_stops_the_node() {
    let (_, mut engine) = fresh();
    let items = good_items();
    engine.on_ordered_unit(0, 0, Some(&batch(&[items[0].0.clone()]))).unwrap();
    engine.on_ordered_unit(LAST_ROUND, 0, None).unwrap();
    let failure = failure(&mut engine, &bytes(&signed(0, &items, &[0, 1, 3])));
    assert_eq!((failure.kind, failure.first_difference), (FailureKind::HeadersDiffer, Some(1)));
    assert!(failure.ours.item.is_none() && failure.theirs.as_ref().unwrap().item.is_some());
}

#[test]
fn a_signed_item_that_is_not_accepted_here_stops_the_node() {
    let mut items = good_items();
    items.push((transfer(100, &signing_key(101), &signing_key(102), 9), 3));
    let unknown = ConsensusItem::Default { variant: 9, bytes: vec![1] };
    for (bad, reason) in [(items[3].0.clone(), "not enough funds"), (unknown, "unknown kind 9")] {
        let (storage, mut engine) = fresh();
        engine.on_ordered_unit(0, 0, Some(&batch(&[items[0].0.clone()]))).unwrap();
        let before = storage.rows();
        items[3].0 = bad;
        let failure = failure(&mut engine, &bytes(&signed(0, &items, &[0, 1, 2])));
        assert_eq!((failure.kind, failure.first_difference), (FailureKind::ItemRejected, Some(3)));
        assert!(failure.rejection.as_ref().unwrap().contains(reason), "{failure}");
        assert!(storage.rows() == before, "nothing of the outcome is written");
    }
}

#[test]
fn accepted_items_that_are_not_ordered_again_stop_the_node() {
    let (storage, mut engine) = fresh();
    let items = good_items();
    engine.on_ordered_unit(0, 0, Some(&batch(&[items[0].0.clone(), items[1].0.clone()]))).unwrap();
    let mut engine = open(storage, 0).unwrap();
    engine.on_ordered_unit(0, 0, Some(&batch(&[items[0].0.clone()]))).unwrap();
    let Err(EngineError::ConsensusFailure(failure)) = engine.on_ordered_unit(LAST_ROUND, 0, None) else {
        panic!("the node must stop")
    };
    assert_eq!((failure.kind, failure.first_difference), (FailureKind::ItemsNotOrdered, Some(1)));
    assert!(failure.theirs.is_none() && failure.ours.item.is_some());
}

#[test]
fn a_failure_is_told_with_the_commands_to_go_on_with() {
    let (_, mut engine) = fresh();
    engine.on_ordered_unit(0, 3, Some(&batch(&[vote(1, 1, b"other")]))).unwrap();
    let failure = failure(&mut engine, &bytes(&signed(0, &good_items(), &[0, 1, 3])));
    let bundle: Value = serde_json::from_str(&failure.to_json(Path::new("/srv/it's here"))).unwrap();
    assert_eq!(bundle["kind"], "items_differ");
    assert_eq!(bundle["session"], 0);
    assert_eq!(bundle["first_difference"], 0);
    assert_eq!(bundle["signatures"].as_object().unwrap().len(), 3);
    assert_eq!(bundle["message"], failure.to_string());
    let next: Vec<_> = bundle["next"].as_array().unwrap().iter().map(|next| next.as_str().unwrap()).collect();
    assert!(next[0] == r"fm-verify '/srv/it'\''s here/database' --config '/srv/it'\''s here'", "{next:?}");
    assert!(next.iter().any(|next| next.starts_with("fm-checkpoint restore --data-dir ")), "{next:?}");
}

#[test]
fn a_restart_with_accepted_items_does_not_shift_those_of_an_outcome() {
    // Servers up to v0.4 counted from the items that were ordered since the restart.
    let items = good_items();
    for accepted in 0..=items.len() {
        let (storage, mut engine) = fresh();
        for (item, peer) in &items[..accepted] {
            engine.on_ordered_unit(0, *peer, Some(&batch(std::slice::from_ref(item)))).unwrap();
        }
        let mut engine = open(storage.clone(), 0).unwrap();
        let record = bytes(&signed(0, &items, &[1, 2, 3]));
        engine.on_fetched_outcome(0, &record).unwrap();
        assert_eq!(storage.rows()[&session_key(0)], record);
        let (fetched, mut other) = fresh();
        other.on_fetched_outcome(0, &record).unwrap();
        assert!(storage.rows() == MemoryStorage::rows(&fetched));
    }
}
