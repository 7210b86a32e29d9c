//! Recoveries over histories in memory: whole, stopped anywhere, over sources that lie, lag or end.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fm_audit::{AuditError, Control, Origin, Silent};
use fm_eras::Layout;
use fm_eras::session::session_key;
use fm_forge::memory::{SIGNERS, history, items_of, keys, layout, record};
use fm_history::{AcceptedItem, ConsensusItem};
use fm_recovery::{ModuleRecovery, Options, Recovered, RecoveryError, Sessions, StateFile, recover};
use fm_rows::MemoryRows;
use serde_json::{Value, json};

static NEVER: AtomicBool = AtomicBool::new(false);

fn control() -> Control<'static> {
    Control { progress: &Silent, interrupted: &NEVER }
}

/// Keeps the bodies of a guardian's items, in order.
#[derive(Default)]
struct Bodies {
    name: &'static str,
    peer: u16,
    found: Vec<String>,
    /// Fails at this session.
    fails_at: Option<u64>,
    finalised: Cell<u32>,
    refuses_to_finish: bool,
}

impl ModuleRecovery for Bodies {
    fn name(&self) -> &str {
        self.name
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        self.found = serde_json::from_slice(state).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn store(&self) -> Vec<u8> {
        serde_json::to_vec(&self.found).unwrap()
    }

    fn on_session(&mut self, session: u64, items: &[AcceptedItem]) -> Result<(), String> {
        if self.fails_at == Some(session) {
            return Err("an input that nobody knows".to_owned());
        }
        for accepted in items.iter().filter(|accepted| accepted.peer == self.peer) {
            let ConsensusItem::Module(value) = &accepted.item else { continue };
            self.found.push(hex::encode(&value.body));
        }
        Ok(())
    }

    fn pre_finalise(&mut self) -> Result<(), String> {
        if self.refuses_to_finish { Err("no network".to_owned()) } else { Ok(()) }
    }

    fn finalise(&self) -> Value {
        self.finalised.set(self.finalised.get() + 1);
        json!(self.found)
    }
}

fn bodies(name: &'static str, peer: u16) -> Bodies {
    Bodies { name, peer, ..Bodies::default() }
}

/// A history that gets more finished sessions if somebody waits.
struct Source {
    rows: MemoryRows,
    finished: Cell<u64>,
    later: u64,
}

impl Source {
    fn of(rows: MemoryRows, finished: u64, later: u64) -> Self {
        Self { rows, finished: Cell::new(finished), later }
    }
}

impl Sessions for Source {
    fn origin(&self) -> Origin<'_> {
        Origin { rows: &self.rows, path: Path::new("memory"), layout: Layout::Blocks(layout()) }
    }

    fn finished(&self) -> Result<u64, AuditError> {
        Ok(self.finished.get())
    }

    fn wait_for(&self, sessions: u64, _: Duration, _: Control<'_>) -> Result<bool, AuditError> {
        self.finished.set(self.finished.get().max(self.later));
        Ok(self.finished.get() >= sessions)
    }
}

const SAVE_ALWAYS: Options = Options {
    with_open_session: true,
    patience: Duration::from_secs(1),
    save_after: Duration::ZERO,
    save_after_bytes: 0,
};

fn run(source: &Source, module: &mut Bodies, file: &Path) -> Result<Recovered, RecoveryError> {
    recover(source, &keys(), &mut [module], &StateFile::at(file), SAVE_ALWAYS, control(), &mut |_| ())
}

fn expected(sessions: u64, peer: u16) -> Value {
    let of = |index| items_of(index).into_iter().filter(|item| item.peer == peer).collect::<Vec<_>>();
    let body = |item: fm_history::BlockItem| match item.content {
        fm_history::BlockContent::Module(value) => hex::encode(value.body),
        other => panic!("{other:?}"),
    };
    (0..sessions).flat_map(of).map(body).collect()
}

#[test]
fn all_of_it_is_recovered_once_with_the_session_that_was_open() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state");
    let source = Source::of(history(21), 20, 21);
    let (mut one, mut two) = (bodies("one", 0), bodies("two", 1));
    let mut seen = Vec::new();
    let recovered = recover(
        &source,
        &keys(),
        &mut [&mut one, &mut two],
        &StateFile::at(&file),
        SAVE_ALWAYS,
        control(),
        &mut |progress| seen.push((progress.done, progress.end)),
    );
    let recovered = recovered.unwrap();
    assert_eq!(recovered.sessions, 21);
    assert_eq!(recovered.results["one"], expected(21, 0));
    assert_eq!(recovered.results["two"], expected(21, 1));
    assert_eq!(seen, (1..=21).map(|done| (done, 21)).collect::<Vec<_>>());
    // Again: the same results, and nothing is read or finished again.
    let (mut again, mut other) = (bodies("one", 0), bodies("two", 1));
    let empty = Source::of(MemoryRows::default(), 0, 0);
    let file = StateFile::at(&file);
    let results =
        recover(&empty, &keys(), &mut [&mut again, &mut other], &file, SAVE_ALWAYS, control(), &mut |_| ());
    assert_eq!(results.unwrap(), recovered);
    assert_eq!((one.finalised.get(), again.finalised.get()), (1, 0));
}

