//! The modules' own rules, and the requests of clients and guardians.

use fm_consensus::{
    DUMMY_ISSUER, DbTransaction, Engine, Ledger, MemoryStorage, Module, ModuleState, OutPoint,
    check_transaction, proposals,
};
use fm_crypto::SigningKey;
use fm_history::ConsensusItem;
use fm_store::Durability;
use serde_json::{Value, json};

use crate::fixture;
use crate::world::{
    LEDGER, META, batch, deposit, fresh, issuer, modules, signing_key, transaction, transfer, vote,
};

fn ask(storage: &MemoryStorage, method: &str, parameters: Value) -> Value {
    let modules = modules(4);
    let mut tx = DbTransaction::new(storage);
    let mut state = ModuleState::new(&mut tx, META);
    let answer = modules.get(META).unwrap().request(&mut state, method, &parameters, true).unwrap();
    tx.commit(Durability::Synced).unwrap();
    answer
}

fn order(engine: &mut Engine, peer: u16, item: &ConsensusItem) {
    engine.on_ordered_unit(0, peer, Some(&batch(std::slice::from_ref(item)))).unwrap();
}

#[test]
fn the_issuer_is_the_one_of_the_servers() {
    let secret = SigningKey::from_bytes(*b"Money printer go brrr...........").unwrap();
    assert_eq!(secret.public_key(), DUMMY_ISSUER);
    assert!(Ledger::from_config(&[0, 0]).is_err() && Ledger::from_config(&[]).is_err());
    assert_eq!(Ledger::from_config(&[0xFD, 1, 0]).unwrap().fee, 256);
}

#[test]
fn a_fee_is_taken_from_every_input_and_output() {
    let storage = MemoryStorage::default();
    let ledger = Ledger { issuer: issuer().public_key(), fee: 3 };
    let modules = fm_consensus::Modules::default().with(LEDGER, ledger);
    let alice = signing_key(101);
    let check = |output| {
        let transaction = transaction(&[(10, &issuer())], &[(output, &alice)], 1);
        check_transaction(&storage, &modules, &transaction).is_ok()
    };
    assert!(check(4) && !check(5) && !check(3) && !check(10));
    assert!(storage.rows().is_empty(), "a check writes nothing");
}

#[test]
fn what_came_of_an_output_is_told() {
    let (storage, mut engine) = fresh();
    let alice = signing_key(101);
    order(&mut engine, 0, &deposit(10, &alice, 1));
    let item = deposit(5, &alice, 2);
    order(&mut engine, 0, &item);
    let ConsensusItem::Transaction(transaction) = &item else { panic!() };
    let mut tx = DbTransaction::new(storage.as_ref());
    let state = ModuleState::new(&mut tx, LEDGER);
    let ledger = Ledger { issuer: issuer().public_key(), fee: 0 };
    let outcome =
        |index| ledger.output_outcome(&state, OutPoint { txid: transaction.txid(), index }).unwrap();
    assert_eq!(outcome(0), Some([&[15], alice.public_key().as_slice()].concat()));
    assert_eq!(outcome(1), None);
}

#[test]
fn a_transaction_is_checked_without_being_accepted() {
    let (storage, mut engine) = fresh();
    let (alice, bob) = (signing_key(101), signing_key(102));
    let ConsensusItem::Transaction(payment) = transfer(5, &alice, &bob, 1) else { panic!() };
    let check = |payment| check_transaction(storage.as_ref(), &modules(4), payment);
    assert!(check(&payment).unwrap_err().to_string().contains("not enough funds"));
    order(&mut engine, 0, &deposit(5, &alice, 2));
    let before = storage.rows();
    assert_eq!(check(&payment).unwrap(), payment.txid());
    assert!(storage.rows() == before);
    let mut broken = payment.clone();
    broken.outputs[0].body.pop();
    assert!(check(&broken).is_err());
    order(&mut engine, 0, &ConsensusItem::Transaction(payment.clone()));
    assert!(check(&payment).unwrap_err().to_string().contains("already accepted"));
}

