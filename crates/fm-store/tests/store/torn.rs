//! A write-ahead log that ends too early: what a crash, a full disk or a hasty copy leaves.

use std::fs;
use std::path::Path;

use fm_store::{Durability, LiveStore, Omission, OmissionKind, ReadStore, StoreError};

use crate::copies::{CHECKPOINTED, Copy, IN_BOTH, IN_LOG, SMALL, read};

/// The bytes of a block of the log; no header crosses its end.
const BLOCK: usize = 32 << 10;
/// The bytes of a fragment's header: checksum, length (two bytes, little endian), kind.
const HEADER: usize = 7;

fn kinds(omissions: &[Omission]) -> Vec<OmissionKind> {
    omissions.iter().map(|omission| omission.kind).collect()
}

/// Returns where the batches of a log end.
fn batch_ends(log: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut at = 0;
    while at < log.len() {
        if BLOCK - at % BLOCK < HEADER {
            at += BLOCK - at % BLOCK;
            continue;
        }
        let length = usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
        let kind = log[at + 6];
        at += HEADER + length;
        // 1: a whole batch; 4: the last fragment of one.
        if kind == 1 || kind == 4 {
            ends.push(at);
        }
    }
    assert_eq!(ends.last(), Some(&log.len()), "the fixture's log is whole");
    ends
}

/// Returns a log of one batch with other sequence numbers.
fn renumbered(log: &[u8], first: u64) -> Vec<u8> {
    let mut log = log.to_vec();
    assert_eq!(batch_ends(&log).len(), 2);
    log[HEADER..HEADER + 8].copy_from_slice(&first.to_le_bytes());
    let sum = !log[HEADER - 1..].iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)))
    });
    log[..4].copy_from_slice(&sum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
    log
}

/// Returns a log with one change, which has this sequence number.
fn log_with_change(number: u64) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let store = LiveStore::create(&path).unwrap();
    store.write([(&b"a"[..], Some(&b"first"[..]))], Durability::Synced).unwrap();
    drop(store);
    let mut files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let is_log = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|end| end == "log") && fs::metadata(path).unwrap().len() > 0
    };
    renumbered(&fs::read(files.find(is_log).unwrap()).unwrap(), number)
}

/// Cuts the log at each length and compares with the log cut after the last whole batch.
fn check_cuts(name: &str, cuts: impl Fn(usize) -> Vec<usize>) {
    let copy = Copy::of(name);
    let file = copy.file("", ".log");
    let log = fs::read(&file).unwrap();
    let ends = batch_ends(&log);
    assert!(ends.len() >= 2);
    let mut last = None;
    for cut in cuts(log.len()) {
        let end = *ends.iter().rfind(|end| **end <= cut).unwrap();
        fs::write(&file, &log[..cut]).unwrap();
        let (rows, torn) = copy.read().unwrap();
        let expected: &[_] = if cut == end { &[] } else { &[OmissionKind::TornLogTail] };
        assert_eq!(kinds(&torn), expected, "{name} cut to {cut}: {torn:?}");
        if last.as_ref().is_none_or(|(known, _)| *known != end) {
            fs::write(&file, &log[..end]).unwrap();
            let (rows, torn) = copy.read().unwrap();
            assert_eq!(torn, []);
            last = Some((end, rows));
        }
        assert_eq!(last.as_ref().map(|(_, rows)| rows), Some(&rows), "{name} cut to {cut}");
    }
}

#[test]
fn a_small_log_cut_anywhere_is_told_and_read_up_to_there() {
    check_cuts(SMALL, |length| (0..length).collect());
}

#[test]
fn a_large_log_cut_anywhere_is_told_and_read_up_to_there() {
    check_cuts(IN_LOG, |length| {
        let near_blocks = (1..=4).flat_map(|block| (block * BLOCK - 9)..(block * BLOCK + 9));
        near_blocks.chain((0..length).step_by(9973)).chain(length - 20..length).collect()
    });
    check_cuts(IN_BOTH, |length| (0..length).step_by(16411).collect());
}

