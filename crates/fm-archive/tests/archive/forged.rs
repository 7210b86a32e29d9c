//! Archives with a valid root that no correct writer makes: each is refused, for its own reason.

use std::io::Cursor;

use fm_archive::{ArchiveError, Damage, Fault, Record, Region, VerifyReport, salvage, verify_written};

use crate::forge::{Forge, big_size, compress, length, prefixed};
use crate::{open, records, verify};

const HUNDRED_GB: u64 = 100_000_000_000;

/// Reads as far as possible and returns the first error.
fn read_all(bytes: &[u8]) -> Result<usize, ArchiveError> {
    open(bytes)?.range(&[]).try_fold(0, |count, record| record.map(|_| count + 1))
}

/// Returns every damage that a whole check finds; reading must fail too.
fn all_damage(forge: &Forge) -> Vec<Damage> {
    let bytes = forge.build();
    assert!(read_all(&bytes).is_err());
    let report = verify(&bytes).unwrap();
    assert!(!report.is_sound());
    report.damage
}

/// Returns the only damage.
fn damage(forge: &Forge) -> Damage {
    let found = all_damage(forge);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn two_frames() -> Forge {
    let all = records(40);
    Forge::new(&[&all[..20], &all[20..]])
}

fn record(key: &str) -> Record {
    (key.as_bytes().to_vec(), b"value".to_vec())
}

#[test]
fn unsorted_and_duplicate_keys() {
    for middle in ["a", "b"] {
        let mut forge = Forge::new(&[&[record("b"), record(middle), record("d")]]);
        let found = damage(&forge);
        assert_eq!(found.region, Region::Frame(0));
        assert_eq!(found.fault, Fault::RecordOrder { record: 1 });
        assert!(salvage(forge.build().as_slice()).unwrap().next().unwrap().is_err());

        forge = Forge::new(&[&[record("a"), record("b")], &[record(middle), record("d")]]);
        // The index is impossible, so the frames are surveyed, and the second one is found out of order too.
        let found = all_damage(&forge);
        let regions: Vec<Region> = found.iter().map(|damage| damage.region).collect();
        assert_eq!(regions, [Region::Frame(1), Region::Index]);
        assert_eq!(found[0].fault, Fault::RecordOrder { record: 0 });
        let field = "order of its keys after the frame before it";
        assert_eq!(found[1].fault, Fault::Entry { frame: 1, field });
        let bytes = forge.build();
        let mut saved = salvage(bytes.as_slice()).unwrap();
        assert_eq!(saved.by_ref().filter(Result::is_ok).count(), 2);
        assert_eq!(saved.whole_frames(), 1);
    }
}

#[test]
fn index_that_lies_about_a_frame() {
    let mut forge = two_frames();
    forge.frames[1].records -= 1;
    assert_eq!(damage(&forge).fault, Fault::NotAsIndexed { field: "record count" });
    forge = two_frames();
    forge.frames[0].first = b"key".to_vec();
    assert_eq!(damage(&forge).fault, Fault::NotAsIndexed { field: "first key" });
    forge = two_frames();
    forge.frames[1].last.push(0);
    assert_eq!(damage(&forge).fault, Fault::NotAsIndexed { field: "last key" });
    forge = two_frames();
    forge.frames[1].uncompressed += 1;
    assert_eq!(damage(&forge).fault, Fault::NotAsIndexed { field: "uncompressed size" });
    forge = two_frames();
    forge.frames[1].plain[3] ^= 1;
    assert_eq!(damage(&forge).fault, Fault::NotAsIndexed { field: "uncompressed SHA-256" });
}

#[test]
fn index_that_cannot_be() {
    let entry = |frame, field| Fault::Entry { frame, field };
    let mut forge = two_frames();
    forge.frames[1].offset_lie = 1;
    assert_eq!(damage(&forge).fault, entry(1, "offset"));
    forge = two_frames();
    forge.frames[0].records = 0;
    assert_eq!(damage(&forge).fault, entry(0, "record count"));
    forge = two_frames();
    forge.frames[0].last = b"a".to_vec();
    assert_eq!(damage(&forge).fault, entry(0, "order of its keys"));
    forge = two_frames();
    forge.index_extra = vec![0];
    assert!(matches!(damage(&forge).fault, Fault::Encoding(_)));
    for (total, field) in [(0, "records"), (1, "key and value bytes"), (3, "uncompressed bytes")] {
        forge = two_frames();
        forge.total_lies[total] = 1 << 40;
        assert_eq!(damage(&forge).fault, Fault::Total { field });
    }
}

#[test]
fn gap_between_frames_and_index() {
    for gap in [vec![0], b"\x50\x2A\x4D\x18\x03\x00\x00\x00abc".to_vec(), compress(b"\x01a\x01b")] {
        let mut forge = two_frames();
        forge.gap = gap;
        let found = all_damage(&forge);
        let (declared, actual) =
            (index_offset(&forge.build()) - length(&forge.gap), index_offset(&forge.build()));
        let index = found.iter().find(|damage| damage.region == Region::Index).unwrap();
        assert_eq!(index.fault, Fault::Length { declared, actual });
    }
}

#[test]
fn two_zstandard_frames_in_one_entry() {
    let mut forge = two_frames();
    forge.frames[1].bytes.extend(compress(b""));
    let what = "bytes follow the end of the frame";
    assert!(matches!(damage(&forge).fault, Fault::Zstandard { what: found, .. } if found == what));
}

#[test]
fn totals_and_identity_that_only_a_whole_check_can_prove() {
    let mut forge = two_frames();
    // Moves one byte from the keys to the values: the sum stays possible.
    forge.total_lies = [0, 1, 1u64.wrapping_neg(), 0];
    let report = verify(&forge.build()).unwrap();
    assert_eq!(report.damage[0].fault, Fault::Total { field: "key and value bytes" });
    forge = two_frames();
    forge.identity = Some([7; 32]);
    let report = verify(&forge.build()).unwrap();
    assert_eq!((report.damage[0].region, &report.damage[0].fault), (Region::Index, &Fault::Identity));
}

/// The root that the writer knows vouches for the identity, and for nothing else: with another root it does
/// not, and every frame is read.
#[test]
fn an_archive_is_read_back_against_its_own_root() {
    let check = |bytes: &[u8], root| verify_written(Cursor::new(bytes), root, &mut |_, _| {});
    let bytes = two_frames().build();
    let summary = verify(&bytes).unwrap().summary.unwrap();
    for root in [summary.root, [7; 32]] {
        let report = check(&bytes, root).unwrap();
        assert_eq!((report.is_sound(), report.summary.as_ref()), (true, Some(&summary)));
        assert_eq!(report.readable.identity, Some(summary.identity));
    }
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        let reported = |report: Result<VerifyReport, ArchiveError>| {
            report.map(|report| report.damage).map_err(|error| error.to_string())
        };
        assert_eq!(reported(check(&flipped, summary.root)), reported(verify(&flipped)), "byte {place}");
    }
    let mut forge = two_frames();
    forge.identity = Some([7; 32]);
    assert_eq!(check(&forge.build(), summary.root).unwrap().damage[0].fault, Fault::Identity);
}

