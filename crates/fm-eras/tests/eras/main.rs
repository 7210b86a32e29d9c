//! The eras, on databases that the real programs of the time wrote.

#![allow(clippy::unwrap_used)]

mod detection;
mod limits;
mod memory;
mod properties;
mod real;
mod snapshots;

use std::path::{Path, PathBuf};

use fm_store::{ReadStore, Row};

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// A database of the fixtures; opened in place, for it is opened read-only.
fn open(path: &Path) -> ReadStore {
    let store = ReadStore::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(store.omissions(), [], "{}", path.display());
    store
}

fn rows(store: &ReadStore) -> Vec<Row> {
    store.scan().collect::<Result<_, _>>().expect("the fixtures are undamaged")
}
