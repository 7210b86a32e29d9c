//! Opens a database read-write with RocksDB 8.10, as a server would, and prints a digest of all rows.
//!
//! `rocksdb-oracle DATABASE`: prints the number of rows and SHA-256 over, for every row in key order, the length
//! of the key (8 bytes big endian), the key, the length of the value, the value. The database is changed by being
//! opened: give a copy.

use std::error::Error;

use rocksdb::{IteratorMode, OptimisticTransactionDB, Options};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: rocksdb-oracle DATABASE")?;
    let mut options = Options::default();
    options.create_if_missing(false);
    let db: OptimisticTransactionDB = OptimisticTransactionDB::open(&options, path)?;
    let mut hasher = Sha256::new();
    let mut rows = 0u64;
    for row in db.iterator(IteratorMode::Start) {
        let (key, value) = row?;
        for part in [key, value] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(&part);
        }
        rows += 1;
    }
    // Writing must work too: a server writes at its first start.
    db.put(b"\xfforacle", b"written")?;
    db.delete(b"\xfforacle")?;
    println!("{rows} {}", hex::encode(hasher.finalize()));
    Ok(())
}
