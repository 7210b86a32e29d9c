//! Every accident to a file is found, named and located, and no accident causes a panic.

use std::io::Cursor;

use fm_archive::{ArchiveError, Ending, Fault, FrameInfo, Record, Region, salvage};

use proptest::prelude::*;

use crate::{archive, open, options, records, verdict, verify};

/// Returns which part of the file a byte belongs to.
fn region(frames: &[FrameInfo], length: u64, at: u64) -> Region {
    let header_end = frames.first().unwrap().offset;
    if at < header_end {
        return Region::Header;
    }
    match frames.iter().zip(0..).find(|(frame, _)| frame.bytes().contains(&at)) {
        Some((_, number)) => Region::Frame(number),
        None if at < length - 48 => Region::Index,
        None => Region::Trailer,
    }
}

/// Reads everything that can be read in every way: nothing may panic, and no wrong record may come out.
fn poke(bytes: &[u8], truth: &[Record]) {
    if let Ok(mut reader) = open(bytes) {
        for (record, truth) in reader.range(&[]).map_while(Result::ok).zip(truth) {
            assert_eq!(record, *truth);
        }
        for (key, value) in truth {
            if let Ok(found) = reader.get(key) {
                assert_eq!(found.as_ref(), Some(value));
            }
        }
    }
    if let Ok(saved) = salvage(bytes) {
        for (record, truth) in saved.map_while(Result::ok).zip(truth) {
            assert_eq!(record, *truth);
        }
    }
}

fn flip_and_check(bytes: &[u8], frames: &[FrameInfo], truth: &[Record], at: usize, bit: usize) {
    let mut changed = bytes.to_vec();
    changed[at] ^= 1 << bit;
    let at = u64::try_from(at).unwrap();
    let length = u64::try_from(bytes.len()).unwrap();
    let report = verify(&changed).unwrap_or_else(|error| panic!("byte {at} bit {bit}: {error}"));
    assert!(!report.is_sound());
    let [damage] = report.damage.as_slice() else {
        panic!("byte {at} bit {bit}: one flaw, reported as {:?}", report.damage);
    };
    assert_eq!(damage.region, region(frames, length, at), "byte {at} bit {bit}: {damage}");
    assert!(damage.bytes.contains(&at), "byte {at} bit {bit}: {damage}");
    let all = u64::try_from(frames.len()).unwrap();
    let readable = all - u64::from(matches!(damage.region, Region::Frame(_)));
    assert_eq!(report.readable.frames, readable, "byte {at} bit {bit}: {damage}");
    if !matches!(damage.region, Region::Frame(_)) {
        assert!(open(&changed).is_err(), "byte {at} bit {bit}");
    } else {
        assert!(open(&changed).unwrap().range(&[]).any(|record| record.is_err()));
        let mut ahead = open(&changed).unwrap().into_range(&[], None);
        let good: Vec<Record> = ahead.by_ref().map_while(Result::ok).collect();
        assert!(good.len() < truth.len() && truth.starts_with(&good), "only what lies before the damage");
        assert!(ahead.next().is_none(), "nothing after it");
    }
    poke(&changed, truth);
}

#[test]
fn every_bit_of_a_tiny_archive() {
    let all = records(8);
    let (bytes, _) = archive(&all, options(3, 1, 40));
    let frames = open(&bytes).unwrap().frames().to_vec();
    assert!(frames.len() >= 3);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            flip_and_check(&bytes, &frames, &all, at, bit);
        }
    }
}

#[test]
fn every_byte_of_a_small_archive() {
    let all = records(150);
    let (bytes, _) = archive(&all, options(9, 1, 700));
    let frames = open(&bytes).unwrap().frames().to_vec();
    for at in 0..bytes.len() {
        flip_and_check(&bytes, &frames, &all, at, at % 8);
    }
}

