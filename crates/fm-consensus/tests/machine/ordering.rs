//! Ordered units: batches, the end of a session's rounds, signatures, and a single guardian.

use std::sync::Arc;

use fm_codec::{Dialect, Encode, ModuleValue};
use fm_consensus::{
    ACCEPTED_ITEM, ALEPH_UNITS, Action, BATCH_BYTES, BatchError, Changes, Engine, EngineError, Guard,
    MemoryStorage, Orderers, Rejection, Rules, SESSION_BYTES, Schedule, Storage, UnitPayload, unit_key,
};
use fm_eras::session::{session_key, transaction_key};
use fm_history::{AcceptedItem, ConsensusItem, SessionParts, Transaction, TransactionSignature};
use fm_rows::RowSource;
use fm_store::Durability;

use crate::world::{
    LAST_ROUND, META, batch, deposit, federation, fresh, keys, modules, open, rules, signature, signing_key,
    transaction, transfer, vote,
};

/// Servers before v0.6.
const SERVERS: Orderers = Orderers::Servers { ignore_rest: true };

fn end(engine: &mut Engine) -> (fm_history::SessionHeader, [u8; 64]) {
    match engine.on_ordered_unit(LAST_ROUND, 1, None).unwrap().as_slice() {
        [Action::Broadcast { header, signature }] => (*header, *signature),
        other => panic!("{other:?}"),
    }
}

