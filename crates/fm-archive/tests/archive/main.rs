//! Tests of the archive file, from outside.
//!
//! Invariant: expected values come from the records or from [`forge`], never from the code under test. The
//! one exception is the verdicts of the golden files, see [`vectors`].

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

mod damage;
mod forge;
mod forged;
mod resumed;
mod round_trip;
mod streams;
mod vectors;
mod zstd_command;

use std::io::Cursor;

use fm_archive::{ArchiveError, ArchiveWriter, Metadata, Options, Record, Summary, VerifyReport};

/// Returns a writer's options.
fn options(level: i32, threads: usize, frame_target: usize) -> Options {
    Options { level, threads, frame_target }
}

/// Returns metadata of a few entries.
fn metadata() -> Metadata {
    [("kind", "provenance"), ("era", "hbbft"), ("federation", "f00d")].into_iter().collect()
}

/// Writes an archive of these records.
fn archive(records: &[Record], options: Options) -> (Vec<u8>, Summary) {
    let mut writer = ArchiveWriter::new(Vec::new(), &metadata(), options).unwrap();
    for (key, value) in records {
        writer.push(key, value).unwrap();
    }
    writer.finish().unwrap()
}

/// Makes records whose keys ascend and whose values are partly compressible.
fn records(count: u32) -> Vec<Record> {
    let record = |number: u32| {
        let length = usize::try_from(number % 23).unwrap();
        let mut value = vec![b'v'; length];
        value.extend_from_slice(&number.wrapping_mul(2_654_435_761).to_le_bytes());
        (format!("key-{number:06}").into_bytes(), value)
    };
    (0..count).map(record).collect()
}

/// Runs the whole check, without progress.
fn verify(bytes: &[u8]) -> Result<VerifyReport, ArchiveError> {
    fm_archive::verify(Cursor::new(bytes), &mut |_, _| {})
}

/// Runs the whole check, and returns one result.
fn verdict(bytes: &[u8]) -> Result<Summary, ArchiveError> {
    verify(bytes)?.into_result()
}

/// Opens an archive for reading.
fn open(bytes: &[u8]) -> Result<fm_archive::ArchiveReader<Cursor<&[u8]>>, ArchiveError> {
    fm_archive::ArchiveReader::open(Cursor::new(bytes))
}
