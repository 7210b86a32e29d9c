//! A restore, and the way back, ended at each of their changes to the disk: the same command finishes, or `undo` returns
//! to the old state. And the same with a disk that is full from there on.

use std::ffi::OsString;
use std::fs;
use std::thread;
use std::time::Duration;

use fm_store::Row;
use fm_tests::{Fault, Random, Restorable, Run, binary, command, copy_dir, digest, rows, run_with_fault};
use rustix::process::{Pid, Signal, kill_process};

/// Changes inside the new database are many and alike.
const NEW_DATABASE: &str = ".partial/";
/// More changes than a restore makes outside of the new database.
const MOST: u32 = 200;

struct Story {
    guardian: Restorable,
    pristine: std::path::PathBuf,
    old: Vec<Row>,
    new: Vec<Row>,
}

impl Story {
    fn new() -> Self {
        let guardian = Restorable::new(0);
        let pristine = guardian.beside("pristine");
        copy_dir(&guardian.path(), &pristine);
        let (old, new) = (rows(&guardian.database()), guardian.checkpoint_rows(24));
        assert!(old != new);
        Self { guardian, pristine, old, new }
    }

    fn fresh(&self) {
        fs::remove_dir_all(self.guardian.path()).expect("the directory can be removed");
        copy_dir(&self.pristine, &self.guardian.path());
    }

    fn restore(&self) -> Vec<OsString> {
        self.guardian.words("restore", &["--checkpoint", "24", "--yes"])
    }

    fn undo(&self) -> Vec<OsString> {
        self.guardian.words("undo", &["--yes"])
    }

    /// At every moment a whole database is in the place, and every database that is there is one of the two.
    fn is_new(&self) -> bool {
        let found = rows(&self.guardian.database());
        assert!(found == self.old || found == self.new, "neither the old database nor the new one");
        found == self.new
    }

    fn check_restored(&self, context: &str) {
        assert!(self.is_new(), "{context}");
        assert!(rows(&self.guardian.entry("database.broken-")) == self.old, "{context}");
        let names = self.guardian.entries();
        assert_eq!(names.len(), 4, "{context}: {names:?}");
        assert_eq!(self.guardian.guard().expect("a guard")["until_session"], 26, "{context}");
        let status = self.guardian.run("status", &["--json"]).exits(0).verdict();
        assert_eq!((status["verdict"].as_str(), status["step"].as_str()), (Some("restored"), Some("done")));
    }

    /// The old state: bytes and times of the database as they were, no guard.
    fn check_undone(&self, context: &str) {
        assert!(!self.is_new(), "{context}");
        assert_eq!(digest(&self.guardian.database()), digest(&self.pristine.join("database")), "{context}");
        assert_eq!(self.guardian.guard(), None, "{context}");
        let left: Vec<String> = self.guardian.entries();
        let ours = |name: &&String| !["database", "restore-journal"].contains(&name.as_str());
        let more: Vec<&String> = left.iter().filter(ours).collect();
        assert!(more.iter().all(|name| name.starts_with("database.undone-")), "{context}: {left:?}");
        let status = self.guardian.run("status", &["--json"]).exits(0).verdict();
        assert_eq!(status["verdict"], "none", "{context}");
    }

    fn faulty(&self, words: &[OsString], skip: &str, fault: Fault) -> Run {
        run_with_fault("fm-checkpoint", words, &self.guardian.path(), skip, fault)
    }

    fn undone_or_nothing(&self) {
        let run = Run::of("fm-checkpoint", &self.undo());
        // Killed before the journal was there: nothing had begun.
        assert!(
            run.exit == 0 || (run.exit == 2 && run.stderr.contains("is there to undo")),
            "{}",
            run.stderr
        );
    }
}

/// Copies keep their times, or the old state could not be told from one that was written anew.
fn keep_times(from: &std::path::Path, to: &std::path::Path) {
    for name in fm_tests::file_list(from) {
        let time = fs::metadata(from.join(&name)).and_then(|file| file.modified()).expect("a time");
        let file = fs::File::open(to.join(&name)).expect("the file");
        file.set_modified(time).expect("the time can be set");
    }
}

