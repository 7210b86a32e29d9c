//! The database in place is broken in every way: it is kept as it is, and what it cannot show is not guessed.

use std::fs;
use std::path::Path;

use fm_tests::{Restorable, checkpoint, digest, file_list, rows};

/// The damage that is done to a database.
type Break = fn(&Path);

fn remove(database: &Path, ending: &str) {
    for name in names(database, ending) {
        fs::remove_file(database.join(name)).expect("the file");
    }
}

fn names(database: &Path, part: &str) -> Vec<String> {
    let names = file_list(database).into_iter().map(|name| name.display().to_string());
    names.filter(|name| name.contains(part)).collect()
}

fn cut(database: &Path, part: &str, left: impl Fn(u64) -> u64) {
    for name in names(database, part) {
        let file = fs::OpenOptions::new().write(true).open(database.join(name)).expect("the file");
        let length = file.metadata().expect("its length").len();
        file.set_len(left(length)).expect("it can be cut");
    }
}

/// Ways to break it, and whether it still shows up to which session units were made.
const BROKEN: [(&str, Break, bool); 11] = [
    ("a table cut short", |database| cut(database, ".sst", |length| length / 2), true),
    ("a table gone", |database| remove(database, ".sst"), true),
    // Damage away from the newest sessions and the units, which can still be read.
    ("a byte of a table", |database| flip(database, ".sst"), false),
    ("no list of files", |database| remove(database, "MANIFEST"), true),
    ("the list of files cut", |database| cut(database, "MANIFEST", |length| length / 2), true),
    ("no CURRENT", |database| remove(database, "CURRENT"), true),
    ("garbage in CURRENT", |database| fs::write(database.join("CURRENT"), [0xFF; 40]).expect("a file"), true),
    ("no log", |database| remove(database, ".log"), true),
    ("nothing in it", |database| remove(database, ""), true),
    ("the end of the log torn", |database| cut(database, ".log", |length| length - 3), false),
    ("no LOCK", |database| remove(database, "LOCK"), false),
];

fn flip(database: &Path, part: &str) {
    for name in names(database, part) {
        let path = database.join(name);
        let mut bytes = fs::read(&path).expect("the file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).expect("the file");
    }
}

#[test]
fn whatever_is_broken_is_kept_and_restored_over() {
    for (what, harm, is_silent) in BROKEN {
        let guardian = Restorable::new(0);
        harm(&guardian.database());
        let broken = digest(&guardian.database());
        if is_silent {
            let before = digest(&guardian.path());
            let run = guardian.restore(24, &[]).exits(2);
            assert!(run.sentence().contains("it is not known up to which session"), "{what}: {}", run.stderr);
            assert!(run.sentence().contains("at least 26"), "{what}: {}", run.stderr);
            assert!(run.stderr.contains("--guard-until"), "{what}: {}", run.stderr);
            // The plan is shown nevertheless.
            let plan = run.json().remove(0);
            assert_eq!((&plan["type"], &plan["guard_at_least"]), (&"plan".into(), &26.into()), "{what}");
            let low = guardian.restore(24, &["--guard-until", "25"]).exits(2);
            assert!(low.sentence().contains("too low"), "{what}: {}", low.stderr);
            assert_eq!(digest(&guardian.path()), before, "{what}");
        }
        let more: &[&str] = if is_silent { &["--guard-until", "31"] } else { &[] };
        let verdict = guardian.restore(24, more).exits(0).verdict();
        let until = if is_silent { 31 } else { 26 + u64::from(what.contains("torn")) };
        assert_eq!(verdict["guard_until"], until, "{what}");
        assert!(rows(&guardian.database()) == guardian.checkpoint_rows(24), "{what}");
        assert_eq!(digest(&guardian.entry("database.broken-")), broken, "{what}");
        guardian.run("undo", &["--yes"]).exits(0);
        assert_eq!(digest(&guardian.database()), broken, "{what}");
    }
}

/// There is no database at all: nothing is kept, and the undo leads back to none.
#[test]
fn a_lost_database() {
    let guardian = Restorable::new(3);
    fs::remove_dir_all(guardian.database()).expect("the database");
    guardian.restore(25, &[]).exits(2);
    // One digit too many keeps the guardian silent for years: the plan says for how long.
    let plan = |until: &str| {
        let run = checkpoint!(
            "restore",
            "--data-dir",
            guardian.path(),
            "--checkpoint",
            "25",
            "--dry-run",
            "--guard-until",
            until
        );
        run.exits(0).stdout
    };
    let (far, near) = (plan("100025"), plan("504"));
    assert!(far.contains("100,000 sessions beyond session 25") && far.contains("208 day(s)"), "{far}");
    assert!(!near.contains("day(s)"), "{near}");
    guardian.restore(25, &["--guard-until", "30"]).exits(0);
    assert!(rows(&guardian.database()) == guardian.checkpoint_rows(25));
    assert_eq!(guardian.entries(), ["database", "equivocation-guard.json", "restore-journal"]);
    guardian.run("undo", &["--yes"]).exits(0);
    assert!(!guardian.database().exists() && guardian.guard().is_none());
    assert!(rows(&guardian.entry("database.undone-")) == guardian.checkpoint_rows(25));
}

/// A database that is older than its own checkpoints did not run last.
#[test]
fn an_old_copy_in_place() {
    let guardian = Restorable::new(0);
    fs::remove_dir_all(guardian.database()).expect("the database");
    fm_tests::copy_dir(&guardian.path().join("db_checkpoints/23"), &guardian.database());
    let run = guardian.restore(24, &[]).exits(2);
    assert!(run.sentence().contains("there is a newer state, of session 25"), "{}", run.stderr);
    guardian.restore(24, &["--guard-until", "26"]).exits(0);
}

/// It is unknown which guardian this is; then any units count.
#[test]
fn an_unknown_guardian() {
    let guardian = Restorable::new(0);
    let wanted = guardian.checkpoint_rows(25);
    fs::write(guardian.path().join("local.json"), "{}").expect("the file");
    guardian.restore(25, &[]).exits(0);
    let guard = guardian.guard().expect("a guard");
    assert_eq!((&guard["until_session"], &guard["peer"]), (&26.into(), &serde_json::Value::Null));
    assert!(rows(&guardian.database()) == wanted);
    // A guardian that made no units in the open session stays silent only as long as it must.
    let other = Restorable::new(0);
    other.go_on_with(&other.silent_rows());
    assert_eq!(other.restore(24, &[]).exits(0).verdict()["guard_until"], 25);
    // Items of its own whose units are gone: it made some, and nobody knows up to which round.
    let lost = Restorable::new(0);
    let rows: Vec<_> = rows(&lost.database()).into_iter().filter(|(key, _)| key[0] != 0x05).collect();
    lost.go_on_with(&rows);
    assert!(lost.restore(24, &[]).exits(2).sentence().contains("none of its units"));
}
