//! Flipped bytes: an error or a report of omissions, never silently other rows.

use std::fs;
use std::path::Path;

use fm_rows::Row;

use crate::copies::{Copy, IN_BOTH, IN_LOG, SMALL};

/// The results of flipping bytes.
#[derive(Debug, Default)]
struct Outcomes {
    errors: usize,
    reported: usize,
    harmless: usize,
}

/// Flips bytes of a file one at a time; rows that differ without an error or a report fail the test.
fn flip(copy: &Copy, file: &Path, places: impl Iterator<Item = usize>, flips: &[u8]) -> Outcomes {
    let good = copy.read().unwrap();
    assert_eq!(good.1, []);
    let bytes = fs::read(file).unwrap();
    let mut outcomes = Outcomes::default();
    for place in places {
        for flip in flips {
            let mut bad = bytes.clone();
            bad[place] ^= flip;
            fs::write(file, &bad).unwrap();
            match copy.read() {
                Err(_) => outcomes.errors += 1,
                Ok((rows, reported)) if !reported.is_empty() => {
                    assert!(is_beginning(&rows, &good.0), "byte {place} of {}", file.display());
                    outcomes.reported += 1;
                }
                Ok((rows, _)) => {
                    let flip = format!("byte {place} ^ {flip:02x} of {}", file.display());
                    assert!(rows == good.0, "{flip} changes rows in silence: {} rows", rows.len());
                    outcomes.harmless += 1;
                }
            }
        }
    }
    fs::write(file, &bytes).unwrap();
    assert_eq!(copy.read().unwrap(), good);
    outcomes
}

/// Returns whether rows are those of an earlier time: they have no key that is missing later.
fn is_beginning(rows: &[Row], all: &[Row]) -> bool {
    rows.iter().all(|(key, _)| all.binary_search_by(|(other, _)| other.cmp(key)).is_ok())
}

#[test]
fn every_byte_of_a_small_log() {
    let copy = Copy::of(SMALL);
    let file = copy.file("", ".log");
    let length = fs::read(&file).unwrap().len();
    let outcomes = flip(&copy, &file, 0..length, &[0x01, 0x80, 0xFF]);
    assert_eq!(outcomes.harmless, 0, "{outcomes:?}");
    assert!(outcomes.errors > 2 * length, "{outcomes:?}");
}

#[test]
fn bytes_all_over_a_large_log() {
    let copy = Copy::of(IN_LOG);
    let file = copy.file("", ".log");
    let length = fs::read(&file).unwrap().len();
    let outcomes = flip(&copy, &file, (5..length).step_by(9001), &[0x10]);
    assert!(outcomes.errors > 80 && outcomes.harmless <= 1, "{outcomes:?}");
}

#[test]
fn bytes_all_over_a_table() {
    let copy = Copy::of(IN_BOTH);
    let file = copy.file("", ".sst");
    let length = fs::read(&file).unwrap().len();
    let near_end = length - 700..length;
    let outcomes = flip(&copy, &file, (5..length).step_by(401).chain(near_end), &[0x10]);
    assert!(outcomes.errors > 10 * outcomes.harmless && outcomes.reported == 0, "{outcomes:?}");
}

#[test]
fn every_byte_of_the_list_of_files() {
    for name in [IN_LOG, IN_BOTH] {
        let copy = Copy::of(name);
        let file = copy.file("MANIFEST-", "");
        let length = fs::read(&file).unwrap().len();
        let outcomes = flip(&copy, &file, 0..length, &[0x01, 0x80]);
        assert!(outcomes.errors > outcomes.harmless, "{outcomes:?}");
    }
}

#[test]
fn a_list_of_files_that_is_cut() {
    let copy = Copy::of(IN_BOTH);
    let good = copy.read().unwrap().0;
    let file = copy.file("MANIFEST-", "");
    let bytes = fs::read(&file).unwrap();
    for cut in 0..bytes.len() {
        fs::write(&file, &bytes[..cut]).unwrap();
        if let Ok((rows, reported)) = copy.read()
            && reported.is_empty()
        {
            assert!(rows == good, "cut to {cut}: {} rows in silence", rows.len());
        }
    }
}

#[test]
fn every_byte_of_the_pointer_to_the_list() {
    let copy = Copy::of(IN_BOTH);
    let file = copy.path.join("CURRENT");
    let length = fs::read(&file).unwrap().len();
    let outcomes = flip(&copy, &file, 0..length, &[0x01, 0x80, 0xFF]);
    assert_eq!((outcomes.harmless, outcomes.reported), (0, 0), "{outcomes:?}");
}
