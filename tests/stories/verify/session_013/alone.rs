//! A federation of one: nobody else has what its guardian loses, and it makes no units.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fm_tests::{Run, copy_dir, digest, rows, verify};
use serde_json::{Value, json};

use super::{guardian, line, number, object, run};

/// A copy of the guardian that is alone.
struct Alone {
    home: tempfile::TempDir,
}

impl Alone {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        copy_dir(&guardian("session-v0.13.0-single", "peer-0"), &home.path().join("guardian"));
        Self { home }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("guardian")
    }

    fn run(&self, command: &str, more: &[&str]) -> Run {
        let mut words: Vec<OsString> = vec![command.into(), "--data-dir".into(), self.path().into()];
        words.extend(more.iter().map(OsString::from));
        Run::of("fm-checkpoint", &words)
    }

    fn plan(&self, checkpoint: &str) -> Value {
        let planned = self.run("restore", &["--checkpoint", checkpoint, "--dry-run", "--json"]).exits(0);
        line(&planned.json(), "plan")
    }
}

#[test]
fn the_plan_says_what_is_lost_for_ever() {
    let alone = Alone::new();
    let plan = alone.plan("1");
    assert_eq!(
        (&plan["alone"], &plan["guard_until"], &plan["guard_at_least"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
    assert_eq!((&plan["lost"]["sessions"], &plan["pending"]["items"]), (&json!(1), &json!(83)));
    let transactions = number(&plan["lost"]["transactions"]) + number(&plan["pending"]["transactions"]);
    assert_eq!(transactions, 91);
    let loss = plan["permanent_loss"].as_str().expect("a text");
    for part in ["1 signed session", "83 accepted item", "91 transaction"] {
        assert!(loss.contains(part), "{loss}");
    }
    let people = alone.run("restore", &["--checkpoint", "1", "--dry-run"]).exits(0).stdout;
    for part in [
        "LOST FOR EVER",
        "FORGOTTEN FOR EVER",
        "CAN BE SPENT AGAIN",
        "FOR EVER   ",
        "--accept-permanent-loss",
    ] {
        assert!(people.contains(part), "{part}: {people}");
    }
    for wrong in ["from its peers", "until the other guardians", "makes no units up to"] {
        assert!(!people.contains(wrong), "{wrong}: {people}");
    }
    // The newest checkpoint has every session, but not what was accepted since.
    let plan = alone.plan("latest");
    assert_eq!((&plan["lost"]["sessions"], &plan["pending"]["items"]), (&json!(0), &json!(83)));
    assert!(plan["permanent_loss"].as_str().is_some_and(|loss| loss.contains("48 transaction")), "{plan}");
}

#[test]
fn a_loss_for_ever_is_accepted_by_name_or_refused() {
    let alone = Alone::new();
    let (database, before) = (alone.path().join("database"), digest(&alone.path()));
    for more in [&["--yes"][..], &["--yes", "--json"], &["--yes", "--accept-other-guardian"]] {
        let refused = alone.run("restore", &[&["--checkpoint", "1"], more].concat()).exits(2);
        assert!(refused.sentence().contains("loses for ever: 1 signed session"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--accept-permanent-loss"), "{}", refused.stderr);
    }
    assert_eq!(digest(&alone.path()), before, "a refused restore changes nothing");
    let old = rows(&database);
    // The name alone does not accept the rest.
    alone.run("restore", &["--checkpoint", "1", "--accept-permanent-loss"]).exits(2);
    let more = ["--checkpoint", "1", "--accept-permanent-loss", "--yes"];
    let restored = alone.run("restore", &more).exits(0).stdout;
    assert!(!restored.contains("when the others have finished"), "{restored}");
    assert!(rows(&database) == rows(&guardian("session-v0.13.0-single", "peer-0").join("db_checkpoints/1")));
    assert!(
        !alone.path().join("equivocation-guard.json").exists(),
        "nobody else signs, so there is nothing to keep still in"
    );
    alone.run("undo", &["--yes"]).exits(0);
    assert!(rows(&database) == old);
}

#[test]
fn what_cannot_be_read_may_be_lost_as_well() {
    let alone = Alone::new();
    let newest = std::fs::read_dir(alone.path().join("database")).expect("a directory");
    let manifest = newest
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains("MANIFEST"));
    std::fs::remove_file(manifest.expect("a manifest")).expect("it can be removed");
    let refused = alone.run("restore", &["--checkpoint", "latest", "--yes"]).exits(2);
    assert!(refused.sentence().contains("cannot be read"), "{}", refused.stderr);
    // If nothing exists any more, this discards nothing; it is still reported.
    std::fs::remove_dir_all(alone.path().join("database")).expect("it can be removed");
    let people = alone.run("restore", &["--checkpoint", "latest", "--dry-run"]).exits(0).stdout;
    assert!(people.contains("FOR EVER   "), "{people}");
    alone.run("restore", &["--checkpoint", "latest", "--yes"]).exits(0);
}

#[test]
fn others_give_again_what_one_of_four_loses() {
    let home = tempfile::tempdir().expect("a directory");
    let copy = home.path().join("guardian");
    copy_dir(&guardian("session-v0.13.0", "peer-0"), &copy);
    let words = ["restore", "--checkpoint", "20", "--dry-run", "--json", "--data-dir"].map(OsString::from);
    let planned = Run::of("fm-checkpoint", &[&words[..], &[copy.into()]].concat()).exits(0);
    let plan = line(&planned.json(), "plan");
    assert_eq!((&plan["alone"], &plan["permanent_loss"]), (&json!(false), &Value::Null));
    assert_eq!(plan["guard_until"], 22);
}

fn people(words: &[&str], path: &Path, config: &Path) -> String {
    run("fm-migrate", words, path, Some(config)).exits(0).stdout
}

/// It makes no units: the accepted items are the session in progress.
#[test]
fn a_session_without_units_is_in_progress() {
    let path = guardian("session-v0.13.0-single", "peer-0");
    for words in [&["units"][..], &["units", "--replay"]] {
        let reported = people(words, &path, &path);
        assert!(reported.contains("session    3 (in progress): 83 accepted items and no unit"), "{reported}");
        assert!(!reported.contains("no session is in progress"), "{reported}");
    }
    let lines = run("fm-migrate", &["units", "--json"], &path, Some(&path)).exits(0).json();
    let open = line(&lines, "open");
    assert_eq!((&open["session"], &open["accepted_items"]), (&json!(3), &json!(83)));
    // The end of a session, at which neither is stored.
    let between = path.join("db_checkpoints/2");
    assert!(
        people(&["units"], &between, &path).contains("no unit and no accepted item of a session in progress")
    );
    // Items that nobody ordered have no outcome to write.
    let home = tempfile::tempdir().expect("a directory");
    let out = home.path().join("outcome.fmar");
    let refused = Run::of(
        "fm-migrate",
        &["units".into(), path.clone().into(), "--replay".into(), "--out".into(), out.clone().into()],
    );
    assert!(refused.exits(2).sentence().contains("holds no unit of session 3"));
    assert!(!out.exists());
}

#[test]
fn the_open_session_is_shown_and_not_proven() {
    let path = guardian("session-v0.13.0-single", "peer-0");
    let reported = verify!("show", path, "--session", "3").exits(0).stdout;
    assert!(
        reported.contains("in progress: 83 accepted items") && reported.contains("signed by  nobody"),
        "{reported}"
    );
    let one = object(&verify!("show", path, "--session", "3", "--item", "5", "--json").exits(0));
    assert_eq!(
        (&one["items"], one["list"].as_array().map(Vec::len), &one["list"][0]["item"]),
        (&json!(83), Some(1), &json!(5))
    );
    let none = verify!("show", path, "--session", "3", "--item", "83").exits(1);
    assert!(none.sentence().contains("has no item 83"), "{}", none.stderr);
    for session in ["4", "5", "18446744073709551615"] {
        assert!(verify!("show", path, "--session", session).exits(1).sentence().contains("has no session"));
    }
    let refused = verify!("prove", path, "--session", "3", "--item", "0").exits(1);
    assert!(
        refused.sentence().contains("session 3") && refused.stderr.contains("is in progress"),
        "{}",
        refused.stderr
    );
}
