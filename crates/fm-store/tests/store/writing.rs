//! New databases: written whole, read back, refused if something is in the way.

use std::fs;
use std::path::Path;

use fm_rows::Row;
use fm_store::{ReadStore, StoreError, StoreSummary, StoreWriter};

use crate::copies::read;

fn number(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// Writes many rows: a sorted run, rows in any order on both sides of it, another run.
fn write(path: &Path) -> (Vec<Row>, StoreSummary) {
    let mut writer = StoreWriter::create(path).unwrap();
    let mut rows = Vec::new();
    for place in 0..5000u32 {
        let sorted = ([&[5], number(place).as_slice()].concat(), vec![7; 100]);
        writer.push_sorted(&sorted.0, &sorted.1).unwrap();
        let side = if place % 2 == 0 { 2 } else { 9 };
        let loose = ([&[side], number(place.wrapping_mul(0x9E37_79B1)).as_slice()].concat(), vec![1; 30]);
        writer.put(&loose.0, &loose.1).unwrap();
        rows.extend([sorted, loose]);
    }
    assert_eq!(writer.end_run().unwrap(), rows[rows.len() - 2].0);
    for place in 0..10u32 {
        let sorted = ([&[1], number(place).as_slice()].concat(), vec![]);
        writer.push_sorted(&sorted.0, &sorted.1).unwrap();
        rows.push(sorted);
    }
    rows.sort();
    (rows, writer.finish().unwrap())
}

#[test]
fn what_is_written_is_read_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let (rows, summary) = write(&path);
    assert_eq!(read(&path).unwrap(), (rows.clone(), vec![]));
    let bytes = |part: fn(&Row) -> usize| rows.iter().map(part).sum::<usize>() as u64;
    let expected = StoreSummary {
        rows: rows.len() as u64,
        key_bytes: bytes(|row| row.0.len()),
        value_bytes: bytes(|row| row.1.len()),
    };
    assert_eq!(summary, expected);
}

#[test]
fn every_row_is_in_a_table_and_no_log_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let (rows, _) = write(&path);
    let mut logs = 0;
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(!name.ends_with(".tmp"), "{name}");
        if name.ends_with(".log") {
            logs += 1;
            assert_eq!(entry.metadata().unwrap().len(), 0, "{name}");
        }
    }
    assert_eq!(logs, 1);
    // The server that takes over the database opens it for writing.
    let db = rocksdb::DB::open(&rocksdb::Options::default(), &path).unwrap();
    let again = db.iterator(rocksdb::IteratorMode::Start).count();
    assert_eq!(again, rows.len());
}

#[test]
fn tables_are_of_the_format_that_rocksdb_8_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    write(&path);
    let mut tables = 0;
    for file in fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|end| end == "sst") {
            tables += 1;
            let bytes = fs::read(&file).unwrap();
            // The footer ends in the format version and the magic number of block based tables.
            let footer = &bytes[bytes.len() - 12..];
            assert_eq!(footer, [5, 0, 0, 0, 0xf7, 0xcf, 0xf4, 0x85, 0xb7, 0x41, 0xe2, 0x88]);
        }
    }
    assert!(tables >= 2);
}

#[test]
fn a_sorted_run_refuses_what_is_not_ascending() {
    for (first, second) in [(2u32, 1u32), (1, 1), (0x0100, 0x00FF)] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = StoreWriter::create(&dir.path().join("database")).unwrap();
        writer.push_sorted(&number(first), b"value").unwrap();
        let refused = writer.push_sorted(&number(second), b"value");
        assert!(matches!(refused, Err(StoreError::Unsorted { .. })), "{first} {second}: {refused:?}");
    }
}

#[test]
fn a_row_given_twice_has_the_last_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let mut writer = StoreWriter::create(&path).unwrap();
    writer.put(b"key", b"first").unwrap();
    writer.put(b"key", b"second").unwrap();
    assert_eq!(writer.finish().unwrap().rows, 2);
    assert_eq!(read(&path).unwrap().0, [(b"key".to_vec(), b"second".to_vec())]);
}

#[test]
fn an_empty_database_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    assert_eq!(StoreWriter::create(&path).unwrap().finish().unwrap(), StoreSummary::default());
    assert_eq!(read(&path).unwrap(), (vec![], vec![]));
}

#[test]
fn nothing_is_written_over_anything() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &Path| match StoreWriter::create(path) {
        Err(StoreError::AlreadyExists { path: named }) => assert_eq!(named, path),
        other => panic!("{:?}", other.err()),
    };
    let file = dir.path().join("file");
    fs::write(&file, b"precious").unwrap();
    refused(&file);
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    refused(&empty);
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    let database = dir.path().join("database");
    let (rows, _) = write(&database);
    refused(&database);
    assert_eq!(read(&database).unwrap().0, rows);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    refused(&link);
    let without_parent = dir.path().join("no/such/parent");
    assert!(matches!(StoreWriter::create(&without_parent), Err(StoreError::Io { .. })));
    assert!(!dir.path().join("no").exists() && !dir.path().join("nowhere").exists());
}

#[test]
fn a_run_that_was_never_finished_is_not_in_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    let mut writer = StoreWriter::create(&path).unwrap();
    writer.push_sorted(b"key", b"value").unwrap();
    // Never finished: no row of the run is in the database.
    drop(writer);
    let store = ReadStore::open(&path).unwrap();
    assert_eq!(store.scan().count(), 0);
}