#[test]
fn a_threshold_of_votes_decides() {
    let (storage, mut engine) = fresh();
    let agreed = || ask(&storage, "get_consensus", json!(7));
    let votes = || ask(&storage, "get_submission", json!(7));
    order(&mut engine, 0, &vote(1, 7, b"a"));
    order(&mut engine, 1, &vote(2, 7, b"b"));
    order(&mut engine, 2, &vote(3, 7, b"a"));
    assert_eq!((agreed(), votes()), (Value::Null, json!({ "0": "61", "1": "62", "2": "61" })));
    // Guardian 1 changes its mind.
    order(&mut engine, 1, &vote(4, 7, b"a"));
    assert_eq!((agreed(), votes()), (json!({ "revision": 0, "value": "61" }), json!({})));
    for peer in 0..2 {
        order(&mut engine, peer, &vote(5, 7, b"c"));
    }
    order(&mut engine, 0, &vote(6, 7, b"a"));
    assert_eq!(votes(), json!({ "1": "63" }), "a vote for what is agreed takes the other one back");
    for peer in 2..4 {
        order(&mut engine, peer, &vote(7, 7, b"c"));
    }
    assert_eq!(agreed(), json!({ "revision": 1, "value": "63" }));
    assert_eq!(ask(&storage, "get_consensus_rev", json!(7)), 1);
    assert_eq!(ask(&storage, "get_consensus_rev", json!(8)), Value::Null);
}

#[test]
fn a_guardian_proposes_what_it_wants_until_it_is_counted() {
    let (storage, mut engine) = fresh();
    let proposed = || proposals(storage.as_ref(), &modules(4), 0).unwrap();
    assert!(proposed().is_empty());
    ask(&storage, "submit", json!({ "key": 7, "value": "61" }));
    let [item] = proposed().try_into().unwrap();
    assert_eq!(engine.proposals().unwrap(), std::slice::from_ref(&item));
    order(&mut engine, 0, &item);
    assert!(proposed().is_empty());
    // A value that was wanted before yields a different vote when it is wanted again.
    for value in ["62", "61"] {
        ask(&storage, "submit", json!({ "key": 7, "value": value }));
    }
    assert!(proposed().len() == 1 && proposed()[0] != item);
    for peer in 1..4 {
        order(&mut engine, peer, &vote(1, 7, b"b"));
    }
    assert_eq!(proposed().len(), 1, "outvoted, it still wants it");
    ask(&storage, "submit", json!({ "key": 7, "value": "62" }));
    let [item] = proposed().try_into().unwrap();
    order(&mut engine, 0, &item);
    assert!(proposed().is_empty());
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let storage = MemoryStorage::default();
    let modules = modules(4);
    let mut tx = DbTransaction::new(&storage);
    let mut state = ModuleState::new(&mut tx, META);
    let meta = modules.get(META).unwrap();
    for (method, parameters, authenticated) in [
        ("submit", json!({ "key": 1, "value": "61" }), false),
        ("get_submission", json!(1), false),
        ("submit", json!({ "key": 256, "value": "61" }), true),
        ("submit", json!({ "key": 1, "value": "6" }), true),
        ("submit", json!({ "key": 1 }), true),
        ("submit", Value::Null, true),
        ("get_consensus", json!(-1), true),
        ("get_consensus", json!("1"), true),
        ("get_consensus", Value::Null, true),
        ("print_money", json!(1), true),
    ] {
        assert!(
            meta.request(&mut state, method, &parameters, authenticated).is_err(),
            "{method} {parameters}"
        );
    }
    drop(state);
    tx.commit(Durability::Synced).unwrap();
    assert!(storage.rows().is_empty());
}

#[test]
fn values_of_the_real_history_are_read_and_others_are_not() {
    let modules = fixture::modules();
    let ledger = modules.get(0).unwrap();
    let real =
        hex::decode("fe002f82ad02d4d8cd666f3b0ad19f9d7534a855a1cbfb9566ac2f30056463b6ddad529d7c49").unwrap();
    ledger.check_input(&real).unwrap();
    ledger.check_output(&real).unwrap();
    let mut off_the_curve = real.clone();
    off_the_curve[5] = 5;
    for bad in [&real[1..], &real[..37], &[real.as_slice(), &[0]].concat(), &off_the_curve, &[]] {
        assert!(ledger.check_input(bad).is_err() && ledger.check_output(bad).is_err());
    }
    assert!(ledger.check_item(&[]).is_ok() && ledger.check_item(&[0]).is_err());
    let meta = modules.get(300).unwrap();
    assert!(meta.check_item(&[1, 7, 1, 0x61]).is_ok());
    for bad in [&[1, 7, 2, 0x61][..], &[1, 7, 1, 0x61, 0], &[0xFD, 0, 1, 7, 0], &[]] {
        assert!(meta.check_item(bad).is_err());
    }
}
