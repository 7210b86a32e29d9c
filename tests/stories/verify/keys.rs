//! The trust root: keys that are read over the telephone, written as a file, and files that are not keys.

use std::fs;

use fm_tests::{Run, copy_dir, fixture, fixture_json, hbbft, verify};
use serde_json::{Value, json};

fn keys(run: Run) -> Value {
    let mut lines = run.exits(0).json();
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

/// An audit accepts the file, and names the same keys.
#[test]
fn a_file_of_keys_proves_what_the_config_proves() {
    let home = tempfile::tempdir().expect("a directory");
    for (place, kind) in [("hbbft-v0.1.5/peer-0", "epochs"), ("session-v0.5.0/peer-0", "sessions")] {
        let (guardian, file) = (fixture(place), home.path().join(kind));
        let shown = keys(verify!("keys", guardian, "--out", file, "--json"));
        let set = &shown["key_sets"][0];
        assert_eq!((&set["kind"], &shown["file"]), (&json!(kind), &json!(file.to_str())));
        let (by_config, by_file) =
            (verify!(guardian, "--config", guardian, "--json"), verify!(guardian, "--keys", file, "--json"));
        for run in [by_config.clone(), by_file] {
            assert_eq!(run.exits(0).verdict()["keys"]["key_set"], set["key_set"]);
        }
        let verdict = by_config.verdict();
        assert_eq!(verdict["federation"], shown["federation"]);
        assert_eq!(verdict["federation_name"], shown["federation_name"]);
        assert_eq!(verdict["guardians"]["2"], "peer-2");
        // The written file is shown like its source.
        let again = keys(verify!("keys", file, "--json"));
        assert_eq!((&again["key_sets"][0], &again["federation"]), (set, &Value::Null));
        assert!(verify!("keys", guardian, "--out", file).exits(2).sentence().contains("exists already"));
        assert!(!fs::read_to_string(&file).expect("the file").contains("secret"));
    }
    // From a configuration with both kinds, each can be written.
    let file = home.path().join("others");
    let shown = keys(verify!("keys", hbbft("peer-0"), "--out", file, "--of", "sessions", "--json"));
    let again = keys(verify!("keys", file, "--json"));
    assert_eq!(again["key_sets"], json!([shown["key_sets"][1]]));
    let session = fixture("session-v0.5.0/peer-0");
    let run = verify!("keys", session, "--out", home.path().join("none"), "--of", "epochs").exits(2);
    assert!(run.sentence().contains("has no keys of epochs"), "{}", run.stderr);
}

/// Groups and words are those of the name that a verdict prints, and every guardian's configuration has the
/// same.
#[test]
fn what_is_read_over_the_telephone() {
    let shown = keys(verify!("keys", fixture("session-v0.5.0/peer-0"), "--json"));
    let set = &shown["key_sets"][0];
    let text = |name: &str| set[name].as_str().expect("text").to_owned();
    assert_eq!(text("groups").replace(' ', ""), text("key_set"));
    assert!(text("groups").split(' ').all(|group| group.len() == 4));
    assert_eq!(text("words").split(' ').count() * 2, text("key_set").len());
    // 1f 50 97 c3: a word of two syllables, one of three, and so on.
    assert!(
        text("key_set").starts_with("1f5097c3")
            && text("words").starts_with("billiard embezzle preshrunk replica ")
    );
    assert_eq!((&shown["federation_name"], &set["threshold"]), (&json!("fixture"), &json!(3)));
    for peer in 1..4 {
        let other = keys(verify!("keys", fixture(&format!("session-v0.5.0/peer-{peer}")), "--json"));
        assert_eq!((&other["key_sets"], &other["federation"]), (&shown["key_sets"], &shown["federation"]));
    }
    let people = verify!("keys", fixture("session-v0.5.0/peer-0")).exits(0).stdout;
    for part in
        [&text("key_set"), "guardian   3 \"peer-3\", signs with 035d0d70", "words    billiard embezzle"]
    {
        assert!(people.contains(part), "{part} is not in\n{people}");
    }
}

/// Names are shown in quotes and as they are; only invisible characters are written out.
#[test]
fn names_are_shown_as_they_are() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = home.path().join("guardian");
    copy_dir(&fixture("session-v0.5.0/peer-0"), &guardian);
    let mut config = fixture_json("session-v0.5.0/peer-0/consensus.json");
    let name = "the \"old\" cafe\u{301} of O'Neil \\ Söhne";
    config["api_endpoints"]["2"]["name"] = json!(name);
    config["meta"]["federation_name"] = json!(json!(format!("{name}\u{202e}")).to_string());
    fs::write(guardian.join("consensus.json"), config.to_string()).expect("a file");
    for run in [verify!(guardian, "--config", guardian), verify!("keys", guardian)] {
        let people = run.exits(0).stdout;
        assert!(people.contains(&format!("2 \"{name}\"")), "{people}");
        assert!(people.contains(&format!("\"{name}\\u{{202e}}\"\n")), "{people}");
    }
}

