//! Reading undamaged databases, and paths that are not databases.

use std::collections::BTreeMap;
use std::fs;

use fm_store::{ReadStore, StoreError};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::copies::{Copy, IN_BOTH, IN_LOG, SMALL, files, fixture, read};

/// The databases whose rows the old code counted and hashed.
const TOLD: [&str; 8] = [
    "peer-0",
    "peer-1",
    "peer-2",
    "peer-3",
    "bad-a-swapped-signature",
    "bad-b-item-byte",
    "bad-c1-last-hash",
    "bad-d-missing-epoch",
];

#[test]
fn every_row_is_seen_wherever_it_is() {
    for name in TOLD {
        let dir = fixture("hbbft-v0.1.5").join(name);
        let truth: Value =
            serde_json::from_str(&fs::read_to_string(dir.join("truth.json")).unwrap()).unwrap();
        let (rows, torn) = read(&dir.join("database")).unwrap();
        assert_eq!(torn, [], "{name}");
        let mut hasher = Sha256::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (key, value) in &rows {
            for part in [key, value] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
            let prefix = &key[..if key[0] == 0xFF { 3 } else { 1 }];
            *counts.entry(hex::encode(prefix)).or_default() += 1;
        }
        let raw = &truth["raw"];
        assert_eq!(hex::encode(hasher.finalize()), raw["sha256_of_all_rows"].as_str().unwrap(), "{name}");
        assert_eq!(rows.len() as u64, raw["rows"].as_u64().unwrap());
        let expected: BTreeMap<String, u64> = raw["rows_by_prefix"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(prefix, count)| (prefix.clone(), count["rows"].as_u64().unwrap()))
            .collect();
        assert_eq!(counts, expected, "{name}");
    }
}

#[test]
fn reading_leaves_no_trace() {
    for name in [IN_LOG, IN_BOTH, SMALL] {
        let copy = Copy::of(name);
        let before = files(&copy.path);
        let store = ReadStore::open(&copy.path).unwrap();
        assert!(store.scan().count() > 0);
        assert!(store.get(&[0x06]).unwrap().is_some());
        assert!(store.last_of_prefix(&[0x05]).unwrap().is_some());
        assert!(files(&copy.path) == before, "{name} while open");
        drop(store);
        assert!(files(&copy.path) == before, "{name} after closing");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let copy = Copy::of(SMALL);
    for file in fs::read_dir(&copy.path).unwrap() {
        fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(&copy.path, fs::Permissions::from_mode(0o555)).unwrap();
    let (rows, torn) = copy.read().unwrap();
    fs::set_permissions(&copy.path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((rows.len(), torn), (read(&fixture(SMALL)).unwrap().0.len(), vec![]));
}

#[test]
fn ranges_are_cut_out_of_the_whole() {
    let store = ReadStore::open(&fixture(IN_BOTH)).unwrap();
    let all = read(&fixture(IN_BOTH)).unwrap().0;
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    for prefix in 0..=255u8 {
        let expected: Vec<_> = all.iter().filter(|(key, _)| key[0] == prefix).cloned().collect();
        let found: Vec<_> = store.scan_prefix(&[prefix]).collect::<Result<_, _>>().unwrap();
        assert_eq!(found, expected, "{prefix:02x}");
        assert_eq!(store.last_of_prefix(&[prefix]).unwrap(), expected.last().cloned(), "{prefix:02x}");
    }
    for (low, high) in [(0, 1), (0, all.len() - 1), (100, 101), (300, 900)] {
        let found: Vec<_> =
            store.scan_range(&all[low].0, Some(&all[high].0)).collect::<Result<_, _>>().unwrap();
        assert_eq!(found, all[low..high]);
    }
    assert_eq!(store.get(&all[77].0).unwrap().as_ref(), Some(&all[77].1));
    assert_eq!(store.get(&[0x05, 0xFF]).unwrap(), None);
}

#[test]
fn what_is_no_database_is_named_and_nothing_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("a/b");
    assert!(matches!(ReadStore::open(&missing), Err(StoreError::Missing { path }) if path == missing));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let file = dir.path().join("file");
    fs::write(&file, b"not a directory").unwrap();
    assert!(matches!(ReadStore::open(&file), Err(StoreError::NotADirectory { path }) if path == file));
    assert!(matches!(ReadStore::open(&file.join("below")), Err(StoreError::Io { .. })));

    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(ReadStore::open(&empty), Err(StoreError::NotADatabase { path }) if path == empty));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);

    // A guardian's directory, one level too high.
    let guardian = fixture("hbbft-v0.1.5/peer-0");
    assert!(matches!(ReadStore::open(&guardian), Err(StoreError::NotADatabase { .. })));
}

#[test]
fn column_families_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(rocksdb::DB::open_cf(&options, &path, ["default", "wallet"]).unwrap());
    match ReadStore::open(&path) {
        Err(StoreError::ForeignColumns { names, .. }) => assert_eq!(names, ["wallet"]),
        other => panic!("{:?}", other.err()),
    }
}