#[test]
fn frames_that_the_format_does_not_have() {
    let plain = two_frames().frames[0].plain.clone();
    let no_checksum = zstd::bulk::compress(&plain, 3).unwrap();
    let no_size = {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        std::io::Write::write_all(&mut encoder, &plain).unwrap();
        encoder.finish().unwrap()
    };
    for (bytes, expected) in
        [(no_checksum, "the frame has no checksum"), (no_size, "the frame does not state its content size")]
    {
        let mut forge = two_frames();
        forge.frames[0].bytes = bytes;
        let found = damage(&forge);
        assert_eq!(found.fault, Fault::Zstandard { at: 4, what: expected });
    }
}

#[test]
fn records_that_do_not_parse() {
    for plain in
        [&b"\x05key"[..], b"\x01a\x01b\x01", b"\xFD\x00\x01a\x01b", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"]
    {
        let mut forge = two_frames();
        forge.frames[0].bytes = compress(plain);
        forge.frames[0].plain = plain.to_vec();
        assert!(matches!(damage(&forge).fault, Fault::Encoding(_) | Fault::NotAsIndexed { .. }));
    }
    let key = vec![b'k'; fm_archive::MAX_KEY_LEN + 1];
    let mut forge = Forge::new(&[&[(key.clone(), Vec::new())]]);
    let fault = Fault::Entry { frame: 0, field: "length of the first key" };
    let found = all_damage(&forge);
    assert!(matches!(found[0].fault, Fault::OverLimit { what: "a key", .. }));
    assert_eq!((found[1].region, &found[1].fault), (Region::Index, &fault));
    forge.frames[0].first.truncate(10);
    forge.frames[0].last.truncate(10);
    assert!(matches!(damage(&forge).fault, Fault::OverLimit { what: "a key", .. }));
}

#[test]
fn another_version() {
    for version in [0, 2, 0x0101] {
        let mut forge = two_frames();
        forge.version = version;
        let bytes = forge.build();
        let refused = |error: &ArchiveError| matches!(error, ArchiveError::UnsupportedVersion { version: found, supported: 1 } if *found == version);
        assert!(refused(&verify(&bytes).unwrap_err()));
        assert!(refused(&open(&bytes).unwrap_err()));
        assert!(refused(&salvage(bytes.as_slice()).unwrap_err()));
    }
}

#[test]
fn metadata_that_is_not_canonical() {
    let pair = |key: &[u8]| [prefixed(key), prefixed(b"v")].concat();
    let bodies = [
        [big_size(2), pair(b"b"), pair(b"a")].concat(),
        [big_size(2), pair(b"a"), pair(b"a")].concat(),
        [big_size(1), pair(&[0xFF, 0xFE])].concat(),
        [big_size(1), pair(b"a"), vec![0]].concat(),
    ];
    for body in bodies {
        let mut forge = two_frames();
        forge.header_body = body;
        let found = damage(&forge);
        assert_eq!(found.region, Region::Header);
        assert!(matches!(found.fault, Fault::Encoding(_)));
    }
}

/// Returns the most memory that this process ever had from the system, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this test needs Linux's /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn hundred_gigabytes_are_not_believed() {
    let mut forges = Vec::new();
    for place in 0..8 {
        let mut forge = two_frames();
        match place {
            0 => forge.frames[0].uncompressed = HUNDRED_GB,
            1 => forge.frames[0].records = HUNDRED_GB,
            2 => forge.frame_count = Some(HUNDRED_GB),
            3 => forge.header_body = big_size(HUNDRED_GB),
            4 => forge.header_body = [big_size(1), big_size(HUNDRED_GB)].concat(),
            5 => forge.total_lies = [HUNDRED_GB; 4],
            6 => forge.total_lies = [u64::MAX; 4],
            // Content size in the eight-byte form: descriptor, window, size.
            _ => {
                let frame = &mut forge.frames[0].bytes;
                *frame = compress(b"\x01a\x01b");
                frame.splice(4..6, [0b1100_0100, 0x50].into_iter().chain(HUNDRED_GB.to_le_bytes()));
            }
        }
        forges.push(forge);
    }
    for (place, forge) in forges.iter().enumerate() {
        let bytes = forge.build();
        assert!(read_all(&bytes).is_err(), "place {place}");
        assert!(!verify(&bytes).unwrap().is_sound(), "place {place}");
        if let Ok(saved) = salvage(bytes.as_slice()) {
            assert!(saved.count() <= 41, "place {place}");
        }
    }
    // The two 32-bit lengths of the skippable frames.
    for at in [4, two_frames().build().len() - 1] {
        let mut bytes = two_frames().build();
        let at = if at == 4 { 4 } else { usize::try_from(index_offset(&bytes)).unwrap() + 4 };
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(!verify(&bytes).unwrap().is_sound());
        assert!(open(&bytes).is_err());
    }
    assert!(peak_memory() < 32 << 30, "a declared size was allocated");
}

fn index_offset(bytes: &[u8]) -> u64 {
    let at = bytes.len() - 16;
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn offset_of_the_index_anywhere() {
    let bytes = two_frames().build();
    let true_offset = index_offset(&bytes);
    let at = bytes.len() - 16;
    let length = u64::try_from(bytes.len()).unwrap();
    let wild = [u64::MAX, u64::MAX - 7, 1 << 63, HUNDRED_GB, length, length - 1];
    for offset in (0..length).chain(wild).filter(|offset| *offset != true_offset) {
        let mut changed = bytes.clone();
        changed[at..at + 8].copy_from_slice(&offset.to_le_bytes());
        let report = verify(&changed).unwrap();
        assert_eq!(report.damage.len(), 1, "{offset}");
        assert_eq!(report.damage[0].fault, Fault::IndexOffset { declared: offset });
        assert!(open(&changed).is_err());
    }
}
