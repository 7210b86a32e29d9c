//! Measures the comparison of two histories of sessions that differ in the last session: the seconds and
//! bytes read until the difference is found, against reading both databases from end to end.
//!
//! `cargo bench --workspace --bench diff [-- SESSIONS]`; the default of 1,000,000 takes some minutes, most of
//! them for signing, and some GB of disk. Linux only: it reads `/proc/self/io`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fm_audit::{Control, Origin, Silent};
use fm_codec::ModuleValue;
use fm_eras::{Layout, session};
use fm_evidence::compare_histories;
use fm_forge::damage::{edit_block, rewrite};
use fm_forge::{BlockSpec, forge_blocks};
use fm_history::{BlockContent, BlockItem};
use fm_rows::RowSource;
use fm_store::ReadStore;

/// Returns the number of bytes that this process has read, including reads from the system's caches.
fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Returns the best time of three runs, and the number of bytes that the first run read.
fn measure<T>(job: impl Fn() -> T) -> (T, Duration, u64) {
    let before = bytes_read();
    let mut best = Duration::MAX;
    let mut result = None;
    let mut read = 0;
    for run in 0..3 {
        let start = Instant::now();
        result = Some(job());
        best = best.min(start.elapsed());
        if run == 0 {
            read = bytes_read() - before;
        }
    }
    (result.expect("it ran"), best, read)
}

fn scan(path: &Path) -> u64 {
    let store = ReadStore::open(path).expect("the database opens");
    let rows = RowSource::scan_prefix(&store, session::SIGNED_SESSION_OUTCOME);
    rows.map(|row| row.expect("a row").1.len() as u64).sum()
}

/// Compares two databases; returns the session at which they diverge.
fn diff(left: &Path, right: &Path) -> Option<u64> {
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let [left, right] = [left, right].map(|path| ReadStore::open(path).expect("the database opens"));
    let history =
        |store| Origin { rows: store, path: Path::new("forged"), layout: Layout::Blocks(session::modern()) };
    let (comparison, _) =
        compare_histories(history(&left), history(&right), control).expect("both can be read");
    comparison.parted.map(|pair| pair.index)
}

fn item() -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body: vec![7; 9] });
    BlockItem { content, position: None, peer: 0 }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let sessions = numbers.next().unwrap_or(1_000_000);
    let home = tempfile::tempdir().expect("a temporary directory");
    let layout = session::modern();
    let [ours, theirs] = [0, 1].map(|guardian| {
        let (dir, spec) = (home.path().join(format!("peer-{guardian}")), BlockSpec::new(layout, sessions));
        forge_blocks(&BlockSpec { items: 4, body_bytes: 24, guardian, ..spec }, &dir)
            .expect("it can be forged");
        dir.join("database")
    });
    let edited = home.path().join("edited");
    let last = sessions - 1;
    rewrite(&ours, &edited, edit_block(last, layout, |block| block.items.push(item()))).expect("a copy");
    let (bytes, scanned, scan_read) = measure(|| scan(&ours) + scan(&edited));
    println!("{sessions} sessions, records of {bytes} bytes on both sides together");
    let print = |name: &str, time: Duration, read: u64| {
        let (seconds, ratio) = (time.as_secs_f64(), time.as_secs_f64() / scanned.as_secs_f64());
        let speed = sessions as f64 / seconds;
        println!(
            "{name:44} {seconds:7.2} s {speed:10.0} sessions/s {:8.1} MB read, ratio {ratio:.2}",
            read as f64 / 1e6
        );
    };
    print("scan of both, nothing looked at", scanned, scan_read);
    let (parted, time, read) = measure(|| diff(&ours, &edited));
    assert_eq!(parted, Some(last));
    print("diff, equal bytes up to the last session", time, read);
    let (parted, time, read) = measure(|| diff(&ours, &theirs));
    assert_eq!(parted, None);
    print("diff, other signatures in nearly all of them", time, read);
}
