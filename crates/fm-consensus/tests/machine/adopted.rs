//! The ledger's rows of the four guardians of v0.1.5, as a converted database holds them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fm_consensus::{Changes, DUMMY_ISSUER, Engine, Guard, Ledger, MemoryStorage, Modules, Storage};
use fm_eras::session::{module_key, module_version_key, server_version_key};
use fm_store::{Durability, ReadStore};

use crate::fixture::{RowMap, tables};
use crate::world::{federation, rules};

fn old_rows(peer: u16) -> RowMap {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hbbft-v0.1.5");
    let store = ReadStore::open(&folder.join(format!("peer-{peer}/database"))).unwrap();
    store.scan_prefix(&[0xFF]).map(Result::unwrap).collect()
}

fn open(storage: &Arc<MemoryStorage>) -> Engine {
    let ledger = Ledger { issuer: DUMMY_ISSUER, fee: 0 };
    let modules = Arc::new(Modules::default().with(0, ledger));
    Engine::open(storage.clone(), federation(4, 0), modules, rules(), Guard::default()).unwrap()
}

/// Returns the accounts in a set of rows: the key after the table's byte, and the amount.
fn accounts(rows: &RowMap) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let prefix = module_key(0, &[1]);
    let account = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        key.strip_prefix(prefix.as_slice()).map(|account| (account.to_vec(), value.clone()))
    };
    rows.iter().filter_map(account).collect()
}

#[test]
fn accounts_of_v0_1_keep_their_money_under_their_keys_of_today() {
    for peer in 0..4 {
        let old = old_rows(peer);
        let storage = Arc::new(MemoryStorage::default());
        let mut changes: Changes =
            old.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        changes.insert(server_version_key(), Some(vec![0]));
        storage.write(&changes, Durability::Synced).unwrap();
        let engine = open(&storage);
        let rows = storage.rows();
        let even = |(x_only, amount): (Vec<u8>, Vec<u8>)| {
            assert_eq!(x_only.len(), 32);
            ([&[2], x_only.as_slice()].concat(), amount)
        };
        let expected: BTreeMap<_, _> = accounts(&old).into_iter().map(even).collect();
        assert_eq!(accounts(&rows), expected);
        assert_eq!(expected.len(), 7);
        assert_eq!(engine.balance().net(), 0, "what the issuer made is what the others have");
        assert_eq!(rows[&module_version_key(0)], [1]);
        assert!(!rows.contains_key(&module_key(0, &[0x50])));
        assert_eq!(tables(&rows, &[0xFF]).len(), old.len() - 1);
        let outcomes = rows.iter().filter(|(key, _)| key.starts_with(&module_key(0, &[2])));
        let longer = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            let before = &old[key];
            value.len() == before.len() + 1 && value[value.len() - 32..] == before[before.len() - 32..]
        };
        assert_eq!(outcomes.filter(|row| longer(*row)).count(), 504);
        open(&storage);
        assert!(storage.rows() == rows, "once is enough");
    }
}
