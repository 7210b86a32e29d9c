//! The machine on RocksDB: the same rows, checkpoints, and a database that one process uses at a time.

use std::path::Path;
use std::sync::Arc;

use fm_consensus::{Engine, Guard, Storage};
use fm_datadir::{
    CHECKPOINTS_NAME, CheckpointError, Retention, checkpoints, make_checkpoint, make_named_checkpoint,
};
use fm_eras::session::session_key;
use fm_store::{LiveStore, ReadStore, StoreError};

use crate::fixture::{self, RowMap, SESSIONS};

fn open(store: Arc<LiveStore>) -> Engine {
    let storage: Arc<dyn Storage> = store;
    let (federation, modules) = (fixture::federation(1), fixture::modules());
    Engine::open(storage, federation, modules, fixture::rules(), Guard::default()).unwrap()
}

fn read(path: &Path) -> RowMap {
    ReadStore::open(path).unwrap().scan().map(Result::unwrap).collect()
}

fn keep(keep: usize) -> Retention {
    Retention { keep, min_free: 0 }
}

#[test]
fn the_real_history_is_written_to_disk_and_checkpointed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("database");
    let directory = home.path().join(CHECKPOINTS_NAME);
    let real = fixture::rows(1);
    let memory = fixture::storage(&RowMap::new());
    let mut in_memory = fixture::engine(memory.clone(), 1).unwrap();
    let mut store = Arc::new(LiveStore::create(&path).unwrap());
    let mut engine = open(store.clone());
    for session in 0..SESSIONS {
        let record = &real[&session_key(session)];
        engine.on_fetched_outcome(session, record).unwrap();
        in_memory.on_fetched_outcome(session, record).unwrap();
        let kept = make_checkpoint(&store, &directory, session, keep(3)).unwrap();
        assert_eq!(kept, (session.saturating_sub(2)..=session).collect::<Vec<_>>());
        if session % 5 == 0 {
            drop(engine);
            drop(store);
            store = Arc::new(LiveStore::open(&path).unwrap());
            engine = open(store.clone());
        }
    }
    assert_eq!(engine.session(), SESSIONS);
    drop(engine);
    drop(store);
    assert!(read(&path) == memory.rows());
    // A checkpoint is the database directly after its session.
    let mut earlier = fixture::engine(fixture::storage(&RowMap::new()), 1).unwrap();
    for session in 0..SESSIONS - 2 {
        earlier.on_fetched_outcome(session, &real[&session_key(session)]).unwrap();
    }
    let checkpoint = read(&directory.join((SESSIONS - 3).to_string()));
    let rows: RowMap = earlier.storage().scan_range(&[], None).map(Result::unwrap).collect();
    assert!(checkpoint == rows);
}

#[test]
fn only_old_checkpoints_are_removed() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join(CHECKPOINTS_NAME);
    let store = LiveStore::create(&home.path().join("database")).unwrap();
    assert!(checkpoints(&directory).unwrap().is_empty());
    assert!(make_checkpoint(&store, &directory, 1, keep(0)).unwrap().is_empty());
    assert!(!directory.exists(), "none is wanted");
    for name in ["notes", "07", "5.removed", "6.tmp", "4.bak", "x.tmp"] {
        std::fs::create_dir_all(directory.join(name)).unwrap();
    }
    std::fs::write(directory.join("3"), "a file").unwrap();
    for session in [9, 10, 2, 100] {
        make_checkpoint(&store, &directory, session, keep(2)).unwrap();
    }
    // A session with a checkpoint from before a restart is left unchanged.
    assert_eq!(make_checkpoint(&store, &directory, 100, keep(2)).unwrap(), [10, 100]);
    let mut left: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["07", "10", "100", "3", "4.bak", "notes", "x.tmp"]);
}

#[test]
fn a_database_is_opened_by_one_at_a_time_and_never_made_by_accident() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("database");
    assert!(matches!(LiveStore::open(&path), Err(StoreError::Missing { .. })));
    let store = LiveStore::create(&path).unwrap();
    assert!(matches!(LiveStore::create(&path), Err(StoreError::AlreadyExists { .. })));
    assert!(matches!(LiveStore::open(&path), Err(StoreError::Locked { .. })));
    drop(store);
    LiveStore::open(&path).unwrap();
    std::fs::create_dir(home.path().join("empty")).unwrap();
    assert!(matches!(LiveStore::open(&home.path().join("empty")), Err(StoreError::NotADatabase { .. })));
}

#[test]
fn a_full_disk_takes_the_old_checkpoints_and_never_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join(CHECKPOINTS_NAME);
    let store = LiveStore::create(&home.path().join("database")).unwrap();
    for session in 0..3 {
        make_checkpoint(&store, &directory, session, keep(3)).unwrap();
    }
    // No disk has that much space.
    let retention = Retention { keep: 3, min_free: u64::MAX };
    let refused = make_checkpoint(&store, &directory, 3, retention);
    assert!(matches!(refused, Err(CheckpointError::NoSpace { .. })), "{refused:?}");
    assert_eq!(checkpoints(&directory).unwrap(), [2]);
    let refused = make_named_checkpoint(&store, &directory, "2-1700000000", u64::MAX);
    assert!(matches!(refused, Err(CheckpointError::NoSpace { .. })), "{refused:?}");
    make_named_checkpoint(&store, &directory, "2-1700000000", 0).unwrap();
    for session in 3..6 {
        make_checkpoint(&store, &directory, session, keep(1)).unwrap();
    }
    assert!(directory.join("2-1700000000").is_dir(), "one with a name of its own is removed by nobody here");
}
