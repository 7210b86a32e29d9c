//! States on which the machine refuses to start, and errors that stop it.

use std::sync::Arc;

use fm_codec::{DecodeError, DecodeErrorKind};
use fm_consensus::{
    Amounts, ApiError, Changes, Engine, EngineError, Federation, Guard, InputMeta, ItemError, MemoryStorage,
    Module, ModuleState, OutPoint, Storage, accepted_item_key,
};
use fm_eras::session::{DATABASE_VERSION, module_key, module_version_key, server_version_key, session_key};
use fm_history::PeerId;
use fm_store::Durability;
use serde_json::Value;

use crate::world::{
    batch, deposit, federation, fresh, guardian_key, keys, modules, open, rules, signing_key,
};

fn open_with(federation: Federation, guard: Guard) -> Result<Engine, EngineError> {
    Engine::open(Arc::new(MemoryStorage::default()), federation, Arc::new(modules(4)), rules(), guard)
}

fn with(rows: &[(Vec<u8>, &[u8])]) -> Result<Engine, EngineError> {
    let storage = Arc::new(MemoryStorage::default());
    let changes: Changes = rows.iter().map(|(key, value)| (key.clone(), Some(value.to_vec()))).collect();
    storage.write(&changes, Durability::Synced).unwrap();
    open(storage, 0)
}

#[test]
fn a_federation_that_cannot_work_is_refused() {
    for guardians in [2, 3] {
        let refused = open_with(federation(guardians, 0), Guard::default()).err();
        assert!(matches!(refused, Some(EngineError::GuardianCount { .. })), "{refused:?}");
    }
    for guardians in [1, 4, 5, 7] {
        open_with(federation(guardians, 0), Guard::default()).unwrap();
    }
    let stranger = Federation { own: 4, ..federation(4, 0) };
    assert!(matches!(open_with(stranger, Guard::default()), Err(EngineError::NotAGuardian { peer: 4 })));
    let other = Federation { keys: keys(4), own: 1, signing_key: guardian_key(2) };
    assert!(matches!(open_with(other, Guard::default()), Err(EngineError::WrongSigningKey { peer: 1 })));
    let guard = Guard { until_session: Some(3), peer: Some(2) };
    assert!(matches!(open_with(federation(4, 0), guard), Err(EngineError::OtherGuard { peer: 2 })));
    let engine = open_with(federation(4, 2), guard).unwrap();
    assert!(!engine.may_create_units());
}

#[test]
fn rows_that_no_node_writes_are_refused() {
    let missing = with(&[(session_key(0), &[0, 0]), (session_key(2), &[0, 0])]).err();
    assert!(matches!(missing, Some(EngineError::MissingSessions { stored: 1, last: 2 })), "{missing:?}");
    for rows in [&[0, 1, 3][..], &[1], &[0, 1, 2, 300]] {
        let rows: Vec<_> =
            rows.iter().map(|index| (accepted_item_key(*index), [9, 0, 0].as_slice())).collect();
        assert!(matches!(with(&rows), Err(EngineError::PendingItem { .. })));
    }
    assert!(matches!(with(&[(accepted_item_key(0), &[9, 0, 0, 1])]), Err(EngineError::Row { .. })));
    assert!(matches!(with(&[(server_version_key(), &[1])]), Err(EngineError::TableVersion { found: 1, .. })));
    // A version in the place of servers up to v0.2, with this program's version in its own place.
    let later = with(&[(vec![DATABASE_VERSION], &[99]), (server_version_key(), &[0])]).err();
    assert!(matches!(later, Some(EngineError::TableVersion { found: 99, known: 0, .. })), "{later:?}");
    assert!(matches!(with(&[(server_version_key(), &[])]), Err(EngineError::Row { .. })));
    assert!(matches!(
        with(&[(module_version_key(0), &[2])]),
        Err(EngineError::TableVersion { found: 2, .. })
    ));
    // Rows without a version have the first one.
    let old = with(&[(module_key(0, &[1; 34]), &[7])]).err();
    assert!(matches!(old, Some(EngineError::TableVersion { found: 0, known: 1, .. })), "{old:?}");
    let unreadable = with(&[(module_version_key(0), &[1]), (module_key(0, &[1; 34]), &[0xFF])]).err();
    assert!(matches!(unreadable, Some(EngineError::Row { .. })), "{unreadable:?}");
}

#[test]
fn every_number_of_sessions_is_found() {
    for sessions in (0..40).chain([250, 252, 253, 254, 255, 256, 257, 1000]) {
        let rows: Vec<_> = (0..sessions).map(|index| (session_key(index), [0, 0].as_slice())).collect();
        assert_eq!(with(&rows).unwrap().session(), sessions);
    }
}