#[test]
fn killed_at_every_change() {
    let story = Story::new();
    let mut steps = std::collections::BTreeSet::new();
    for at in 1..MOST {
        for undo in [false, true] {
            story.fresh();
            keep_times(&story.pristine, &story.guardian.path());
            let killed = story.faulty(&story.restore(), NEW_DATABASE, Fault::Kill(at));
            let context = format!("killed at change {at}");
            if killed.exit == 0 {
                story.check_restored(&context);
                let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
                assert_eq!(steps, ["building", "built", "done", "guarded", "nothing", "swapped"], "{at}");
                assert!(at > 30, "{at} changes are too few to be all");
                return;
            }
            assert_eq!(killed.exit, 137, "{context}: {}", killed.stderr);
            story.is_new();
            steps.insert(story.guardian.step(1).unwrap_or("nothing".to_owned()));
            if undo {
                story.undone_or_nothing();
                story.check_undone(&context);
            } else {
                Run::of("fm-checkpoint", &story.restore()).exits(0);
                story.check_restored(&context);
            }
        }
    }
    panic!("a restore makes more changes than it should");
}

/// Cut off at a step, with a node that is started by itself before anybody looks.
#[test]
fn a_node_runs_in_between() {
    let story = Story::new();
    let without_units: Vec<Row> = story.old.iter().filter(|(key, _)| key[0] != 0x05).cloned().collect();
    let mut seen = std::collections::BTreeSet::new();
    for at in 1..MOST {
        story.fresh();
        story.guardian.go_on_with(&without_units);
        if story.faulty(&story.restore(), NEW_DATABASE, Fault::Kill(at)).exit == 0 {
            break;
        }
        let Some(step) = story.guardian.step(1).filter(|step| seen.insert(step.clone())) else { continue };
        // It goes on with the database that it finds, and makes units.
        story.guardian.go_on_with(&story.old);
        Run::of("fm-checkpoint", &story.restore()).exits(0);
        let guard = story.guardian.guard().expect("a guard")["until_session"].clone();
        if step == "swapped" {
            // On the restored one, under its guard: that is proven as it has grown.
            assert!(rows(&story.guardian.database()) == story.old);
            assert_eq!(guard, 25);
        } else {
            assert!(rows(&story.guardian.database()) == story.new, "{step}");
            assert_eq!(guard, 26, "the units made since are guarded: {step}");
        }
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["building", "built", "done", "guarded", "swapped"]);
}

/// The moments inside the new database: some of them, wherever they lie.
#[test]
fn killed_while_the_new_database_is_written() {
    let story = Story::new();
    let mut random = Random::new(5);
    let mut at = 1;
    loop {
        story.fresh();
        keep_times(&story.pristine, &story.guardian.path());
        let killed = story.faulty(&story.restore(), "nothing is skipped", Fault::Kill(at));
        if killed.exit == 0 {
            assert!(at > 60, "{at}");
            return;
        }
        assert_eq!(killed.exit, 137, "{}", killed.stderr);
        if random.below(2) == 0 {
            story.undone_or_nothing();
            story.check_undone(&format!("killed at {at}"));
        } else {
            Run::of("fm-checkpoint", &story.restore()).exits(0);
            story.check_restored(&format!("killed at {at}"));
        }
        at += 6 + u32::try_from(random.below(12)).expect("small");
    }
}

#[test]
fn the_way_back_killed_at_every_change() {
    let story = Story::new();
    for at in 1..MOST {
        story.fresh();
        keep_times(&story.pristine, &story.guardian.path());
        Run::of("fm-checkpoint", &story.restore()).exits(0);
        let killed = story.faulty(&story.undo(), "nothing is skipped", Fault::Kill(at));
        if killed.exit == 0 {
            assert!(at > 12, "{at} changes are too few to be all");
            story.check_undone("not killed");
            return;
        }
        assert_eq!(killed.exit, 137, "{}", killed.stderr);
        story.is_new();
        // Once it has begun, a restore is refused until it has ended.
        if story.guardian.step(1).as_deref() == Some("undoing") {
            let refused = Run::of("fm-checkpoint", &story.restore()).exits(2);
            assert!(refused.sentence().contains("the way back"), "{}", refused.stderr);
            assert_eq!(story.guardian.run("status", &[]).exits(4).stderr, "");
        }
        story.undone_or_nothing();
        story.check_undone(&format!("killed at {at}"));
    }
    panic!("the way back makes more changes than it should");
}

