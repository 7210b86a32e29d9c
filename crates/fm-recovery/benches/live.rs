//! Compares the audit of a running federation, and a recovery from it, with those of the same history on
//! disk; and over a slow line, with one request at a time.
//!
//! `cargo bench --workspace --bench live [-- SESSIONS]`; the default is 3,000 sessions of up to 40
//! items. The guardians run in this process, on the same cores. At the end it runs the release build of `fm-verify` for
//! its memory. Linux only: it reads `/proc`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot continue has failed")]
#![allow(clippy::cast_precision_loss, reason = "rates for people")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fm_audit::{Control, HistoryKeys, Observer, Origin, Request, Silent, audit_history};
use fm_client::{Guardian, LiveHistory, wait_for};
use fm_codec::ModuleValue;
use fm_crypto::SessionKeys;
use fm_eras::{Layout, session};
use fm_forge::{BlockSpec, forge_blocks};
use fm_recovery::{ModuleRecovery, Options, Place, StateFile, StoredSessions, recover};
use fm_rows::{Keys, RowSource, Rows, SourceError};
use fm_store::ReadStore;
use fm_tests::{Lie, Run, Served};
use serde_json::Value;

/// The most items of a session.
const ITEMS: usize = 40;
/// The sessions of a small history, whose audit takes little memory.
const SMALL: u64 = 1000;
/// The delay of each answer on a slow line, in milliseconds.
const DELAY: u64 = 50;

static NEVER: AtomicBool = AtomicBool::new(false);

fn control() -> Control<'static> {
    Control { progress: &Silent, interrupted: &NEVER }
}

fn origin(rows: &dyn RowSource) -> Origin<'_> {
    Origin { rows, path: Path::new("bench"), layout: Layout::Blocks(session::modern()) }
}

fn audit(rows: &dyn RowSource, keys: &SessionKeys) -> Duration {
    let request = Request { side_records: false, ..Request::everything(Some(HistoryKeys::Session(keys))) };
    let mut errors = 0;
    let mut count = |_| errors += 1;
    let start = Instant::now();
    let found = audit_history(origin(rows), request, control(), Observer::of_findings(&mut count)).unwrap();
    let took = start.elapsed();
    assert_eq!((errors, found.errors), (0, 0));
    took
}

/// Counts the outputs of every module.
#[derive(Default)]
struct Outputs(u64);

impl ModuleRecovery for Outputs {
    fn name(&self) -> &str {
        "outputs"
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        self.0 = u64::from_be_bytes(state.try_into().map_err(|_| "other bytes".to_owned())?);
        Ok(())
    }

    fn store(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn on_output(&mut self, _: Place, _: &ModuleValue) -> Result<(), String> {
        self.0 += 1;
        Ok(())
    }

    fn finalise(&self) -> Value {
        self.0.into()
    }
}

fn recovery(rows: &dyn RowSource, keys: &SessionKeys, home: &Path) -> Duration {
    let file = home.join("state");
    let _ = std::fs::remove_file(&file);
    let sessions = StoredSessions::new(origin(rows), control()).unwrap();
    let options = Options { with_open_session: false, ..Options::default() };
    let mut outputs = Outputs::default();
    let start = Instant::now();
    let file = StateFile::at(&file);
    recover(&sessions, keys, &mut [&mut outputs], &file, options, control(), &mut |_| ()).unwrap();
    start.elapsed()
}

fn live(served: &Served, keys: &SessionKeys) -> LiveHistory {
    let guardians: BTreeMap<u16, Guardian> = (0..).zip(served.urls.iter().map(Guardian::new)).collect();
    LiveHistory::open(guardians, keys).unwrap()
}

/// Rows that are read from another source, and how long the reader waited for them.
struct Timed<'a> {
    rows: &'a dyn RowSource,
    waited: AtomicU64,
}

impl RowSource for Timed<'_> {
    fn scan_range<'b>(&'b self, from: &[u8], to: Option<&[u8]>) -> Rows<'b> {
        let mut rows = self.rows.scan_range(from, to);
        Box::new(std::iter::from_fn(move || {
            let start = Instant::now();
            let row = rows.next();
            let waited = u64::try_from(start.elapsed().as_nanos()).unwrap();
            self.waited.fetch_add(waited, Relaxed);
            row
        }))
    }

    fn keys<'b>(&'b self, from: &[u8], to: Option<&[u8]>) -> Keys<'b> {
        self.rows.keys(from, to)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        self.rows.get(key)
    }
}

