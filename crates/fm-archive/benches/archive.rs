//! Compares writing and verifying an archive with the `zstd -T0` command on the same record stream, in one
//! run.
//!
//! Invariant: both sides read from memory or the page cache and write to a file in the same directory; the
//! best of several runs counts.

// A benchmark prints its results.
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fm_archive::{ArchiveWriter, Metadata, Options, Record, verify};

const TURNS: usize = 5;
const STREAM: usize = 256 << 20;

/// Makes records like those of a history: short keys, values of structure and signatures.
fn records() -> Vec<Record> {
    let (mut all, mut size, mut random, mut number) = (Vec::new(), 0, 0x9E37_79B9_7F4A_7C15_u64, 0u64);
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    while size < STREAM {
        let mut value = Vec::new();
        for item in 0..next() % 40 {
            value.extend_from_slice(&[0, 0, 0xFE]);
            value.extend_from_slice(&(number * 40 + item).to_be_bytes());
            value.extend_from_slice(b"consensus item of the mint module, with its fields and their lengths");
            (0..8).for_each(|_| value.extend_from_slice(&next().to_le_bytes()));
        }
        let key = [&[0x04][..], &number.to_be_bytes()].concat();
        size += key.len() + value.len();
        number += 1;
        all.push((key, value));
    }
    all
}

fn best(mut turn: impl FnMut()) -> Duration {
    let timed = || {
        let start = Instant::now();
        turn();
        start.elapsed()
    };
    std::iter::repeat_with(timed).take(TURNS).min().expect("there is a turn")
}

fn zstd(arguments: &[&str], file: &Path) {
    let status = Command::new("zstd")
        .args(arguments)
        .arg(file)
        .status()
        .expect("this bench needs the `zstd` command: install the package `zstd`");
    assert!(status.success(), "zstd {arguments:?}");
}

/// Computes the identity as a person without our tools would.
fn zstd_sha256(file: &Path) {
    let file = file.to_str().expect("a plain path");
    let status =
        Command::new("sh").args(["-c", &format!("zstd -dcq {file} | sha256sum >/dev/null")]).status();
    assert!(status.expect("a shell").success(), "zstd and sha256sum");
}

fn report(name: &str, size: u64, ours: Duration, theirs: Duration, their_name: &str) {
    let speed = |time: Duration| {
        f64::from(u32::try_from(size >> 10).unwrap_or(u32::MAX)) / 1024.0 / time.as_secs_f64()
    };
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("{name}: {:.0} MiB/s, `{their_name}` {:.0} MiB/s, ratio {ratio:.2}", speed(ours), speed(theirs));
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let records = records();
    let (plain, packed, ours) =
        (folder.path().join("stream"), folder.path().join("stream.zst"), folder.path().join("stream.fmar"));
    for level in [1, 3, 9] {
        let options = Options { level, ..Options::default() };
        let mut summary = None;
        let write = best(|| {
            let file = File::create(&ours).expect("a file");
            let mut writer = ArchiveWriter::new(file, &Metadata::new(), options.clone()).expect("a writer");
            for (key, value) in &records {
                writer.push(key, value).expect("a record");
            }
            summary = Some(writer.finish().expect("an archive").1);
        });
        let summary = summary.expect("there was a turn");
        if level == 1 {
            zstd(&["-d", "-q", "-f", "-o", plain.to_str().expect("a plain path")], &ours);
        }
        let check = best(|| {
            let report = verify(File::open(&ours).expect("a file"), &mut |_, _| {}).expect("a report");
            assert!(report.is_sound());
        });
        let level_flag = format!("-{level}");
        let target = packed.to_str().expect("a plain path");
        let zstd_write = best(|| zstd(&["-T0", &level_flag, "-q", "-f", "-o", target], &plain));
        let zstd_test = best(|| zstd(&["-t", "-q"], &packed));
        let zstd_sum = best(|| zstd_sha256(&packed));
        let size = summary.uncompressed;
        report(&format!("level {level} write"), size, write, zstd_write, &format!("zstd -T0 {level_flag}"));
        report(&format!("level {level} verify"), size, check, zstd_test, "zstd -t");
        report(&format!("level {level} verify"), size, check, zstd_sum, "zstd -dc | sha256sum");
        let their_size = std::fs::metadata(&packed).expect("a file").len();
        println!("level {level} size: {} bytes, `zstd` {their_size} bytes", summary.length);
    }
    std::io::stdout().flush().expect("an open output");
}
