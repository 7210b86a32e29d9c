//! An audit of the session in progress: its units are checked as one graph, and every accepted item must be
//! in one of them.

use fm_forge::damage::{edit_row, rewrite};
use fm_rows::Row;
use fm_tests::{Guardian, codes, guardians, layout, rows_under};

const FOLDER: &str = "session-v0.5.0";

fn units_prefix() -> u8 {
    layout("v0.4").units
}

fn pending_prefix() -> u8 {
    layout("v0.4").pending.expect("a table of pending items")
}

/// Returns the last row of a table.
fn last_row(guardian: &Guardian, prefix: u8) -> Row {
    rows_under(&guardian.path.join("database"), prefix).pop().expect("the table has rows")
}

#[test]
fn real_units_hold_what_was_accepted() {
    let home = tempfile::tempdir().expect("a directory");
    let mut with_units = 0;
    for folder in [FOLDER, "session-v0.2.0-rc1", "aleph-a4177cea3", "broadcast-v0.1.5"] {
        for guardian in guardians(folder, home.path()) {
            let run = guardian.verify().exits(0);
            let verdict = run.verdict();
            with_units += u64::from(verdict["units"].as_u64().expect("a number") > 0);
            assert_eq!(run.findings(), Vec::<serde_json::Value>::new(), "{}", guardian.name);
        }
    }
    assert!(with_units >= 4, "{with_units}");
}

#[test]
fn an_accepted_item_that_no_unit_holds() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = guardians(FOLDER, home.path()).remove(0);
    let (key, value) = last_row(&guardian, pending_prefix());
    let copy = home.path().join("copy");
    // The same item of another guardian: the last byte is its proposer.
    let change = edit_row(key, |value| {
        let mut value = value.to_vec();
        *value.last_mut()? = (value.last()? + 1) % 4;
        Some(value)
    });
    rewrite(&guardian.path.join("database"), &copy, change).expect("the copy");
    let run = guardian.verify_at(&copy).exits(1);
    let found: Vec<String> = codes(&run.findings()).into_iter().map(|(code, _)| code).collect();
    assert_eq!(found, ["accepted-item-not-ordered"], "{value:?}");
    // The history itself is as sound as it was.
    assert_eq!(run.verdict()["proven_to"], guardian.verify().verdict()["proven_to"]);
}

#[test]
fn a_unit_that_nobody_signed() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = guardians(FOLDER, home.path()).remove(0);
    let rows = rows_under(&guardian.path.join("database"), units_prefix());
    let (key, _) = rows[rows.len() / 2].clone();
    let mut found = std::collections::BTreeSet::new();
    for place in [3, 20, 60] {
        let copy = home.path().join(format!("copy-{place}"));
        let change = edit_row(key.clone(), move |value| {
            let mut value = value.to_vec();
            let at = value.len() - 1 - place.min(value.len() - 1);
            value[at] ^= 0x20;
            Some(value)
        });
        rewrite(&guardian.path.join("database"), &copy, change).expect("the copy");
        let run = guardian.verify_at(&copy);
        found.extend(codes(&run.findings()).into_iter().map(|(code, _)| code));
        assert_eq!(run.exit, 1, "{}", run.stdout);
    }
    assert!(found.iter().any(|code| code.starts_with("unit-")), "{found:?}");
}

#[test]
fn units_in_no_known_form_are_said_to_be_unchecked() {
    let home = tempfile::tempdir().expect("a directory");
    // It was made up, units and all.
    let guardian = guardians("synth-v0.5.0", home.path()).remove(0);
    let run = guardian.verify().exits(0);
    assert_eq!(codes(&run.findings()), [("units-unchecked".to_owned(), None)]);
    assert_eq!(run.verdict()["units"], 0);
    // The same rows in place of good ones.
    let other = guardians(FOLDER, home.path()).remove(0);
    let copy = home.path().join("copy");
    let garbage = edit_row(last_row(&other, units_prefix()).0, |_| Some(vec![0x5A; 40]));
    rewrite(&other.path.join("database"), &copy, garbage).expect("the copy");
    let run = other.verify_at(&copy).exits(1);
    assert!(codes(&run.findings()).iter().any(|(code, _)| code.starts_with("unit-")), "{}", run.stdout);
}