#[test]
fn truncated_at_every_length() {
    let all = records(60);
    let (bytes, summary) = archive(&all, options(3, 0, 200));
    let frames = open(&bytes).unwrap().frames().to_vec();
    let header_end = frames[0].offset;
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        let length = u64::try_from(length).unwrap();
        if length < 16 {
            assert!(matches!(verdict(cut), Err(ArchiveError::NotAnArchive { length: l }) if l == length));
            assert!(matches!(open(cut), Err(ArchiveError::NotAnArchive { .. })));
            assert!(matches!(salvage(cut), Err(ArchiveError::NotAnArchive { .. })));
            continue;
        }
        let whole: Vec<&FrameInfo> = frames.iter().filter(|frame| frame.bytes().end <= length).collect();
        let whole_records: u64 = whole.iter().map(|frame| frame.records).sum();
        let end =
            whole.last().map_or(if length < header_end { 0 } else { header_end }, |frame| frame.bytes().end);
        let expected = (u64::try_from(whole.len()).unwrap(), whole_records, end, length);
        for error in [verdict(cut).unwrap_err(), open(cut).map(|_| ()).unwrap_err()] {
            let ArchiveError::Truncated { whole_frames, records, at_byte, length } = error else {
                panic!("cut at {length}: {error}");
            };
            assert_eq!((whole_frames, records, at_byte, length), expected);
        }
        if length < header_end {
            assert!(matches!(salvage(cut), Err(ArchiveError::Truncated { .. })));
            continue;
        }
        let mut saved = salvage(cut).unwrap();
        let found: Vec<Record> = saved.by_ref().map(Result::unwrap).collect();
        assert_eq!(found, all[..usize::try_from(whole_records).unwrap()]);
        assert_eq!((saved.whole_frames(), saved.at_byte()), (expected.0, end));
        let at_index = length >= summary.compressed + header_end + 4;
        assert_eq!(saved.ending(), Some(if at_index { Ending::Index } else { Ending::Cut }));
    }
}

#[test]
fn appended_garbage_is_located() {
    let (bytes, summary) = archive(&records(30), options(3, 0, 200));
    for garbage in [vec![0], vec![0; 7], vec![0xFF; 48], b"FMAREND1".to_vec(), vec![0; 5000]] {
        let changed = [bytes.clone(), garbage.clone()].concat();
        let report = verify(&changed).unwrap();
        let [damage] = report.damage.as_slice() else { panic!("{:?}", report.damage) };
        let count = u64::try_from(garbage.len()).unwrap();
        assert_eq!(damage.region, Region::Tail);
        assert_eq!(damage.bytes, summary.length..summary.length + count);
        assert_eq!(damage.fault, Fault::TrailingBytes { count });
        assert_eq!(report.readable.identity, Some(summary.identity));
        assert!(matches!(open(&changed), Err(ArchiveError::Damaged(found)) if *found == *damage));
    }
}

#[test]
fn two_archives_in_one_file() {
    let (first, summary) = archive(&records(30), options(3, 0, 200));
    for second in [first.clone(), archive(&records(900), options(3, 0, 100)).0] {
        let both = [first.clone(), second.clone()].concat();
        let report = verify(&both).unwrap();
        let [damage] = report.damage.as_slice() else { panic!("{:?}", report.damage) };
        assert_eq!(damage.fault, Fault::TrailingBytes { count: u64::try_from(second.len()).unwrap() });
        assert_eq!(damage.bytes.start, summary.length);
        assert!(open(&both).is_err());
    }
}

#[test]
fn several_damaged_frames_are_all_listed() {
    let all = records(300);
    let (bytes, summary) = archive(&all, options(3, 0, 200));
    let frames = open(&bytes).unwrap().frames().to_vec();
    let mut changed = bytes.clone();
    for number in [1, 4, 9] {
        changed[usize::try_from(frames[number].offset).unwrap() + 12] ^= 0x10;
    }
    let report = verify(&changed).unwrap();
    let found: Vec<Region> = report.damage.iter().map(|damage| damage.region).collect();
    assert_eq!(found, [Region::Frame(1), Region::Frame(4), Region::Frame(9)]);
    assert_eq!(report.damage[1].bytes, frames[4].bytes());
    assert_eq!(report.damage[1].keys, Some((frames[4].first_key.clone(), frames[4].last_key.clone())));
    assert_eq!(report.damage[1].records, Some(frames[4].records));
    assert_eq!(report.readable.frames, summary.frames - 3);
    assert_eq!(report.readable.identity, None);

    // The others can still be read, and a range does not skip the gap silently.
    let mut reader = open(&changed).unwrap();
    assert!(reader.get(&frames[3].first_key).unwrap().is_some());
    assert!(reader.get(&frames[4].first_key).is_err());
    let mut range = reader.range(&frames[3].first_key);
    let before = range.by_ref().take_while(Result::is_ok).count();
    assert_eq!(u64::try_from(before).unwrap(), frames[3].records);
    assert!(range.next().is_none());
}

