//! Several guardians' states side by side: who is together, who is off, since which session.

use std::path::{Path, PathBuf};

use fm_forge::damage;
use fm_tests::{Run, checkpoint, converted, fixture, hbbft, rewritten, root};
use serde_json::{Value, json};

fn peer(number: u8) -> PathBuf {
    fixture("session-v0.5.0").join(format!("peer-{number}"))
}

fn compare(sources: &[&Path], exit: i32) -> (Vec<Value>, Value) {
    let mut words = vec!["compare".into(), "--json".into()];
    words.extend(sources.iter().map(|source| source.as_os_str().to_owned()));
    let run = Run::of("fm-checkpoint", &words).exits(exit);
    (run.json(), run.verdict())
}

/// A copy of a guardian's database with one byte of some sessions changed.
fn forked(from: &Path, to: &Path, sessions: &[u8]) {
    let flip = |key: &[u8], value: &[u8]| {
        let mut value = value.to_vec();
        if matches!(key, [4, session] if sessions.contains(session)) {
            // Inside of the first item, behind count, kind and lengths.
            value[40] ^= 1;
        }
        Some((key.to_vec(), value))
    };
    damage::rewrite_and_add(&from.join("database"), to, flip, &[]).expect("it can be rewritten");
}

#[test]
fn equal_guardians_are_together_wherever_they_are() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = home.path().join("1.fmar");
    checkpoint!("export", peer(1), "--to", archive).exits(0);
    let headers = home.path().join("2.fmar");
    checkpoint!("export", peer(2), "--to", headers, "--profile", "headers").exits(0);
    let behind = peer(3).join("db_checkpoints/24");
    let (lines, verdict) = compare(&[&peer(0), &archive, &headers, &behind], 0);
    assert_eq!((&verdict["verdict"], &verdict["session"]), (&"equal".into(), &Value::Null));
    assert_eq!((&verdict["common_end"], &verdict["groups"]), (&24.into(), &json!([[0, 1, 2, 3]])));
    let roots: Vec<&Value> =
        lines.iter().filter(|line| line["type"] == "source").map(|line| &line["common_root"]).collect();
    assert!(roots.iter().all(|root| **root == verdict["history_root"]), "{roots:?}");
    let alone = checkpoint!("verify", archive, "--json").exits(4).verdict();
    assert_eq!(lines[1]["history_root"], root(&alone).as_str());
    assert_ne!(lines[3]["history_root"], lines[0]["history_root"]);
    // State is compared among those at the same point: not with the one behind, not with headers alone.
    assert_eq!(verdict["state_compared"], json!([0, 1]));
    assert_eq!(verdict["state_differs"], json!([300]), "votes of the meta module are each guardian's own");
    let modules: Vec<&Value> = lines.iter().filter(|line| line["type"] == "module").collect();
    assert!(modules.iter().any(|module| module["equal"] == true));
    let (_, same) = compare(&[&peer(0), &peer(0).join("database")], 0);
    assert_eq!(same["state_differs"], json!([]));
}

/// A side that lacks a session where nobody has one to compare is not called equal; a shorter one has no hole.
#[test]
fn a_hole_is_named() {
    let home = tempfile::tempdir().expect("a directory");
    let (whole, holed, beyond) =
        (home.path().join("whole.fmar"), home.path().join("holed.fmar"), home.path().join("beyond.fmar"));
    checkpoint!("export", peer(1), "--to", whole).exits(0);
    rewritten(&whole, &holed, 1 << 20, |_| {}, |row| (row.0 != [4, 9]).then_some(row));
    let moved = |mut row: (Vec<u8>, Vec<u8>)| {
        if row.0 == [4, 25] {
            row.0[1] = 27;
        }
        Some(row)
    };
    rewritten(&whole, &beyond, 1 << 20, |_| {}, moved);
    let shorter = peer(0).join("db_checkpoints/24");
    for (sources, holes) in
        [([&holed, &holed], [json!(9), json!(9)]), ([&shorter, &beyond], [Value::Null, json!(25)])]
    {
        let (lines, verdict) = compare(&sources.map(PathBuf::as_path), 4);
        assert_eq!(verdict["verdict"], "incomplete", "{sources:?}");
        assert_eq!([&lines[0]["hole"], &lines[1]["hole"]], holes.each_ref());
    }
    let text = checkpoint!("compare", shorter, beyond).exits(4).stdout;
    assert!(text.contains("INCOMPLETE: 1 lacks session 25 and has later ones"), "{text}");
    // Against a session that the other side has it is a difference, as before.
    let (_, verdict) = compare(&[&peer(0), &holed], 1);
    assert_eq!((&verdict["verdict"], &verdict["session"]), (&json!("different"), &json!(9)));
    // A base for nothing is said to be that.
    let run = checkpoint!("verify", whole, "--base", whole).exits(2);
    assert!(run.sentence().contains("is not an increment: leave --base"), "{}", run.stderr);
}