#[test]
fn a_disk_that_is_full_from_any_change_on() {
    let story = Story::new();
    let (mut kept, mut swapped) = (0, 0);
    for at in 1..MOST {
        story.fresh();
        keep_times(&story.pristine, &story.guardian.path());
        let run = story.faulty(&story.restore(), NEW_DATABASE, Fault::Full(at));
        let context = format!("full from change {at} on");
        if run.exit == 0 {
            assert!(kept >= 5 && swapped >= 1, "{kept} {swapped}");
            story.check_restored(&context);
            return;
        }
        assert!(matches!(run.exit, 3 | 13), "{context}: {}: {}", run.exit, run.stderr);
        assert!(run.sentence().contains("no space left while writing"), "{context}: {}", run.stderr);
        if story.is_new() {
            swapped += 1;
            assert!(run.sentence().contains("the restored database is in its place"), "{}", run.stderr);
        } else {
            kept += 1;
            assert_eq!(run.exit, 13, "{context}");
            assert_eq!(digest(&story.guardian.database()), digest(&story.pristine.join("database")));
        }
        // There is room again.
        if at % 2 == 0 {
            Run::of("fm-checkpoint", &story.restore()).exits(0);
            story.check_restored(&context);
        } else {
            story.undone_or_nothing();
            story.check_undone(&context);
        }
    }
    panic!("a restore makes more changes than it should");
}

/// Full in the middle of the new database: nothing at all is left.
#[test]
fn a_disk_that_is_full_in_the_new_database() {
    let story = Story::new();
    let before = story.guardian.entries();
    for at in [8, 12, 20, 30, 40] {
        story.fresh();
        keep_times(&story.pristine, &story.guardian.path());
        let run = story.faulty(&story.restore(), "nothing is skipped", Fault::Full(at)).exits(13);
        assert!(run.sentence().contains("no space left"), "{}", run.stderr);
        assert_eq!(story.guardian.entries(), before, "{at}");
        story.check_undone("full");
    }
}

fn signal(child: &std::process::Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a process id");
    // It may have ended already; that is one of the moments.
    let _ = kill_process(Pid::from_raw(pid).expect("a process id"), signal);
}

/// Told to stop at some moment, it leaves the old state, or says that the new database is in place.
#[test]
fn interrupted() {
    let story = Story::new();
    let before = story.guardian.entries();
    let mut in_time = 0;
    for delay in 0..12 {
        story.fresh();
        let child = command(binary("fm-checkpoint")).args(story.restore()).spawn().expect("it starts");
        thread::sleep(Duration::from_millis(3 + 4 * delay));
        signal(&child, Signal::INT);
        let run = Run::from_output("restore".to_owned(), child.wait_with_output().expect("it ends"));
        assert!(matches!(run.exit, 0 | 130), "{}: {}", run.exit, run.stderr);
        if run.exit == 130 && run.exited {
            in_time += 1;
            if !story.is_new() {
                assert_eq!(story.guardian.entries(), before);
            }
        }
        Run::of("fm-checkpoint", &story.restore()).exits(0);
        assert!(story.is_new());
    }
    assert!(in_time >= 2, "{in_time} were in time");
}

/// Two at a time: one does it, the other is told.
#[test]
fn two_at_once() {
    let story = Story::new();
    for delay in [0, 8, 25] {
        story.fresh();
        let start = || command(binary("fm-checkpoint")).args(story.restore()).spawn().expect("it starts");
        let first = start();
        thread::sleep(Duration::from_millis(delay));
        let second = start();
        let ended = |child: std::process::Child| {
            Run::from_output("restore".to_owned(), child.wait_with_output().expect("it ends"))
        };
        let runs = [ended(first), ended(second)];
        let done = runs.iter().filter(|run| run.exit == 0).count();
        assert!(done >= 1, "{}{}", runs[0].stderr, runs[1].stderr);
        for run in &runs {
            assert!(matches!(run.exit, 0 | 11), "{}", run.stderr);
            if run.exit == 11 {
                assert!(run.sentence().contains("another restore works on"), "{}", run.stderr);
            }
        }
        // One behind the other finds it done.
        assert!(story.is_new());
        let broken =
            story.guardian.entries().iter().filter(|name| name.starts_with("database.broken-")).count();
        assert_eq!(broken, 1);
    }
}