fn rejection(engine: &mut Engine, item: &ConsensusItem) -> Option<Rejection> {
    match engine.on_ordered_unit(0, 0, Some(&batch(std::slice::from_ref(item)))).unwrap().pop() {
        Some(Action::Discarded { reason, .. }) => Some(reason),
        Some(Action::Accepted { .. }) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_taken_whole_or_skipped_whole() {
    let (storage, mut engine) = fresh();
    let before = storage.rows();
    let good = vote(1, 1, b"x");
    let stranger = ConsensusItem::Module(ModuleValue { instance: META + 1, body: Vec::new() });
    let broken = ConsensusItem::Module(ModuleValue { instance: META, body: vec![1, 2, 3] });
    let mut half = transaction(&[], &[], 1);
    half.outputs.push(ModuleValue { instance: 0, body: vec![5; 34] });
    let Some(UnitPayload::Batch(mut trailing)) = Some(batch(std::slice::from_ref(&good))) else { panic!() };
    trailing.push(0);
    let bad = [
        batch(&[good.clone(), stranger]),
        batch(&[good.clone(), broken]),
        batch(&[good.clone(), ConsensusItem::Transaction(half)]),
        UnitPayload::Batch(trailing),
        UnitPayload::Batch(vec![0xFF; 20]),
        UnitPayload::Batch(vec![0xFE, 0xFF, 0xFF, 0xFF, 0xFF]),
        UnitPayload::Batch(Vec::new()),
        UnitPayload::Batch(vec![0; BATCH_BYTES + 1]),
    ];
    for (round, payload) in (0..).zip(&bad) {
        let actions = engine.on_ordered_unit(round, 2, Some(payload)).unwrap();
        assert!(matches!(actions.as_slice(), [Action::BatchSkipped { peer: 2, .. }]), "{actions:?}");
    }
    let Action::BatchSkipped { reason, .. } = &engine.on_ordered_unit(9, 2, Some(&bad[7])).unwrap()[0] else {
        panic!("the batch is too large")
    };
    assert_eq!(*reason, BatchError::TooLarge { bytes: BATCH_BYTES + 1 });
    assert!(storage.rows() == before);
    assert!(engine.on_ordered_unit(9, 2, Some(&batch(&[]))).unwrap().is_empty());
    let Some(Action::Accepted { index: 0, peer: 2, txid: None }) =
        engine.on_ordered_unit(9, 2, Some(&batch(&[good]))).unwrap().pop()
    else {
        panic!("a good batch is taken")
    };
}

#[test]
fn an_item_that_is_not_accepted_undoes_itself_and_nothing_else() {
    let (storage, mut engine) = fresh();
    let (alice, bob) = (signing_key(101), signing_key(102));
    // The first input takes from Alice's account before the second turns out to exceed it.
    let partly = transaction(&[(5, &alice), (6, &alice)], &[(11, &bob)], 7);
    let items = [
        deposit(10, &alice, 1),
        ConsensusItem::Transaction(partly.clone()),
        ConsensusItem::Default { variant: 5, bytes: vec![1] },
        transfer(10, &alice, &bob, 2),
    ];
    let actions = engine.on_ordered_unit(0, 1, Some(&batch(&items))).unwrap();
    let accepted: Vec<bool> =
        actions.iter().map(|action| matches!(action, Action::Accepted { .. })).collect();
    assert_eq!(accepted, [true, false, false, true]);
    let unknown = Rejection::UnknownItem { variant: 5 };
    assert_eq!(actions[2], Action::Discarded { peer: 1, txid: None, reason: unknown });
    assert_eq!(storage.scan_prefix(ACCEPTED_ITEM).count(), 2);
    assert!(storage.get(&transaction_key(&partly.txid())).unwrap().is_none());
    assert_eq!(engine.balance().net(), 0);
}

#[test]
fn transactions_that_do_not_hold_are_discarded() {
    let (storage, mut engine) = fresh();
    let (alice, bob) = (signing_key(101), signing_key(102));
    assert_eq!(rejection(&mut engine, &deposit(100, &alice, 1)), None);
    let good = transaction(&[(10, &alice)], &[(10, &bob)], 1);
    let with = |signature| ConsensusItem::Transaction(Transaction { signature, ..good.clone() });
    let TransactionSignature::Schnorr(signatures) = &good.signature else { panic!() };
    let by_bob = TransactionSignature::Schnorr(vec![bob.sign(&good.txid().0)]);
    let twice = TransactionSignature::Schnorr([signatures.as_slice(), signatures].concat());
    let before = storage.rows();
    for (item, reason) in [
        (with(by_bob), Rejection::BadSignature { input: 0 }),
        (with(twice), Rejection::SignatureCount { signatures: 2, inputs: 1 }),
        (with(TransactionSignature::Schnorr(vec![])), Rejection::SignatureCount { signatures: 0, inputs: 1 }),
        (
            with(TransactionSignature::Default { variant: 3, bytes: vec![] }),
            Rejection::UnknownSignature { variant: 3 },
        ),
        (
            ConsensusItem::Transaction(transaction(&[(10, &alice)], &[(9, &bob)], 1)),
            Rejection::Unbalanced { inputs: 10, outputs: 9, fees: 0 },
        ),
        (
            ConsensusItem::Transaction(transaction(&[], &[(9, &bob)], 1)),
            Rejection::Unbalanced { inputs: 0, outputs: 9, fees: 0 },
        ),
        (
            ConsensusItem::Transaction(transaction(&[], &[(u64::MAX, &bob), (1, &alice)], 1)),
            Rejection::Overflow,
        ),
        (transfer(101, &alice, &bob, 1), Rejection::NotEnoughFunds { instance: 0 }),
        (deposit(u64::MAX, &alice, 1), Rejection::Overflow),
    ] {
        assert_eq!(rejection(&mut engine, &item), Some(reason));
        assert!(storage.rows() == before);
    }
    let txid = good.txid();
    let item = ConsensusItem::Transaction(good);
    assert_eq!(rejection(&mut engine, &item), None);
    // An accepted item is never accepted again: not from another guardian, not in a later session.
    let again = batch(&[item]);
    let refused =
        Action::Discarded { peer: 2, txid: Some(txid), reason: Rejection::AlreadyAccepted { txid } };
    assert_eq!(engine.on_ordered_unit(0, 2, Some(&again)).unwrap(), std::slice::from_ref(&refused));
    let (header, _) = end(&mut engine);
    for peer in 0..3 {
        let signature = UnitPayload::Signature(signature(4, peer, header));
        engine.on_ordered_unit(LAST_ROUND, peer, Some(&signature)).unwrap();
    }
    assert_eq!(engine.session(), 1);
    assert_eq!(engine.on_ordered_unit(0, 2, Some(&again)).unwrap(), [refused]);
}

#[test]
fn a_repeated_item_is_refused_or_processed_as_the_rules_say() {
    for orderers in [Orderers::Nodes, SERVERS] {
        let storage = Arc::new(MemoryStorage::default());
        let rules = Rules { orderers, ..rules() };
        let (federation, modules) = (federation(4, 0), Arc::new(modules(4)));
        let mut engine = Engine::open(storage.clone(), federation, modules, rules, Guard::default()).unwrap();
        let item = vote(1, 1, b"x");
        assert_eq!(rejection(&mut engine, &item), None);
        let second = rejection(&mut engine, &item);
        assert_eq!(second, (orderers == Orderers::Nodes).then_some(Rejection::Duplicate));
        // The same item from another guardian is a different one.
        let actions = engine.on_ordered_unit(1, 1, Some(&batch(&[item]))).unwrap();
        assert!(matches!(actions.as_slice(), [Action::Accepted { peer: 1, .. }]));
    }
}

#[test]
fn bytes_behind_a_batch_are_judged_as_those_who_order_judge_them() {
    let (first, second) = (vote(1, 1, b"x"), vote(1, 2, b"y"));
    let of = |orderers| {
        let (federation, modules) = (federation(4, 0), Arc::new(modules(4)));
        let rules = Rules { orderers, ..rules() };
        let storage = Arc::new(MemoryStorage::default());
        let mut engine = Engine::open(storage, federation, modules, rules, Guard::default()).unwrap();
        let UnitPayload::Batch(mut bytes) = batch(&[first.clone(), second.clone()]) else { panic!() };
        bytes.push(7);
        let actions = engine.on_ordered_unit(0, 1, Some(&UnitPayload::Batch(bytes.clone()))).unwrap();
        let accepted = matches!(actions.as_slice(), [Action::Accepted { .. }, Action::Accepted { .. }]);
        // No guardian accepts a truncated list as a list.
        bytes.truncate(bytes.len() - 2);
        let cut = engine.on_ordered_unit(0, 1, Some(&UnitPayload::Batch(bytes))).unwrap();
        assert!(matches!(cut.as_slice(), [Action::BatchSkipped { .. }]), "{orderers:?}: {cut:?}");
        accepted
    };
    assert!(of(SERVERS));
    assert!(!of(Orderers::Servers { ignore_rest: false }));
    assert!(!of(Orderers::Nodes));
}

#[test]
fn an_item_that_reads_as_two_nodes_is_refused_or_processed_as_the_rules_say() {
    // Variant, length, instance (three bytes), length, salt, key, length, guardian: ten bytes in addition to
    // the value.
    let of = |bytes: usize| vote(1, 1, &vec![b'x'; bytes - 10]);
    for orderers in [Orderers::Nodes, SERVERS] {
        let rules = Rules { orderers, ..rules() };
        let (federation, modules) = (federation(4, 0), Arc::new(modules(4)));
        let storage = Arc::new(MemoryStorage::default());
        let mut engine = Engine::open(storage, federation, modules, rules, Guard::default()).unwrap();
        for bytes in 63..66 {
            let item = of(bytes);
            assert_eq!(AcceptedItem { item: item.clone(), peer: 0 }.to_bytes(Dialect::MODERN).len(), bytes);
            let refused = orderers == Orderers::Nodes && bytes == 64;
            assert_eq!(rejection(&mut engine, &item), refused.then_some(Rejection::ReadsAsNodes));
        }
    }
}

#[test]
fn the_unit_that_ends_the_rounds_is_not_used_and_later_batches_are_not_either() {
    let (storage, mut engine) = fresh();
    let item = batch(&[vote(1, 1, b"x")]);
    engine.on_ordered_unit(LAST_ROUND - 1, 0, Some(&item)).unwrap();
    let actions = engine.on_ordered_unit(LAST_ROUND + 3, 1, Some(&item)).unwrap();
    let [Action::Broadcast { header, signature: own }] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(*own, signature(4, 0, *header));
    assert_eq!(engine.own_signature(), Some(*own));
    assert!(engine.on_ordered_unit(LAST_ROUND + 3, 2, Some(&item)).unwrap().is_empty());
    assert_eq!(storage.scan_prefix(ACCEPTED_ITEM).count(), 1);
    let missing = engine.progress().missing_signatures.unwrap();
    assert_eq!(missing, (*header, vec![0, 1, 2, 3]));
}

#[test]
fn exactly_a_threshold_of_signatures_is_collected() {
    let (storage, mut engine) = fresh();
    engine.on_ordered_unit(0, 1, Some(&batch(&[vote(1, 1, b"x")]))).unwrap();
    let unit = Changes::from([(unit_key(0), Some(vec![1, 7])), (unit_key(300), Some(vec![1, 8]))]);
    storage.write(&unit, Durability::Synced).unwrap();
    // Before the rounds are over, a signature has no effect.
    let early = UnitPayload::Signature([1; 64]);
    assert!(engine.on_ordered_unit(0, 1, Some(&early)).unwrap().is_empty());
    let (header, own) = end(&mut engine);
    let mut order = |peer, signature| {
        engine.on_ordered_unit(LAST_ROUND + 1, peer, Some(&UnitPayload::Signature(signature))).unwrap()
    };
    let collected = |peer, signatures| Action::SignatureCollected { peer, signatures, needed: 3 };
    assert_eq!(order(3, signature(4, 3, header)), [collected(3, 1)]);
    assert_eq!(order(3, signature(4, 3, header)), []);
    assert_eq!(order(2, signature(4, 3, header)), [Action::SignatureIgnored { peer: 2 }]);
    assert_eq!(order(2, [0; 64]), [Action::SignatureIgnored { peer: 2 }]);
    assert_eq!(order(9, signature(4, 3, header)), [Action::SignatureIgnored { peer: 9 }]);
    assert_eq!(order(0, own), [collected(0, 2)]);
    let done = Action::SessionComplete { session: 0, items: 1, header };
    assert_eq!(order(1, signature(4, 1, header)), [collected(1, 3), done]);

    let parts = SessionParts::read(&storage.rows()[&session_key(0)]).unwrap();
    assert_eq!(parts.signatures.keys().copied().collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(parts.merkle.root, header.root);
    // The rows of this session alone are gone.
    assert_eq!(storage.scan_prefix(ACCEPTED_ITEM).count() + storage.scan_prefix(ALEPH_UNITS).count(), 0);
    assert_eq!(engine.session(), 1);
    assert_eq!(engine.progress().items, 0);
}

#[test]
fn an_older_schedule_ends_by_the_number_of_batches() {
    let storage = Arc::new(MemoryStorage::default());
    let rules = Rules { schedule: Schedule::batches(1, 5000, 4).unwrap(), orderers: SERVERS };
    let (federation, modules) = (federation(4, 0), Arc::new(modules(4)));
    let mut engine = Engine::open(storage.clone(), federation, modules, rules, Guard::default()).unwrap();
    // Three times the expected rounds, times four guardians; batches that cannot be read count as well.
    for round in 0..11 {
        let payload = if round % 2 == 0 { batch(&[]) } else { UnitPayload::Batch(vec![9]) };
        let actions = engine.on_ordered_unit(round, 0, Some(&payload)).unwrap();
        assert!(!matches!(actions.last(), Some(Action::Broadcast { .. })), "round {round}");
        assert!(engine.on_ordered_unit(60_000, 0, None).unwrap().is_empty());
    }
    let last = batch(&[vote(1, 1, b"x")]);
    let actions = engine.on_ordered_unit(11, 0, Some(&last)).unwrap();
    assert!(matches!(actions.as_slice(), [Action::Accepted { .. }, Action::Broadcast { .. }]), "{actions:?}");
}

#[test]
fn one_guardian_alone_ends_its_sessions_itself() {
    let storage = Arc::new(MemoryStorage::default());
    let alone = |storage: Arc<MemoryStorage>| {
        Engine::open(storage, federation(1, 0), Arc::new(modules(1)), rules(), Guard::default()).unwrap()
    };
    let mut engine = alone(storage.clone());
    for session in 0..3 {
        for half in 0..2 {
            // Nothing is ordered again after a restart: every item is new.
            let item = deposit(session + 1, &signing_key(101), 2 * session + half);
            let actions = engine.on_ordered_unit(0, 0, Some(&batch(&[item]))).unwrap();
            assert!(matches!(actions.as_slice(), [Action::Accepted { .. }]), "{actions:?}");
            engine = alone(storage.clone());
        }
        let actions = engine.end_session_alone().unwrap();
        assert!(matches!(actions.last(), Some(Action::SessionComplete { items: 2, .. })), "{actions:?}");
        let parts = SessionParts::read(&storage.rows()[&session_key(session)]).unwrap();
        let message = keys(1).message(&parts.leaf(session).header.to_bytes());
        keys(1).verify(0, &message, &parts.signatures[&0]).unwrap();
        assert_eq!(parts.signatures.len(), 1);
    }
    let (_, mut four) = fresh();
    assert!(matches!(four.end_session_alone(), Err(EngineError::NotAlone { guardians: 4 })));
}

#[test]
fn after_a_restart_only_what_was_not_accepted_before_is_processed() {
    let (storage, mut engine) = fresh();
    let alice = signing_key(101);
    // Refused at first, valid after the deposit, and then the same bytes again.
    let early = transfer(5, &alice, &signing_key(102), 1);
    let units = [
        batch(&[early.clone(), vote(1, 1, b"x")]),
        batch(&[deposit(5, &alice, 2), early.clone()]),
        batch(&[early, vote(2, 1, b"y")]),
    ];
    for unit in &units[..2] {
        engine.on_ordered_unit(0, 1, Some(unit)).unwrap();
    }
    assert_eq!(engine.progress().items, 3);
    let before = storage.rows();
    let mut engine = open(storage.clone(), 0).unwrap();
    assert_eq!(engine.progress().to_replay, 3);
    for unit in &units[..2] {
        assert!(engine.on_ordered_unit(0, 1, Some(unit)).unwrap().is_empty());
    }
    assert_eq!(engine.progress().to_replay, 0);
    assert!(storage.rows() == before);
    let actions = engine.on_ordered_unit(0, 1, Some(&units[2])).unwrap();
    assert!(
        matches!(actions.as_slice(), [Action::Discarded { .. }, Action::Accepted { index: 3, .. }]),
        "{actions:?}"
    );
}

#[test]
fn a_full_session_ends_early_and_can_be_fetched() {
    let big = |salt: u64| batch(&[vote(salt, 1, &[7; 49_000])]);
    let (storage, mut engine) = fresh();
    let fill = |engine: &mut Engine| {
        let over = |salt: &u64| {
            let actions = engine.on_ordered_unit(1, 1, Some(&big(*salt))).unwrap();
            matches!(actions.last(), Some(Action::Broadcast { .. }))
        };
        (0..400).find(over)
    };
    let last = fill(&mut engine);
    assert_eq!(last, Some(306));
    // After a restart the rounds end at the same unit, with and without the last item written.
    assert_eq!(fill(&mut open(storage.clone(), 0).unwrap()), last);
    let header = engine.progress().missing_signatures.unwrap().0;
    for peer in 0..3 {
        let signature = UnitPayload::Signature(signature(4, peer, header));
        engine.on_ordered_unit(2, peer, Some(&signature)).unwrap();
    }
    let record = storage.rows()[&session_key(0)].clone();
    assert!(record.len() > SESSION_BYTES && record.len() < fm_codec::MAX_DECODE_SIZE);
    let (_, mut other) = fresh();
    assert!(matches!(
        other.on_fetched_outcome(0, &record).unwrap().as_slice(),
        [Action::SessionComplete { items: 307, .. }]
    ));
    // Servers continue.
    let rules = Rules { schedule: rules().schedule.unbounded(), ..rules() };
    let (federation, modules) = (federation(4, 0), Arc::new(modules(4)));
    let storage = Arc::new(MemoryStorage::default());
    let mut upstream = Engine::open(storage, federation, modules, rules, Guard::default()).unwrap();
    assert_eq!(fill(&mut upstream), None);
}
