//! Measures the cost of proving and converting against the unavoidable minimum.
//!
//! One forged history, all ratios in one run: `check` against SHA-256 over the same bytes plus a scan of the
//! database; conversion alone (without verifying, archiving or reading back) against a plain RocksDB copy
//! (iterate and put). Batched signatures are measured in fm-crypto's benchmark.
//!
//! `cargo bench -p fm-migration --bench conversion [-- EPOCHS]`

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fm_audit::{Control, Origin, Silent};
use fm_crypto::EpochKeys;
use fm_forge::{ForgeSpec, forge};
use fm_history::sha256;
use fm_migration::{Conversion, PlanOptions, plan, raw_convert};
use fm_store::ReadStore;
use rocksdb::{DB, WriteOptions};

/// The default number of epochs of the forged history.
const EPOCHS: u64 = 5_000;
/// Each time is the best of this many runs.
const RUNS: usize = 3;

fn best(mut run: impl FnMut(usize)) -> Duration {
    let time = |index| {
        let start = Instant::now();
        run(index);
        start.elapsed()
    };
    (0..RUNS).map(time).min().expect("there is at least one run")
}

fn scan_and_hash(database: &Path) {
    let store = ReadStore::open(database).expect("the forged database opens");
    let mut rows = store.scan();
    while let Some(row) = rows.next_row() {
        let (_, value) = row.expect("the forged database reads");
        std::hint::black_box(sha256(&[value]));
    }
}

fn plain_copy(database: &Path, target: &Path) {
    let store = ReadStore::open(database).expect("the forged database opens");
    let copy = DB::open_default(target).expect("a new database opens");
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    let mut rows = store.scan();
    while let Some(row) = rows.next_row() {
        let (key, value) = row.expect("the forged database reads");
        copy.put_opt(key, value, &options).expect("the copy is written");
    }
    copy.flush().expect("the copy is flushed");
}

fn main() {
    let epochs = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(EPOCHS);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let spec = ForgeSpec { epochs, ..ForgeSpec::default() };
    let forged = forge(&spec, dir.path()).expect("the history is forged");
    let keys = EpochKeys::from_coefficients(forged.coefficients).expect("forged keys are keys");
    let database = dir.path().join("database");
    let store = ReadStore::open(&database).expect("the forged database opens");
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let origin = Origin { rows: &store, path: &database, layout: fm_eras::Layout::Hbbft(spec.layout) };
    let options = PlanOptions {
        keys: fm_audit::HistoryKeys::Epoch(&keys),
        until: None,
        omissions: &[],
        accept_incomplete: false,
        target_version: None,
        kinds: &std::collections::BTreeMap::new(),
    };
    let megabytes =
        store.scan().map(|row| row.map_or(0, |(key, value)| key.len() + value.len())).sum::<usize>();
    let megabytes = megabytes as f64 / 1e6;

    let floor = best(|_| scan_and_hash(&database));
    let check = best(|_| {
        plan(origin, options, control, &mut |_| {}).expect("the forged history is sound");
    });
    let copy = best(|run| plain_copy(&database, &dir.path().join(format!("copy-{run}"))));
    let convert = best(|run| {
        let target = dir.path().join(format!("converted-{run}"));
        let conversion = Conversion {
            origin,
            options,
            federation: "",
            session_keys: &BTreeMap::new(),
            target: &target,
            tool_version: "bench",
        };
        raw_convert(&conversion, control).expect("the forged history converts");
    });

    let show = |name: &str, time: Duration| {
        let seconds = time.as_secs_f64();
        println!(
            "{name:28} {seconds:8.3} s  {:9.0} epochs/s  {:8.1} MB/s",
            epochs as f64 / seconds,
            megabytes / seconds
        );
    };
    println!("{epochs} epochs, {megabytes:.1} MB of keys and values, best of {RUNS} runs");
    show("scan + SHA-256", floor);
    show("check (signatures included)", check);
    show("plain RocksDB copy", copy);
    show("raw conversion", convert);
    println!("ratio check / (scan + SHA-256)      {:.2}", check.as_secs_f64() / floor.as_secs_f64());
    println!("ratio raw conversion / plain copy   {:.2}", convert.as_secs_f64() / copy.as_secs_f64());
}