#[test]
fn rows_in_table_files_survive_a_log_that_is_cut_to_nothing() {
    let copy = Copy::of(IN_BOTH);
    let all = copy.read().unwrap().0;
    fs::write(copy.file("", ".log"), b"").unwrap();
    let (rows, _) = copy.read().unwrap();
    assert!(!rows.is_empty() && rows.len() < all.len());
}

#[test]
fn a_missing_log_is_told() {
    for name in [IN_LOG, IN_BOTH, SMALL] {
        let copy = Copy::of(name);
        fs::remove_file(copy.file("", ".log")).unwrap();
        let (rows, torn) = copy.read().unwrap();
        assert_eq!(rows.is_empty(), name != IN_BOTH);
        assert_eq!(kinds(&torn), [OmissionKind::MissingLog]);
        assert!(torn[0].message.contains("log is missing"), "{torn:?}");
        // A log from before what the tables hold does not count either.
        fs::write(copy.path.join("000001.log"), b"").unwrap();
        assert_eq!(copy.read().unwrap().1.is_empty(), name != IN_BOTH);
    }
}

/// RocksDB leaves an empty log out of a checkpoint. A directory with the files of a checkpoint is not
/// reported as a database without its log; one with a file that servers make is.
#[test]
fn a_log_that_a_checkpoint_may_lack_is_not_called_missing() {
    let copy = Copy::of("session-v0.5.0/peer-0/db_checkpoints/25");
    let rows = copy.read().unwrap().0;
    fs::remove_file(copy.file("", ".log")).unwrap();
    let (again, reported) = copy.read().unwrap();
    assert_eq!((again, kinds(&reported)), (rows, vec![OmissionKind::UnknownLog]));
    let mut store = ReadStore::open(&copy.path).unwrap();
    store.settle_log(OmissionKind::EmptyLog, "settled".to_owned());
    assert_eq!(kinds(store.omissions()), [OmissionKind::EmptyLog]);
    drop(store);
    for name in ["LOCK", "IDENTITY", "LOG", "LOG.old.1"] {
        fs::write(copy.path.join(name), b"").unwrap();
        let reported = copy.read().unwrap().1;
        assert_eq!(kinds(&reported), [OmissionKind::MissingLog]);
        assert!(reported[0].message.contains(&format!("and {name} show")), "{reported:?}");
        fs::remove_file(copy.path.join(name)).unwrap();
    }
    // No row was ever in a table: a checkpoint would have put them there.
    let copy = Copy::of(SMALL);
    for (start, end) in [("", ".log"), ("LOCK", ""), ("IDENTITY", "")] {
        fs::remove_file(copy.file(start, end)).unwrap();
    }
    assert_eq!(kinds(&copy.read().unwrap().1), [OmissionKind::MissingLog]);
}

#[test]
fn a_table_that_the_list_does_not_name_is_told() {
    let copy = Copy::of(CHECKPOINTED);
    let rows = copy.read().unwrap().0;
    let log = copy.file("", ".log");
    fs::copy(copy.file("", ".sst"), copy.path.join("000099.sst")).unwrap();
    let reported = |kind: OmissionKind| {
        let (again, reported) = copy.read().unwrap();
        assert_eq!(again, rows);
        assert_eq!(kinds(&reported), [kind]);
        assert!(reported[0].message.contains("does not name 000099.sst"), "{reported:?}");
    };
    // The log that is removed when a table is finished still exists.
    reported(OmissionKind::UnfinishedTables);
    fs::rename(&log, copy.path.join("000900.log")).unwrap();
    reported(OmissionKind::UnnamedTables);
}

