//! A session that continued past its last round: what is in those rounds does not count, and is reported as
//! such.

use std::ffi::OsString;

use fm_tests::{Run, copy_dir, verify};
use serde_json::{Value, json};

use super::{guardian, line, number, run};

/// The rounds of a session of the federation.
const ROUNDS: u64 = 200;

#[test]
fn rounds_past_the_end_are_counted_apart() {
    let path = guardian("session-v0.13.0-iroh", "peer-0");
    let lines = run("fm-migrate", &["units", "--replay", "--json"], &path, Some(&path)).exits(0).json();
    let units = line(&lines, "units");
    // The same, counted from the items themselves.
    let items = lines.iter().filter(|line| line["type"] == "item");
    let late = items.filter(|item| number(&item["round"]) >= ROUNDS).count();
    assert!(late > 1000, "{late}");
    let past_end = &units["past_end"];
    assert_eq!((&past_end["rounds"], &past_end["items"]), (&json!(ROUNDS), &json!(late)));
    let units_past_end = number(&past_end["units"]);
    assert!(units_past_end > 100 && units_past_end < number(&units["units"]), "{past_end}");
    let replay = line(&lines, "replay");
    let (all, stored) = (number(&replay["items_ordered"]), &replay["databases"][0]);
    let of = |field: &str| number(&stored[field]);
    assert_eq!(of("accepted"), 9139);
    assert_eq!(of("missing"), 0);
    assert_eq!(of("accepted") + of("discarded") + of("behind") + of("past_end"), all);
    let ordered: Vec<&Value> = lines.iter().filter(|line| line["type"] == "ordered_item").collect();
    let late: Vec<&&Value> = ordered.iter().filter(|item| item["past_end"] == true).collect();
    assert_eq!(late.len() as u64, of("past_end"));
    assert!(late.iter().all(|item| item["accepted"] == false), "what does not count was not accepted");
    let first_late = ordered.iter().position(|item| item["past_end"] == true).expect("an item");
    assert!(ordered[..first_late].iter().all(|item| number(&item["round"]) < ROUNDS));
    assert_eq!(number(&ordered[first_late]["round"]), ROUNDS);
    let reported = run("fm-migrate", &["units", "--replay"], &path, Some(&path)).exits(0).stdout;
    assert!(
        reported.contains("are past the end of the session at round 200 and do not count"),
        "{}",
        &reported[reported.len() - 400..]
    );
    // The audit says the same.
    let verdict = verify!(path, "--config", path, "--json").exits(0).verdict();
    assert_eq!(&verdict["past_end"], past_end);
    let reported = verify!(path, "--config", path).exits(0).stdout;
    assert!(reported.contains("past the end of the session at round 200"), "{reported}");
    // So does the plan of a restore.
    let home = tempfile::tempdir().expect("a directory");
    let copy = home.path().join("guardian");
    copy_dir(&path, &copy);
    let words = ["restore", "--checkpoint", "10", "--dry-run", "--json", "--data-dir"].map(OsString::from);
    let planned = Run::of("fm-checkpoint", &[&words[..], &[copy.into()]].concat()).exits(0);
    let plan = line(&planned.json(), "plan");
    assert_eq!(plan["old"]["units_past_end"], units_past_end, "{plan}");
}

/// Keys alone do not say how long a session is, so nothing is said of it.
#[test]
fn without_a_configuration_no_end_is_known() {
    let home = tempfile::tempdir().expect("a directory");
    let (path, keys) = (guardian("session-v0.13.0-iroh", "peer-3"), home.path().join("keys.json"));
    verify!("keys", path, "--out", keys).exits(0);
    let verdict = verify!(path, "--keys", keys, "--json").exits(0).verdict();
    assert_eq!(verdict["past_end"], Value::Null);
    assert_eq!(verdict["units"], 1565);
    // If no session continued past its end, numbers say so, and no words do.
    let other = guardian("session-v0.13.0", "peer-0");
    let verdict = verify!(other, "--config", other, "--json").exits(0).verdict();
    assert_eq!(verdict["past_end"], json!({ "rounds": ROUNDS, "units": 0, "items": 0 }));
    assert!(!verify!(other, "--config", other).exits(0).stdout.contains("past the end"));
}
