//! The four guardians of v0.5.0, their rows and their keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fm_consensus::{
    Changes, Engine, EngineError, Federation, Guard, Ledger, MemoryStorage, Meta, Modules, Orderers, Rules,
    Schedule, Storage,
};
use fm_crypto::{ConsensusConfig, SessionKeys, SigningKey};
use fm_store::{Durability, ReadStore};
use serde_json::Value;

/// The rows of a database.
pub(crate) type RowMap = BTreeMap<Vec<u8>, Vec<u8>>;

/// The number of finished sessions of each guardian.
pub(crate) const SESSIONS: u64 = 26;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/session-v0.5.0")
}

/// Returns the keys of the federation.
pub(crate) fn keys() -> SessionKeys {
    let config = fs::read_to_string(folder().join("peer-0/consensus.json")).unwrap();
    SessionKeys::new(&ConsensusConfig::parse(&config).unwrap().broadcast_public_keys).unwrap()
}

/// Returns the federation as one guardian sees it.
pub(crate) fn federation(own: u16) -> Federation {
    let truth: Value =
        serde_json::from_str(&fs::read_to_string(folder().join("truth.json")).unwrap()).unwrap();
    let private = &truth["peers"][format!("peer-{own}")]["private_encrypt_decrypted_with_fixture"];
    let mut key = [0; 32];
    hex::decode_to_slice(private["broadcast_secret_key"].as_str().unwrap(), &mut key).unwrap();
    Federation { keys: keys(), own, signing_key: SigningKey::from_bytes(key).unwrap() }
}

/// Returns the modules as the configuration names them.
pub(crate) fn modules() -> Arc<Modules> {
    let meta = Meta { threshold: keys().threshold() };
    Arc::new(Modules::default().with(0, Ledger::from_config(&[0]).unwrap()).with(300, meta))
}

/// Returns the rules of these servers.
pub(crate) fn rules() -> Rules {
    Rules { schedule: Schedule::rounds(40).unwrap(), orderers: Orderers::Servers { ignore_rest: true } }
}

/// Returns the rows of a guardian's database.
pub(crate) fn rows(peer: u16) -> RowMap {
    let store = ReadStore::open(&folder().join(format!("peer-{peer}/database"))).unwrap();
    store.scan().map(Result::unwrap).collect()
}

/// Returns a storage with these rows in memory.
pub(crate) fn storage(rows: &RowMap) -> Arc<MemoryStorage> {
    let storage = MemoryStorage::default();
    let changes: Changes = rows.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    storage.write(&changes, Durability::Synced).unwrap();
    Arc::new(storage)
}

/// Returns the machine of a guardian.
pub(crate) fn engine(storage: Arc<MemoryStorage>, own: u16) -> Result<Engine, EngineError> {
    Engine::open(storage, federation(own), modules(), rules(), Guard::default())
}

/// Returns the rows whose keys begin with one of the bytes.
pub(crate) fn tables(rows: &RowMap, prefixes: &[u8]) -> RowMap {
    let mut rows = rows.clone();
    rows.retain(|key, _| prefixes.contains(&key[0]));
    rows
}