#[test]
fn damaged_index_and_frame_leave_the_rest_readable() {
    let (bytes, summary) = archive(&records(300), options(3, 0, 200));
    let reader = open(&bytes).unwrap();
    let (second, last) = (reader.frames()[1].bytes(), reader.frames().last().unwrap().bytes());
    let mut changed = bytes.clone();
    // The last byte of a frame is its checksum: the walk skips it.
    changed[usize::try_from(second.end).unwrap() - 1] ^= 1;
    changed[usize::try_from(last.end).unwrap() + 10] ^= 1;
    let report = verify(&changed).unwrap();
    let found: Vec<Region> = report.damage.iter().map(|damage| damage.region).collect();
    assert_eq!(found, [Region::Frame(1), Region::Index]);
    assert_eq!(report.readable.frames, summary.frames - 1);

    // Without the trailer, the same damage is found in a truncated file, and the file is not reported as
    // truncated only.
    let cut = &changed[..changed.len() - 3];
    assert!(matches!(open(cut), Err(ArchiveError::Damaged(found)) if found.region == Region::Frame(1)));
    let regions: Vec<Region> = verify(cut).unwrap().damage.iter().map(|damage| damage.region).collect();
    assert_eq!(regions, [Region::Frame(1), Region::Tail]);
    let mut saved = salvage(Cursor::new(cut)).unwrap();
    assert!(saved.by_ref().any(|record| record.is_err()));
    assert_eq!((saved.whole_frames(), saved.ending()), (1, None));
}

#[test]
fn a_tail_of_zeros_is_damage() {
    let (bytes, _) = archive(&records(300), options(3, 0, 200));
    let frame = open(&bytes).unwrap().frames()[5].clone();
    let mut changed = bytes[..usize::try_from(frame.offset).unwrap() + 9].to_vec();
    changed.resize(bytes.len(), 0);
    let report = verify(&changed).unwrap();
    assert_eq!(report.readable.frames, 5);
    assert_eq!(report.damage[0].region, Region::Frame(5));
    assert!(open(&changed).is_err());
}

#[test]
fn other_files_are_no_archives() {
    let zstd = zstd::encode_all(&b"some other file"[..], 3).unwrap();
    for bytes in [&b""[..], b"x", &[0; 4096], b"PK\x03\x04 and so on, and so on", &zstd] {
        assert!(matches!(verdict(bytes), Err(ArchiveError::NotAnArchive { .. })));
        assert!(matches!(open(bytes), Err(ArchiveError::NotAnArchive { .. })));
        assert!(matches!(salvage(bytes), Err(ArchiveError::NotAnArchive { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Combines several accidents: bytes replaced, pieces cut out, repeated or moved.
    #[test]
    fn any_mixture_of_accidents(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..60, 0u8..4), 1..4),
    ) {
        let all = records(40);
        let (bytes, _) = archive(&all, options(3, 1, 150));
        let mut changed = bytes.clone();
        for (at, byte, count, kind) in changes {
            let at = at.index(changed.len().max(1)).min(changed.len());
            let end = (at + count).min(changed.len());
            match kind {
                0 => changed[at..end].fill(byte),
                1 => drop(changed.drain(at..end)),
                2 => {
                    let piece = changed[at..end].to_vec();
                    changed.splice(at..at, piece);
                }
                _ => changed[at..end].reverse(),
            }
        }
        prop_assert_eq!(verdict(&changed).is_ok(), changed == bytes);
        poke(&changed, &all);
    }
}