#[test]
fn the_first_difference_is_named_and_who_is_off() {
    let home = tempfile::tempdir().expect("a directory");
    let (late, early) = (home.path().join("late"), home.path().join("early"));
    forked(&peer(2), &late, &[20, 22]);
    forked(&peer(3), &early, &[7]);
    let (lines, verdict) = compare(&[&late, &peer(0), &early, &peer(1), &peer(3)], 1);
    assert_eq!((&verdict["verdict"], &verdict["session"]), (&"different".into(), &7.into()));
    assert_eq!((&verdict["majority"], &verdict["groups"]), (&0.into(), &json!([[1, 3, 4], [0], [2]])));
    assert_eq!((&lines[0]["off_since"], &lines[2]["off_since"]), (&20.into(), &7.into()));
    assert_eq!(lines[1]["off_since"], Value::Null);
    assert_eq!(lines[1]["history_root"], verdict["history_root"]);
    let (_, split) = compare(&[&late, &peer(0)], 1);
    assert_eq!((&split["majority"], &split["session"]), (&Value::Null, &20.into()));
    // Of two, nothing says which is off.
    let (sources, _) = compare(&[&late, &peer(0)], 1);
    assert!(sources.iter().all(|source| source["off_since"].is_null()), "{sources:?}");
    let text = checkpoint!("compare", late, peer(0)).exits(1).stdout;
    assert!(text.contains("apart      1, since session 20") && !text.contains("\noff "), "{text}");
    assert!(text.contains("which of the 2 is off is not known"), "{text}");
    let text = checkpoint!("compare", late, peer(0), early, peer(1)).exits(1).stdout;
    for line in
        ["together   1, 3", "apart      2, since session 7", "apart      0, since session 20", "no majority"]
    {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    // A session that is missing is a difference, a shorter history is none.
    let hole = home.path().join("hole");
    let without = |key: &[u8], value: &[u8]| (key != [4, 12]).then(|| (key.to_vec(), value.to_vec()));
    damage::rewrite_and_add(&peer(2).join("database"), &hole, without, &[]).expect("it can be rewritten");
    let (lines, verdict) = compare(&[&hole, &peer(0), &peer(1)], 1);
    assert_eq!((&verdict["session"], &lines[0]["off_since"]), (&12.into(), &12.into()));
    assert_eq!(lines[0]["history_root"], Value::Null);
}

/// An old history and what was converted from it are one.
#[test]
fn eras_are_compared_by_what_they_become() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("converted");
    converted(&hbbft("peer-1"), &target);
    let (_, verdict) = compare(&[&hbbft("peer-0"), &target, &hbbft("peer-3")], 0);
    assert_eq!((&verdict["verdict"], &verdict["common_end"]), (&"equal".into(), &318.into()));
    let (_, verdict) = compare(&[&hbbft("peer-0"), &peer(0)], 1);
    assert_eq!(verdict["session"], 0);
    let (_, verdict) = compare(&[&hbbft("peer-0"), &hbbft("peer-1"), &hbbft("bad-b-item-byte")], 1);
    assert_eq!((&verdict["session"], &verdict["groups"]), (&160.into(), &json!([[0, 1], [2]])));
    checkpoint!("compare", peer(0)).exits(2);
    checkpoint!("compare", peer(0), home.path().join("nowhere")).exits(3);
}
