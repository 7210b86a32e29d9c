//! Records are read back as they were written, by every way of reading.

use std::collections::BTreeMap;

use fm_archive::{ArchiveError, ArchiveWriter, Ending, MAX_KEY_LEN, Metadata, Record, salvage};
use proptest::prelude::*;

use crate::forge::{Forge, sha256, stream};
use crate::{archive, metadata, open, options, records, verdict, verify};

/// Checks an archive of these records in every way.
fn check(records: &[Record], frame_target: usize, threads: usize) {
    let (bytes, summary) = archive(records, options(3, threads, frame_target));
    let plain = stream(records);
    assert_eq!(summary.identity, sha256(&plain));
    assert_eq!(summary.records, u64::try_from(records.len()).unwrap());
    assert_eq!(summary.uncompressed, u64::try_from(plain.len()).unwrap());
    assert_eq!(summary.length, u64::try_from(bytes.len()).unwrap());
    assert_eq!(verdict(&bytes).unwrap(), summary);

    let mut reader = open(&bytes).unwrap();
    assert_eq!(*reader.summary(), summary);
    assert_eq!(*reader.metadata(), metadata());
    assert_eq!(u64::try_from(reader.frames().len()).unwrap(), summary.frames);
    for (number, (key, value)) in records.iter().enumerate() {
        assert_eq!(reader.get(key).unwrap().as_ref(), Some(value));
        let rest: Vec<Record> = reader.range(key).map(Result::unwrap).collect();
        assert_eq!(rest, records[number..]);
        let after = [key.as_slice(), &[0]].concat();
        let absent = records.get(number + 1).is_none_or(|(next, _)| *next != after);
        assert_eq!(reader.get(&after).unwrap().is_none(), absent);
        let rest: Vec<Record> = reader.range(&after).map(Result::unwrap).collect();
        assert_eq!(rest, records[number + 1..]);
    }
    let all: Vec<Record> = reader.range(&[]).map(Result::unwrap).collect();
    assert_eq!(all, records);
    assert!(reader.range(&[0xFF; 40]).next().is_none());

    let mut saved = salvage(bytes.as_slice()).unwrap();
    let all: Vec<Record> = saved.by_ref().map(Result::unwrap).collect();
    assert_eq!(all, records);
    assert_eq!(saved.ending(), Some(Ending::Index));
    assert_eq!((saved.whole_frames(), saved.records()), (summary.frames, summary.records));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_records_come_back(
        records in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 0..12), prop::collection::vec(any::<u8>(), 0..80), 0..40),
        target in 1usize..400,
        threads in 0usize..4,
    ) {
        let records: Vec<Record> = BTreeMap::into_iter(records).collect();
        check(&records, target, threads);
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verdict(&bytes).is_err());
        prop_assert!(open(&bytes).is_err());
        prop_assert!(salvage(bytes.as_slice()).is_err());
    }
}

#[test]
fn empty_archive() {
    check(&[], 100, 0);
    let (bytes, summary) = archive(&[], options(3, 0, 100));
    assert_eq!(summary.identity, sha256(b""));
    assert_eq!(summary.frames, 0);
    assert!(open(&bytes).unwrap().get(b"").unwrap().is_none());
}

#[test]
fn one_record_even_of_nothing() {
    check(&[(Vec::new(), Vec::new())], 100, 0);
    check(&[(b"key".to_vec(), vec![7; 1000])], 100, 1);
}

#[test]
fn large_record_has_a_frame_of_its_own() {
    let mut all = records(20);
    all.insert(10, (b"key-000009x".to_vec(), vec![1; 5000]));
    check(&all, 300, 2);
    let (bytes, _) = archive(&all, options(3, 2, 300));
    let reader = open(&bytes).unwrap();
    let own = reader.frames().iter().find(|frame| frame.first_key == b"key-000009x").unwrap();
    assert_eq!(own.records, 1);
    assert!(reader.frames().iter().all(|frame| frame.records == 1 || frame.uncompressed < 600));
}

#[test]
fn records_of_many_megabytes() {
    let value = |seed: u8| (0..3_000_000u32).map(|i| i.to_le_bytes()[1] ^ seed).collect::<Vec<u8>>();
    let all: Vec<Record> = (0..6).map(|number| (vec![number], value(number))).collect();
    check(&all, 1 << 20, 0);
}

#[test]
fn prefix_yields_its_records_only() {
    let all = records(500);
    let (bytes, _) = archive(&all, options(3, 0, 200));
    let mut reader = open(&bytes).unwrap();
    let found: Vec<Record> = reader.prefix(b"key-0001").map(Result::unwrap).collect();
    assert_eq!(found, all[100..200]);
    assert_eq!(reader.prefix(b"nothing").count(), 0);
    assert_eq!(reader.prefix(b"").count(), 500);
}