/// A server that is killed while it writes its first table leaves a log with every change since the first,
/// and a list of files that asks for no log: nothing is lost.
#[test]
fn a_first_table_that_was_not_finished_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let store = LiveStore::create(&path).unwrap();
    for number in 0..50u32 {
        store.write([(&number.to_be_bytes()[..], Some(&b"value"[..]))], Durability::Synced).unwrap();
    }
    // The files as they are just before the list of files names the table.
    let killed = dir.path().join("killed");
    fs::create_dir(&killed).unwrap();
    let copy_files = |wanted: &dyn Fn(&str) -> bool| {
        for entry in fs::read_dir(&path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if wanted(&name) {
                fs::copy(path.join(&name), killed.join(&name)).unwrap();
            }
        }
    };
    copy_files(&|_| true);
    store.checkpoint(&dir.path().join("checkpoint")).unwrap();
    drop(store);
    copy_files(&|name| name.ends_with(".sst"));
    let (rows, reported) = read(&killed).unwrap();
    assert_eq!((rows.len(), kinds(&reported)), (50, vec![OmissionKind::UnfinishedTables]), "{reported:?}");
    // A log that is newer than the table cannot have its rows.
    let log = fs::read_dir(&killed).unwrap().map(|entry| entry.unwrap().path());
    let log = log.into_iter().find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    fs::rename(log, killed.join("000900.log")).unwrap();
    assert_eq!(kinds(&read(&killed).unwrap().1), [OmissionKind::UnnamedTables]);
}

/// A server that is killed while it recovers leaves a table that the list of files does not name. A recovery
/// made the list as well, so the list asks for logs from a number that no log has.
#[test]
fn a_recovery_that_was_not_finished_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let write = |store: &LiveStore, from: u32| {
        for number in from..from + 50 {
            store.write([(&number.to_be_bytes()[..], Some(&b"value"[..]))], Durability::Synced).unwrap();
        }
    };
    write(&LiveStore::create(&path).unwrap(), 0);
    write(&LiveStore::open(&path).unwrap(), 50);
    // The files as they are just before the list of files names the table that the next recovery writes.
    let (killed, next) = (dir.path().join("killed"), dir.path().join("next"));
    let copy_files = |from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool| {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if wanted(&name) && !to.join(&name).exists() {
                fs::copy(from.join(&name), to.join(&name)).unwrap();
            }
        }
    };
    copy_files(&path, &killed, &|_| true);
    copy_files(&path, &next, &|_| true);
    drop(LiveStore::open(&next).unwrap());
    copy_files(&next, &killed, &|name| name.ends_with(".sst"));
    let (rows, reported) = read(&killed).unwrap();
    assert_eq!((rows.len(), kinds(&reported)), (100, vec![OmissionKind::UnfinishedTables]), "{reported:?}");
    // A log that begins later has lost what the table may hold.
    let log = fs::read_dir(&killed).unwrap().map(|entry| entry.unwrap().path());
    let log = log.into_iter().find(|path| {
        path.extension().is_some_and(|end| end == "log") && fs::metadata(path).unwrap().len() > 0
    });
    fs::write(log.unwrap(), log_with_change(99)).unwrap();
    assert_eq!(kinds(&read(&killed).unwrap().1), [OmissionKind::UnnamedTables]);
}

#[test]
fn a_list_that_lost_its_last_record_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let store = LiveStore::create(&path).unwrap();
    let write = |store: &LiveStore, from: u32| {
        for number in from..from + 50 {
            store.write([(&number.to_be_bytes()[..], Some(&b"value"[..]))], Durability::Synced).unwrap();
        }
    };
    write(&store, 0);
    store.checkpoint(&dir.path().join("checkpoint")).unwrap();
    write(&store, 50);
    drop(store);
    let (rows, reported) = read(&path).unwrap();
    assert_eq!((rows.len(), kinds(&reported)), (100, vec![]));
    let current = fs::read_to_string(path.join("CURRENT")).unwrap();
    let list = path.join(current.trim_end());
    let whole = fs::read(&list).unwrap();
    // A cut exactly between two records: at some place the list no longer names the table that the checkpoint
    // had written, and the log that had its rows is gone.
    let mut cuts = batch_ends(&whole).into_iter().rev().map(|end| {
        fs::write(&list, &whole[..end]).unwrap();
        read(&path).unwrap()
    });
    let (rows, reported) = cuts.find(|(rows, _)| rows.len() < 100).unwrap();
    assert_eq!((rows.len(), kinds(&reported)), (50, vec![OmissionKind::UnnamedTables]), "{reported:?}");
}