#[test]
fn an_accepted_item_that_changed_on_the_disk_is_not_signed_into_history() {
    let (storage, mut engine) = fresh();
    engine.on_ordered_unit(0, 0, Some(&batch(&[deposit(1, &signing_key(101), 1)]))).unwrap();
    let mut item = storage.rows()[&accepted_item_key(0)].clone();
    *item.last_mut().unwrap() = 2;
    storage.write(&Changes::from([(accepted_item_key(0), Some(item))]), Durability::Synced).unwrap();
    let Err(EngineError::PendingItem { index: 0 }) = (0..4).try_fold((), |(), peer| {
        let actions = engine.on_ordered_unit(60_000, peer, None)?;
        let [fm_consensus::Action::Broadcast { header, .. }] = actions.as_slice() else {
            return engine
                .on_ordered_unit(60_000, peer, Some(&fm_consensus::UnitPayload::Signature([0; 64])))
                .map(drop);
        };
        for signer in 0..3 {
            let signature = crate::world::signature(4, signer, *header);
            engine.on_ordered_unit(60_000, signer, Some(&fm_consensus::UnitPayload::Signature(signature)))?;
        }
        Ok(())
    }) else {
        panic!("the node must stop")
    };
}

/// A module whose outputs cost more than they declare.
struct Leaky;

impl Module for Leaky {
    fn kind(&self) -> &'static str {
        "leaky"
    }

    fn client_config(&self) -> serde_json::Map<String, Value> {
        serde_json::Map::new()
    }

    fn table_version(&self) -> u64 {
        0
    }

    fn check_input(&self, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn check_output(&self, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn check_item(&self, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn process_input(&self, _: &mut ModuleState<'_, '_>, _: &[u8]) -> Result<InputMeta, ItemError> {
        Err(ItemError::module("no inputs"))
    }

    fn process_output(
        &self,
        _: &mut ModuleState<'_, '_>,
        _: &[u8],
        _: OutPoint,
    ) -> Result<Amounts, ItemError> {
        Err(ItemError::module("no outputs"))
    }

    fn process_item(&self, state: &mut ModuleState<'_, '_>, body: &[u8], _: PeerId) -> Result<(), ItemError> {
        state.put(&[body[0]], body[1..].to_vec());
        Ok(())
    }

    fn proposals(&self, _: &ModuleState<'_, '_>, _: PeerId) -> Result<Vec<Vec<u8>>, EngineError> {
        Ok(Vec::new())
    }

    fn is_audited(&self, _: &[u8]) -> bool {
        true
    }

    fn balance(&self, key: &[u8], value: &[u8]) -> Result<i128, DecodeError> {
        let amount =
            i128::from(*value.first().ok_or(DecodeError { offset: 0, kind: DecodeErrorKind::NotUtf8 })?);
        Ok(if key == [1] { amount } else { -amount })
    }

    fn output_outcome(&self, _: &ModuleState<'_, '_>, _: OutPoint) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(None)
    }

    fn request(
        &self,
        _: &mut ModuleState<'_, '_>,
        method: &str,
        _: &Value,
        _: bool,
    ) -> Result<Value, ApiError> {
        Err(ApiError::UnknownMethod(method.to_owned()))
    }
}

#[test]
fn a_negative_balance_stops_the_node_before_it_is_written() {
    let storage = Arc::new(MemoryStorage::default());
    let modules = Arc::new(modules(4).with(7, Leaky));
    let item = |body: &[u8]| {
        fm_history::ConsensusItem::Module(fm_codec::ModuleValue { instance: 7, body: body.to_vec() })
    };
    let open = || {
        Engine::open(storage.clone(), federation(4, 0), modules.clone(), rules(), Guard::default()).unwrap()
    };
    let mut engine = open();
    // Liabilities follow assets, up and down.
    for (body, net) in [([1, 9], 9), ([2, 4], 5), ([2, 3], 6), ([1, 3], 0)] {
        engine.on_ordered_unit(0, 0, Some(&batch(&[item(&body)]))).unwrap();
        assert_eq!(engine.balance().net(), net);
        assert_eq!(open().balance(), engine.balance(), "read again it is the same");
    }
    let before = storage.rows();
    let unit = batch(&[deposit(1, &signing_key(101), 1), item(&[2, 4])]);
    let Err(EngineError::NegativeBalance { session: 0, item: 5, sheet }) =
        engine.on_ordered_unit(1, 1, Some(&unit))
    else {
        panic!("the node must stop")
    };
    assert_eq!((sheet.net(), sheet.modules()[&7]), (-1, -1));
    assert!(storage.rows() == before);
    assert!(matches!(engine.on_ordered_unit(1, 0, None), Err(EngineError::Stopped)));
}