#[test]
fn identity_depends_on_the_records_alone() {
    let all = records(3000);
    let (first, summary) = archive(&all, options(3, 1, 1000));
    for (level, threads, target) in [(1, 0, 1000), (19, 2, 1 << 20), (-5, 3, 77), (3, 8, 4096)] {
        let (bytes, other) = archive(&all, options(level, threads, target));
        assert_eq!(other.identity, summary.identity);
        assert_eq!(verdict(&bytes).unwrap().identity, summary.identity);
    }
    for threads in [0, 2, 5] {
        assert_eq!(archive(&all, options(3, threads, 1000)).0, first, "threads change nothing at all");
    }
    let (_, changed) = archive(&all[1..], options(3, 1, 1000));
    assert_ne!(changed.identity, summary.identity);
}

#[test]
fn the_independent_writer_agrees() {
    let all = records(90);
    let forge = Forge::new(&[&all[..30], &all[30..60], &all[60..]]);
    let summary = verdict(&forge.build()).unwrap();
    assert_eq!((summary.frames, summary.records), (3, 90));
    assert_eq!(summary.identity, sha256(&stream(&all)));
    let mut reader_bytes = Vec::new();
    for record in open(&forge.build()).unwrap().range(&[]) {
        reader_bytes.push(record.unwrap());
    }
    assert_eq!(reader_bytes, all);
}

#[test]
fn refused_records_change_nothing() {
    let mut writer = ArchiveWriter::new(Vec::new(), &metadata(), options(3, 0, 50)).unwrap();
    writer.push(b"b", b"1").unwrap();
    for key in [b"b", b"a"] {
        let error = writer.push(key, b"").unwrap_err();
        assert!(matches!(error, ArchiveError::NotAscending { record: 1 }), "{error}");
    }
    let error = writer.push(&vec![b'c'; MAX_KEY_LEN + 1], b"").unwrap_err();
    assert!(matches!(error, ArchiveError::RecordTooLarge { record: 1, part: "key", .. }), "{error}");
    let error = writer.push(b"c", &vec![0; fm_archive::MAX_VALUE_LEN + 1]).unwrap_err();
    assert!(matches!(error, ArchiveError::RecordTooLarge { record: 1, part: "value", .. }), "{error}");
    writer.push(&vec![b'c'; MAX_KEY_LEN], b"2").unwrap();
    let (bytes, _) = writer.finish().unwrap();
    let expected = [(b"b".to_vec(), b"1".to_vec()), (vec![b'c'; MAX_KEY_LEN], b"2".to_vec())];
    let all: Vec<Record> = open(&bytes).unwrap().range(b"").map(Result::unwrap).collect();
    assert_eq!(all, expected);
}

#[test]
fn options_and_metadata_have_limits() {
    for wrong in [options(99, 0, 100), options(3, 0, 0), options(3, 0, fm_archive::MAX_FRAME_TARGET + 1)] {
        let error = ArchiveWriter::new(Vec::new(), &metadata(), wrong).err().unwrap();
        assert!(matches!(error, ArchiveError::BadOption { .. }), "{error}");
    }
    let large: Metadata = [("name", "x".repeat(fm_archive::MAX_HEADER_LEN))].into_iter().collect();
    let error = ArchiveWriter::new(Vec::new(), &large, options(3, 0, 100)).err().unwrap();
    assert!(matches!(error, ArchiveError::HeaderTooLarge { .. }), "{error}");
}

#[test]
fn progress_reaches_the_whole_file() {
    let (bytes, summary) = archive(&records(200), options(3, 0, 100));
    let mut seen = Vec::new();
    let report =
        fm_archive::verify(std::io::Cursor::new(&bytes), &mut |done, all| seen.push((done, all))).unwrap();
    assert!(report.is_sound());
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&(summary.length, summary.length)));
    assert_eq!(verify(&bytes).unwrap().readable.identity, Some(summary.identity));
}

#[test]
fn a_worker_of_the_pool_may_write_and_verify() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| check(&records(60), 100, 0));
}

/// Frames opened ahead yield the same records, between any two bounds.
#[test]
fn ranges_with_frames_opened_ahead() {
    let all = records(400);
    for target in [1, 100, 4000, 1 << 20] {
        let (bytes, _) = archive(&all, options(3, 0, target));
        let bounds: Vec<Vec<u8>> = [0, 1, 57, 200, 398, 399]
            .iter()
            .flat_map(|number| {
                let key: &Vec<u8> = &all[*number].0;
                [key.clone(), [key.as_slice(), &[0]].concat()]
            })
            .chain([Vec::new(), vec![0xFF]])
            .collect();
        for from in &bounds {
            for to in bounds.iter().map(Some).chain([None]) {
                let found: Vec<Record> = open(&bytes)
                    .unwrap()
                    .into_range(from, to.map(Vec::as_slice))
                    .map(Result::unwrap)
                    .collect();
                let wanted = all.iter().filter(|(key, _)| key >= from && to.is_none_or(|to| key < to));
                assert!(found.iter().eq(wanted), "target {target}, from {from:?} to {to:?}");
            }
        }
    }
}
