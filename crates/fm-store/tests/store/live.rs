//! Our own database: written whole or not at all, opened by one process at a time, whole again after a crash.

use std::fs;
use std::path::Path;

use fm_rows::Row;
use fm_store::{Durability, LiveStore, ReadStore, StoreError};

type Change<'a> = (&'a [u8], Option<&'a [u8]>);

fn write(store: &LiveStore, changes: &[Change<'_>]) {
    store.write(changes.iter().copied(), Durability::Synced).unwrap();
}

fn rows(path: &Path) -> Vec<Row> {
    ReadStore::open(path).unwrap().scan().map(Result::unwrap).collect()
}

#[test]
fn what_was_written_is_there_again() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("live");
    let store = LiveStore::create(&path).unwrap();
    write(&store, &[(b"a", Some(b"1")), (b"b", Some(b"2")), (b"b\xFF\xFF", Some(b"3")), (b"c", Some(b""))]);
    write(&store, &[(b"a", None), (b"c", Some(b"4")), (b"never there", None)]);
    let under = |store: &LiveStore, prefix: &[u8]| -> Vec<Row> {
        store.scan_prefix(prefix).map(Result::unwrap).collect()
    };
    let check = |store: LiveStore| {
        assert_eq!(store.get(b"a").unwrap(), None);
        assert_eq!(store.get(b"c").unwrap().as_deref(), Some(b"4".as_slice()));
        assert_eq!(under(&store, b"b").len(), 2);
        assert_eq!(store.last_of_prefix(b"b").unwrap().unwrap().0, b"b\xFF\xFF");
    };
    check(store);
    check(LiveStore::open(&path).unwrap());
}

#[test]
fn it_is_never_made_by_accident_and_never_opened_twice() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("live");
    assert!(matches!(LiveStore::open(&path), Err(StoreError::Missing { .. })));
    fs::create_dir(&path).unwrap();
    assert!(matches!(LiveStore::open(&path), Err(StoreError::NotADatabase { .. })));
    assert!(matches!(LiveStore::create(&path), Err(StoreError::AlreadyExists { .. })));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    fs::remove_dir(&path).unwrap();
    let store = LiveStore::create(&path).unwrap();
    for _ in 0..2 {
        let own = Some(std::process::id());
        assert!(matches!(LiveStore::open(&path), Err(StoreError::Locked { pid, .. }) if pid == own));
    }
    // The refused attempts did not release the lock, as closing any handle of its file would.
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(path.join("LOCK")).unwrap());
    let held = format!(":{inode} ");
    assert!(fs::read_to_string("/proc/locks").unwrap().lines().any(|lock| lock.contains(&held)));
    write(&store, &[(b"a", Some(b"1"))]);
    drop(store);
    LiveStore::open(&path).unwrap();
}

#[test]
fn a_write_that_a_crash_cut_off_is_dropped_whole() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("live");
    let store = LiveStore::create(&path).unwrap();
    let value = [7; 300];
    for first in 0..5_u8 {
        let keys: Vec<[u8; 2]> = (0..4).map(|second| [first, second]).collect();
        let changes: Vec<Change<'_>> =
            keys.iter().map(|key| (key.as_slice(), Some(value.as_slice()))).collect();
        write(&store, &changes);
    }
    // A copy is what a crash leaves: the log was never closed.
    let mut files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let log = files.find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let whole = fs::read(&log).unwrap();
    let copy = home.path().join("copy");
    for cut in [1, 100, 1300, 2000] {
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(&path).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        fs::write(copy.join(log.file_name().unwrap()), &whole[..whole.len() - cut]).unwrap();
        let store = LiveStore::open(&copy).unwrap();
        let left: Vec<Row> = store.scan_prefix(&[]).map(Result::unwrap).collect();
        assert!(
            left.len().is_multiple_of(4) && left.len() < 20,
            "{} rows after {cut} bytes less",
            left.len()
        );
        assert_eq!(left.len(), if cut < 1300 { 16 } else { 12 });
        write(&store, &[(b"z", Some(b"after"))]);
        drop(store);
        assert_eq!(rows(&copy).len(), left.len() + 1);
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn a_checkpoint_is_the_database_of_its_moment() {
    let home = tempfile::tempdir().unwrap();
    let (path, checkpoint) = (home.path().join("live"), home.path().join("checkpoint"));
    let store = LiveStore::create(&path).unwrap();
    write(&store, &[(b"a", Some(b"1"))]);
    store.write([(b"b".as_slice(), Some(b"2".as_slice()))], Durability::Deferred).unwrap();
    store.checkpoint(&checkpoint).unwrap();
    assert!(matches!(store.checkpoint(&checkpoint), Err(StoreError::AlreadyExists { .. })));
    write(&store, &[(b"a", None), (b"c", Some(b"3"))]);
    let keys: Vec<_> = rows(&checkpoint).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"a", b"b"]);
    // All rows were in tables; the log was empty but is in the checkpoint.
    assert!(
        fs::read_dir(&checkpoint)
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().ends_with(".log") })
    );
    assert_eq!(ReadStore::open(&checkpoint).unwrap().omissions(), []);
    drop(store);
    assert_eq!(rows(&path).len(), 2);
}
