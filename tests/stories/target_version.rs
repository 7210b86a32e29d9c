//! `--target-version`: the result is for a version of the server that knows every record in it, or there is no result.

use std::fs;
use std::path::Path;

use fm_forge::damage::rewrite_and_add;
use fm_store::Row;
use fm_tests::{Guardian, Sessions, codes, guardians, layout, manifest, partial_of, rows};

/// `check` and `convert` say the same.
#[track_caller]
fn refused(guardian: &Guardian, target: &Path, more: &[&str], records: &str) {
    for run in [guardian.check(more), guardian.convert(target, more)] {
        let run = run.exits(1);
        let sentence = run.sentence();
        assert!(sentence.contains("does not read what is in this database"), "{sentence}");
        assert!(sentence.ends_with(records), "{sentence}\nand not {records}");
        assert_eq!(run.verdict()["verdict"], "refused");
    }
    assert!(!target.exists() && !partial_of(target).exists());
}

/// `check` and `convert` agree, and the manifest names the version; gives the codes of what was found.
#[track_caller]
fn accepted(guardian: &Guardian, target: &Path, more: &[&str], version: &str) -> Vec<String> {
    let check = guardian.check(more).exits(0);
    let run = guardian.convert(target, more).exits(0);
    assert_eq!(check.findings(), run.findings());
    assert_eq!(manifest(target)["target_version"], version);
    assert!(rows(&target.join("database")) == guardian.rows());
    guardian.verify_at(target).exits(0);
    fs::remove_dir_all(target).expect("the target can be removed");
    codes(&run.findings()).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn records_that_the_version_does_not_know() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    // v0.5.0 announces the addresses of its interfaces; v0.3 knows no such table.
    for guardian in guardians("session-v0.5.0", home.path()) {
        for version in ["0.2", "0.3", "0.3.3", "v0.3"] {
            refused(&guardian, &target, &["--target-version", version], ": 4 api_announcement");
        }
        for (option, version) in [("0.4", "0.4"), ("v0.5.0", "0.5"), ("0.13", "0.13")] {
            assert_eq!(accepted(&guardian, &target, &["--target-version", option], version), [""; 0]);
        }
        assert_eq!(accepted(&guardian, &target, &[], "0.13"), [""; 0]);
    }
    // Every table of today.
    let sessions = Sessions::of(layout("v0.4"), 6);
    let guardian = sessions.guardian();
    for (version, records) in [
        ("0.2", ": 1 api_announcement, 1 guardian_metadata, 1 server_info"),
        ("0.5", ": 1 guardian_metadata, 1 server_info"),
        ("0.6", ": 1 guardian_metadata"),
        ("0.10", ": 1 guardian_metadata"),
    ] {
        refused(&guardian, &target, &["--target-version", version], records);
    }
    assert_eq!(accepted(&guardian, &target, &["--target-version", "0.11"], "0.11"), [""; 0]);
}

/// Units of v0.2 and v0.3 are not read by later versions: a warning, and a refusal if such a version was named.
#[test]
fn units_that_the_version_does_not_read() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    for guardian in guardians("session-v0.2.0-rc1", home.path()) {
        let units = guardian.rows().iter().filter(|(key, _)| key[0] == 0x05).count();
        let records = format!(": {units} units of the open session, in the form of v0.2 and v0.3");
        for version in ["0.4", "0.5", "0.13"] {
            refused(&guardian, &target, &["--target-version", version], &records);
        }
        for version in ["0.2", "0.3"] {
            assert_eq!(accepted(&guardian, &target, &["--target-version", version], version), [""; 0]);
        }
        assert_eq!(accepted(&guardian, &target, &[], "0.13"), ["units-unreadable"]);
        let run = guardian.check(&[]);
        let message = run.findings()[0]["message"].as_str().expect("a message").to_owned();
        assert!(message.starts_with(&format!("the open session has {units} units")), "{message}");
    }
}

#[test]
fn versions_that_are_none() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    let sources = ["broadcast-v0.1.5", "session-v0.2.0-rc1", "session-v0.5.0"];
    for guardian in sources.map(|folder| guardians(folder, home.path()).remove(0)) {
        let nonsense = ["", "x", "0", "13", "0.x", "0.5.x", "0.5.0.1", "0.5-rc1", "-1.2", "0.99999", " 0.5"];
        // No sessions before v0.2, and nobody knows what is behind the newest.
        let unknown = ["0.1", "0.1.5", "0.14", "1.0", "65535.65535"];
        for version in nonsense.into_iter().chain(unknown) {
            let option = format!("--target-version={version}");
            for run in [guardian.check(&[&option]), guardian.convert(&target, &[&option])] {
                let run = run.exits(2);
                assert!(run.stderr.contains("--target-version"), "{version}: {}", run.stderr);
                assert_eq!((run.failure()["type"].as_str(), run.json().len()), (Some("failure"), 1));
            }
            assert!(!target.exists() && !partial_of(&target).exists(), "{version}");
        }
    }
}

/// What no version knows is refused, whatever the target; an audit warns of it.
#[test]
fn records_that_no_version_knows() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    let strange: [Row; 2] = [(vec![0x42, 1], vec![7]), (vec![0x43], Vec::new())];
    for folder in ["session-v0.2.0-rc1", "session-v0.5.0", "synth-v0.5.0"] {
        let good = guardians(folder, home.path()).remove(0);
        let copy = home.path().join(folder);
        let same = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
        rewrite_and_add(&good.path.join("database"), &copy, same, &strange).expect("a copy");
        let guardian = Guardian { path: copy, ..good };
        for more in [&[][..], &["--target-version", "0.13"], &["--target-version", "0.3"]] {
            for run in [guardian.check(more), guardian.convert(&target, more)] {
                let run = run.exits(1);
                assert!(run.sentence().ends_with("2 unknown"), "{}", run.stderr);
            }
        }
        assert!(!target.exists() && !partial_of(&target).exists(), "{folder}");
        let mut expected = vec![("unknown-prefix".to_owned(), None); 2];
        // Some of what the made-up database has in the place of units are none.
        if folder == "synth-v0.5.0" {
            expected.insert(0, ("units-unchecked".to_owned(), None));
        }
        assert_eq!(codes(&guardian.verify().exits(0).findings()), expected, "{folder}");
        assert_eq!(codes(&guardian.verify_with(&["--strict"]).exits(1).findings()), expected, "{folder}");
    }
}