/// Prints what share of an audit its reader waits for rows.
fn show_waiting(rows: &dyn RowSource, keys: &SessionKeys) {
    let timed = Timed { rows, waited: AtomicU64::new(0) };
    let took = audit(&timed, keys);
    let waited = Duration::from_nanos(timed.waited.into_inner());
    println!("  of it, waiting for records: {:.0} %", 100.0 * waited.as_secs_f64() / took.as_secs_f64());
}

/// Prints the peak memory of the program that audits a federation.
fn show_memory(served: &Served, keys: &Path, sessions: u64) {
    let words = [&served.urls[0], "--guardians", "all", "--keys", keys.to_str().unwrap(), "--json"];
    let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let (run, peak) = Run::with_peak("fm-verify", &words);
    assert_eq!(run.verdict()["sessions"], sessions);
    println!("fm-verify, {sessions} sessions: at most {peak} MiB");
}

fn best(mut job: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| job()).min().unwrap()
}

fn main() {
    let argument = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let sessions: u64 = argument.unwrap_or(3000);
    let home = tempfile::tempdir().unwrap();
    let spec = BlockSpec { items: ITEMS, body_bytes: 40, ..BlockSpec::new(session::modern(), sessions) };
    let forged = forge_blocks(&spec, home.path()).unwrap();
    let keys = SessionKeys::new(&forged.keys).unwrap();
    let database = home.path().join("database");
    let store = ReadStore::open(&database).unwrap();
    let file = home.path().join("keys.json");
    let served = Served::start(&database, &file, 5, &[Lie::None; 4]);
    let show = |what: &str, took: Duration, of: u64, against: Option<Duration>| {
        let rate = of as f64 / took.as_secs_f64();
        let items = rate * forged.items as f64 / sessions as f64;
        let ratio = against.map_or_else(String::new, |other| {
            format!(", {:.2} of the speed on disk", other.as_secs_f64() / took.as_secs_f64())
        });
        println!("{what:<34} {took:>9.3?}  {rate:>8.0} sessions/s  {items:>9.0} items/s{ratio}");
    };
    println!("{sessions} sessions, {} items, threshold {}", forged.items, keys.threshold());
    let on_disk = best(|| audit(&store, &keys));
    show("audit, on disk", on_disk, sessions, None);
    let running = live(&served, &keys);
    show("audit, four guardians", best(|| audit(&running, &keys)), sessions, Some(on_disk));
    let from_disk = best(|| recovery(&store, &keys, home.path()));
    show("recovery, on disk", from_disk, sessions, None);
    show(
        "recovery, four guardians",
        best(|| recovery(&running, &keys, home.path())),
        sessions,
        Some(from_disk),
    );
    show_waiting(&running, &keys);
    drop(running);
    let small = tempfile::tempdir().unwrap();
    let spec = BlockSpec { sessions: SMALL, ..spec };
    forge_blocks(&spec, small.path()).unwrap();
    let few_keys = small.path().join("keys.json");
    let few = Served::start(&small.path().join("database"), &few_keys, 5, &[Lie::None; 4]);
    show_memory(&few, &few_keys, SMALL);
    show_memory(&served, &file, sessions);
    drop((served, few));

    let slow = Served::start(&database, &file, 5, &[Lie::Slow(DELAY); 4]);
    let one_by_one = 100.min(sessions);
    let guardian = Guardian::new(&slow.urls[0]);
    let alone = wait_for(async {
        let start = Instant::now();
        for session in 0..one_by_one {
            guardian.record(session, Duration::from_secs(10)).await.unwrap();
        }
        start.elapsed()
    });
    let alone = alone.unwrap();
    println!("every answer {DELAY} ms later:");
    show("one request at a time", alone, one_by_one, None);
    let together = audit(&live(&slow, &keys), &keys);
    show("audit, four guardians", together, sessions, None);
    show_waiting(&live(&slow, &keys), &keys);
    let per_session = |took: Duration, of: u64| took.as_secs_f64() / of as f64;
    println!("ratio {:.1}", per_session(alone, one_by_one) / per_session(together, sessions));
}