/// The bundled files of keys hold secret keys: they are refused, and the message shows the right form.
#[test]
fn files_that_are_no_keys() {
    for folder in ["aleph-a4177cea3", "broadcast-v0.1.5", "session-v0.2.0-rc1", "synth-v0.5.0"] {
        let file = fixture(folder).join("keys.json");
        for run in [verify!(hbbft("peer-0"), "--keys", file), verify!("keys", file)] {
            let run = run.exits(2);
            assert!(run.stderr.contains("not a keys file"), "{}", run.stderr);
            assert!(
                run.stderr.contains("\"epoch_pk_set\"") && run.stderr.contains("<66 hex digits>"),
                "{}",
                run.stderr
            );
            assert!(run.stderr.contains("fm-verify keys CONFIG --out FILE"), "{}", run.stderr);
        }
    }
    verify!("keys", fixture("README.md")).exits(2).sentence();
    verify!("keys", fixture("").join("nowhere")).exits(3).sentence();
}

/// A verdict's fields about itself: which program, when, whose history, which rows.
#[test]
fn where_a_verdict_is_from() {
    let home = tempfile::tempdir().expect("a directory");
    for place in ["hbbft-v0.1.5/peer-0", "session-v0.5.0/peer-1"] {
        let (guardian, archive) = (fixture(place), home.path().join("state.fmar"));
        let _ = fs::remove_file(&archive);
        let verdict = verify!(guardian, "--config", guardian, "--json").exits(0).verdict();
        assert!(
            verdict["program"].as_str().is_some_and(|program| program.starts_with("fm-verify ")),
            "{verdict}"
        );
        assert_eq!(verdict["date"].as_str().map(str::len), Some(10), "{verdict}");
        let exported =
            fm_tests::checkpoint!("export", guardian, "--to", archive, "--config", guardian, "--json");
        assert_eq!(
            verdict["identity"],
            exported.exits(0).verdict()["identity"],
            "an archive has the same rows"
        );
        let of_archive = verify!(archive, "--config", guardian, "--json").exits(0).verdict();
        assert_eq!(of_archive["identity"], verdict["identity"]);
        let part =
            verify!(guardian, "--config", guardian, "--from", "1", "--to", "2", "--json").exits(4).verdict();
        assert_eq!(part["identity"], Value::Null, "not all rows were looked at");
        let page = home.path().join("page.html");
        let _ = fs::remove_file(&page);
        verify!("report", guardian, "--config", guardian, "--html", page).exits(0);
        let page = fs::read_to_string(&page).expect("the page");
        for name in ["identity", "date", "program", "federation"] {
            let value = verdict[name].as_str().expect("text");
            assert!(page.contains(value), "{name}: {value}");
        }
        assert!(page.contains("peer-2"), "the guardians' names");
    }
    // From the configuration in the data directory; without one, nothing names the federation.
    let found = verify!(hbbft("peer-0"), "--json").exits(4).verdict();
    let pinned = verify!(hbbft("peer-0"), "--config", hbbft("peer-0"), "--json").exits(0).verdict();
    for name in ["federation", "federation_name", "guardians", "identity"] {
        assert_eq!(found[name], pinned[name], "{name}");
    }
    let alone = home.path().join("alone");
    copy_dir(&hbbft("peer-0").join("database"), &alone);
    let unpinned = verify!(alone, "--json").exits(4).verdict();
    assert_eq!((&unpinned["federation"], &unpinned["guardians"]), (&Value::Null, &json!({})));
}
