//! The layouts of rows and units, by the libraries that read them, on databases that the real programs of the
//! time wrote.
//!
//! Parts of those libraries that need no database are tested beside them, without RocksDB.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed, and numbers of fixtures are small"
)]

mod books;
mod detection;
mod epochs;
mod payloads;
mod snapshots;
mod units;

use std::path::Path;

use fm_rows::Row;
use fm_store::ReadStore;

/// Opens a database of the fixtures in place, read-only.
fn open(path: &Path) -> ReadStore {
    let store = ReadStore::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(store.omissions(), [], "{}", path.display());
    store
}

fn rows(store: &ReadStore) -> Vec<Row> {
    store.scan().collect::<Result<_, _>>().expect("the fixtures are undamaged")
}