#[test]
fn a_log_that_is_missing_between_two_others_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let store = LiveStore::create(&path).unwrap();
    store.write([(&b"a"[..], Some(&b"first"[..]))], Durability::Synced).unwrap();
    drop(store);
    // A database written only by these logs, each a copy of the first with later sequence numbers.
    let log = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.extension().is_some_and(|end| end == "log")).max().unwrap();
    let name = |number: u64| path.join(format!("{number:06}.log"));
    let number: u64 = log.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let bytes = fs::read(&log).unwrap();
    let first = u64::from_le_bytes(bytes[HEADER..HEADER + 8].try_into().unwrap());
    fs::write(name(number + 1), renumbered(&bytes, first + 1)).unwrap();
    fs::write(name(number + 2), renumbered(&bytes, first + 2)).unwrap();
    assert_eq!(read(&path).unwrap().1, []);
    fs::remove_file(name(number + 1)).unwrap();
    let reported = read(&path).unwrap().1;
    assert_eq!(kinds(&reported), [OmissionKind::MissingLog]);
    assert!(reported[0].message.contains(&format!("changes {} to {}", first + 1, first + 1)), "{reported:?}");
}

#[test]
fn a_torn_list_of_files_is_told() {
    let copy = Copy::of(IN_BOTH);
    let file = copy.file("MANIFEST-", "");
    let list = fs::read(&file).unwrap();
    fs::write(&file, [list.as_slice(), &[1, 2, 3]].concat()).unwrap();
    let (_, reported) = copy.read().unwrap();
    assert_eq!(kinds(&reported), [OmissionKind::TornFileList]);
    assert!(reported[0].message.contains(&format!("torn at byte {}", list.len())), "{reported:?}");
}

/// RocksDB drops the end of the older log and reads the newer one: that is not a torn end, but a gap. A
/// server that was killed while it recovered leaves an empty newer log.
#[test]
fn a_torn_log_before_a_newer_one_is_a_missing_one() {
    let copy = Copy::of(SMALL);
    let file = copy.file("", ".log");
    let log = fs::read(&file).unwrap();
    let newer = copy.path.join("000900.log");
    fs::write(&newer, b"").unwrap();
    assert_eq!(copy.read().unwrap().1, []);
    fs::write(&file, &log[..log.len() - 3]).unwrap();
    let reported = copy.read().unwrap().1;
    assert_eq!(kinds(&reported), [OmissionKind::TornLogTail]);
    let torn = file.file_name().unwrap().to_str().unwrap();
    assert!(reported[0].message.contains(&format!("the end of {torn} is torn")), "{reported:?}");
    fs::write(&newer, log_with_change(1 << 40)).unwrap();
    let reported = copy.read().unwrap().1;
    assert_eq!(reported[0].kind, OmissionKind::MissingLog);
    assert!(reported[0].message.contains("and a newer write-ahead log follows it"), "{reported:?}");
    fs::write(&file, &log).unwrap();
    fs::write(&newer, [1, 2, 3]).unwrap();
    assert_eq!(kinds(&copy.read().unwrap().1), [OmissionKind::TornLogTail]);
}

#[test]
fn a_missing_table_or_list_of_files_is_named() {
    for (start, end) in [("", ".sst"), ("MANIFEST-", "")] {
        let copy = Copy::of(IN_BOTH);
        let file = copy.file(start, end);
        fs::remove_file(&file).unwrap();
        match ReadStore::open(&copy.path) {
            Err(StoreError::FileMissing { path, file: name }) => {
                assert_eq!((path.join(name), path), (file, copy.path.clone()));
            }
            other => panic!("{:?}", other.err()),
        }
    }
}

#[test]
fn files_that_nobody_needs_may_be_missing() {
    let copy = Copy::of(IN_BOTH);
    let all = copy.read().unwrap();
    for name in ["IDENTITY", "LOCK"] {
        fs::remove_file(copy.path.join(name)).unwrap();
    }
    for file in fs::read_dir(&copy.path).unwrap().map(|entry| entry.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("OPTIONS-") {
            fs::remove_file(file).unwrap();
        }
    }
    assert_eq!(copy.read().unwrap(), all);
}
