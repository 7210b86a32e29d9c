//! A restore and its undo, ended at each of their changes to the disk: the same command finishes, or `undo`
//! returns to the old state. The same holds for a disk that is full from there on.

use std::fs;
use std::ops::Deref;
use std::thread;
use std::time::Duration;

use fm_tests::{
    Fault, NEW_DATABASE, Random, Restorable, Restoring, Run, Signal, binary, command, copy_dir, digest,
    keep_times, rows, signalled,
};

/// More changes than a restore makes outside of the new database.
const MOST: u32 = 200;

struct Story {
    restoring: Restoring,
    pristine: std::path::PathBuf,
}

impl Deref for Story {
    type Target = Restoring;

    fn deref(&self) -> &Restoring {
        &self.restoring
    }
}

impl Story {
    fn new() -> Self {
        let restoring = Restoring::new(Restorable::new(0));
        let pristine = restoring.guardian.beside("pristine");
        copy_dir(&restoring.guardian.path(), &pristine);
        keep_times(&restoring.guardian.path(), &pristine);
        Self { restoring, pristine }
    }

    fn fresh(&self) {
        fs::remove_dir_all(self.guardian.path()).expect("the directory can be removed");
        copy_dir(&self.pristine, &self.guardian.path());
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

/// Cut off at a step, with a node that starts by itself before anybody looks.
#[test]
fn a_node_runs_in_between() {
    let story = Story::new();
    story.fresh();
    let without_units = story.guardian.silent_rows();
    let mut seen = std::collections::BTreeSet::new();
    for at in 1..MOST {
        story.fresh();
        story.guardian.go_on_with(&without_units);
        if story.faulty(&story.restore(), NEW_DATABASE, Fault::Kill(at)).exit == 0 {
            break;
        }
        let Some(step) = story.guardian.step(1).filter(|step| seen.insert(step.clone())) else { continue };
        // It continues with the database that it finds, and makes units.
        story.guardian.go_on_with(&story.old);
        Run::of("fm-checkpoint", &story.restore()).exits(0);
        let guard = story.guardian.guard().expect("a guard")["until_session"].clone();
        if step == "swapped" {
            // On the restored database, under its guard: that one is proven as it has grown.
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
        // Once an undo has begun, a restore is refused until the undo has ended.
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

/// Full in the middle of the new database: nothing is left.
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

/// Interrupted at some moment, it leaves the old state, or reports that the new database is in place.
#[test]
fn interrupted() {
    let story = Story::new();
    let before = story.guardian.entries();
    let mut in_time = 0;
    for delay in 0..12 {
        story.fresh();
        let child = command(binary("fm-checkpoint")).args(story.restore()).spawn().expect("it starts");
        thread::sleep(Duration::from_millis(3 + 4 * delay));
        signalled(&child, Signal::INT);
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

/// Two at a time: one does the work, the other is refused.
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
        // The later one finds it done.
        assert!(story.is_new());
        let broken =
            story.guardian.entries().iter().filter(|name| name.starts_with("database.broken-")).count();
        assert_eq!(broken, 1);
    }
}