/// It is stopped after each number of sessions, and continued from another source: the result is the same.
#[test]
fn it_may_end_anywhere_and_continue_elsewhere() {
    for stop in 0..12 {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("state");
        let mut stopped = Bodies { fails_at: Some(stop), ..bodies("one", 0) };
        let first = Source::of(history(12), 12, 12);
        let failed = run(&first, &mut stopped, &file).unwrap_err();
        assert!(matches!(failed, RecoveryError::Undecodable { session, .. } if session == stop), "{failed}");
        let mut module = bodies("one", 0);
        let recovered = run(&Source::of(history(30), 30, 30), &mut module, &file).unwrap();
        // The end was fixed at the first start.
        assert_eq!((recovered.sessions, &recovered.results["one"]), (13, &expected(13, 0)), "{stop}");
    }
}

#[test]
fn what_is_wrong_has_its_name() {
    let home = tempfile::tempdir().unwrap();
    let fails = |name: &str, source: &Source| {
        let file = home.path().join(name);
        let error = run(source, &mut bodies("one", 0), &file).unwrap_err();
        // It fails in the same way again, and does not forget what it read.
        assert_eq!(run(source, &mut bodies("one", 0), &file).unwrap_err().to_string(), error.to_string());
        error
    };
    let mut rows = history(9);
    rows.0.remove(&session_key(4));
    let error = fails("gap", &Source::of(rows, 9, 9));
    assert!(matches!(error, RecoveryError::Gap { session: 4 }), "{error}");
    let mut rows = history(9);
    rows.0.insert(session_key(4), record(4, items_of(4), &SIGNERS[..2]));
    let error = fails("unsigned", &Source::of(rows, 9, 9));
    assert!(matches!(error, RecoveryError::BadSignature { session: 4, .. }), "{error}");
    let mut rows = history(9);
    rows.0.insert(session_key(4), vec![1, 2, 3]);
    let error = fails("nonsense", &Source::of(rows, 9, 9));
    assert!(matches!(error, RecoveryError::Undecodable { session: 4, .. }), "{error}");
    let error = fails("open", &Source::of(history(9), 9, 9));
    assert!(matches!(error, RecoveryError::Stalled { session: 9, seconds: 1 }), "{error}");
}

#[test]
fn another_history_or_state_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state");
    let mut stopped = Bodies { fails_at: Some(5), ..bodies("one", 0) };
    run(&Source::of(history(9), 9, 9), &mut stopped, &file).unwrap_err();
    let mut rows = history(12);
    rows.0.insert(session_key(4), record(4, items_of(400), &SIGNERS));
    let error = run(&Source::of(rows, 12, 12), &mut bodies("one", 0), &file).unwrap_err();
    assert!(matches!(error, RecoveryError::OtherHistory { session: 4 }), "{error}");
    let error = run(&Source::of(history(3), 3, 3), &mut bodies("one", 0), &file).unwrap_err();
    assert!(matches!(error, RecoveryError::Lagging { has: 3, needed: 5 }), "{error}");
    let error = run(&Source::of(history(12), 12, 12), &mut bodies("two", 0), &file).unwrap_err();
    assert!(matches!(error, RecoveryError::State { .. }), "{error}");
    let whole = std::fs::read(&file).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&file, &whole[..length]).unwrap();
        let error = run(&Source::of(history(12), 12, 12), &mut bodies("one", 0), &file).unwrap_err();
        assert!(matches!(error, RecoveryError::State { .. }), "{length}: {error}");
    }
}

/// What needs the network is done before the results are stored; until it works, the state stays.
#[test]
fn a_module_that_cannot_finish_is_asked_again() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state");
    let source = Source::of(history(10), 9, 10);
    let mut module = Bodies { refuses_to_finish: true, ..bodies("one", 0) };
    let error = run(&source, &mut module, &file).unwrap_err();
    assert!(matches!(error, RecoveryError::Finalise { .. }), "{error}");
    let mut module = bodies("one", 0);
    assert_eq!(run(&source, &mut module, &file).unwrap().results["one"], expected(10, 0));
    assert_eq!(module.finalised.get(), 1);
}

#[test]
fn an_interruption_ends_it_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state");
    let stop = AtomicBool::new(true);
    let control = Control { progress: &Silent, interrupted: &stop };
    let source = Source::of(history(9), 8, 9);
    let mut module = bodies("one", 0);
    let file = StateFile::at(&file);
    let ended = recover(&source, &keys(), &mut [&mut module], &file, SAVE_ALWAYS, control, &mut |_| ());
    assert!(matches!(ended, Err(RecoveryError::Audit(AuditError::Interrupted))), "{ended:?}");
    let mut module = bodies("one", 0);
    let recovered =
        recover(&source, &keys(), &mut [&mut module], &file, SAVE_ALWAYS, self::control(), &mut |_| ());
    assert_eq!(recovered.unwrap().results["one"], expected(9, 0));
}
