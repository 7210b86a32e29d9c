//! `--target-version`: the result is for a version of the server that knows every record in it, or there is
//! no result.

use std::fs;
use std::path::Path;

use fm_forge::damage::rewrite_and_add;
use fm_rows::Row;
use fm_tests::{Guardian, Run, Sessions, codes, guardians, layout, manifest, partial_of, rows, verify};
use serde_json::Value;

/// Checks that `check` and `convert` refuse in the same words.
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

/// Checks that `check` and `convert` agree, and that the manifest names the version; returns the codes of the
/// findings.
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
    // v0.5.0 announces the addresses of its interfaces; v0.3 has no such table.
    for guardian in guardians("session-v0.5.0", home.path()) {
        for version in ["0.2", "0.3", "0.3.3", "v0.3"] {
            refused(&guardian, &target, &["--target-version", version], ": 4 api_announcement");
        }
        for (option, version) in [("0.4", "0.4"), ("v0.5.0", "0.5"), ("0.13", "0.13")] {
            assert_eq!(accepted(&guardian, &target, &["--target-version", option], version), [""; 0]);
        }
        assert_eq!(accepted(&guardian, &target, &[], "0.13"), [""; 0]);
    }
    // Every current table.
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

/// Units of v0.2 and v0.3 are not read by later versions: a warning, and a refusal if such a version was
/// named.
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
        // There were no sessions before v0.2, and nobody knows what comes after the newest.
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

/// A record that no version knows is refused, whatever the target; an audit warns of it.
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
        // The made-up database has some rows in place of units that are not units.
        if folder == "synth-v0.5.0" {
            expected.insert(0, ("units-unchecked".to_owned(), None));
        }
        assert_eq!(codes(&guardian.verify().exits(0).findings()), expected, "{folder}");
        assert_eq!(codes(&guardian.verify_with(&["--strict"]).exits(1).findings()), expected, "{folder}");
    }
}

/// Two sessions of the federation over TCP end with an item that repeats.
const REPEATED: [&str; 2] = ["item-list-ambiguous"; 2];

/// Copies a real database of 0.13.0 as an older server would have left it: without some tables, and with
/// those versions of the modules' databases.
fn older(good: &Guardian, copy: &Path, without: &[u8], versions: &[(u8, u8)]) -> Guardian {
    let change = |key: &[u8], value: &[u8]| {
        let version = versions.iter().find(|(module, _)| key == [0x50, *module]);
        let value = version.map_or_else(|| value.to_vec(), |(_, version)| vec![*version]);
        (!without.contains(&key[0])).then(|| (key.to_vec(), value))
    };
    rewrite_and_add(&good.path.join("database"), copy, change, &[]).expect("a copy");
    Guardian { name: good.name.clone(), path: copy.to_owned(), keys: good.keys.clone() }
}

/// Returns what the version does with each module, as kind and words.
fn starts(guardian: &Guardian, version: &str) -> Vec<(String, String, Value)> {
    let verdict = guardian.check(&["--target-version", version]).exits(0).verdict();
    assert_eq!(verdict["target_version"], version);
    let starts = verdict["on_start"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    starts.map(|start| (text(&start["kind"]), text(&start["does"]), start["to"].clone())).collect()
}

/// Module databases that are newer than a version, and modules that it does not have: it would not start.
#[test]
fn modules_that_the_version_does_not_start_on() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    let tcp = guardians("session-v0.13.0", home.path()).remove(0);
    for (version, records) in [
        ("0.10", ": 4 guardian_metadata"),
        ("0.5", ": 4 guardian_metadata, 1 server_info"),
        ("0.3", ": 4 api_announcement, 4 guardian_metadata, 1 server_info"),
    ] {
        refused(&tcp, &target, &["--target-version", version], records);
    }
    for version in ["0.11", "0.12", "0.13"] {
        assert_eq!(accepted(&tcp, &target, &["--target-version", version], version), REPEATED);
        assert!(starts(&tcp, version).iter().all(|(_, does, to)| does == "runs" && to.is_null()));
    }
    let copy = older(&tcp, &home.path().join("tables"), &[0x06, 0x07, 0x08], &[]);
    let mint = "module 3 (mint), whose database is of version 3, and it knows up to";
    let wallet = "module 5 (wallet), whose database is of version 3, and it knows up to";
    let lnv2 = "module 1 (lnv2), whose database is of version 1, and it knows up to 0";
    for (version, records) in [
        ("0.10", format!(": {mint} 2; {wallet} 2")),
        ("0.9", format!(": {mint} 2; {wallet} 1")),
        ("0.8", format!(": {lnv2}; {mint} 2; {wallet} 1")),
        ("0.6", format!(": {lnv2}; {mint} 2; {wallet} 1")),
        ("0.5", format!(": {lnv2}; {mint} 1; {wallet} 1")),
        ("0.4", format!(": {lnv2}; {mint} 0; {wallet} 1")),
        ("0.3", format!(": module 1 (lnv2), which it does not have; {mint} 0; {wallet} 0")),
    ] {
        refused(&copy, &target, &["--target-version", version], &records);
    }
    let iroh = guardians("session-v0.13.0-iroh", home.path()).remove(0);
    let copy = older(&iroh, &home.path().join("iroh"), &[0x08], &[(0, 0)]);
    let new = ": module 2 (mintv2), which it does not have; module 3 (walletv2), which it does not have";
    for version in ["0.6", "0.8", "0.10"] {
        refused(&copy, &target, &["--target-version", version], new);
    }
    // A version that is newer than all known ones.
    let future = older(&tcp, &home.path().join("future"), &[], &[(3, 9), (5, 200)]);
    let both = ": module 3 (mint), whose database is of version 9, and it knows up to 3; module 5 (wallet), whose database is of \
                version 200, and it knows up to 3";
    refused(&future, &target, &[], both);
}

/// Older module databases are migrated when the version starts; what it leaves unmigrated is reported.
#[test]
fn modules_that_the_version_migrates() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    let tcp = guardians("session-v0.13.0", home.path()).remove(0);
    let versions = [(1, 0), (3, 1), (5, 1)];
    let copy = older(&tcp, &home.path().join("0.5"), &[0x07, 0x08], &versions);
    let of = |kind: &str, does: &str, to: Value| (kind.to_owned(), does.to_owned(), to);
    for (version, lnv2, mint, wallet) in [
        ("0.5", None, None, None),
        ("0.6", None, Some(2), None),
        ("0.9", Some(1), Some(2), None),
        ("0.10", Some(1), Some(2), Some(2)),
        ("0.11", Some(1), Some(3), Some(3)),
        ("0.13", Some(1), Some(3), Some(3)),
    ] {
        let does = |kind: &str, to: Option<u64>| match to {
            None => of(kind, "runs", Value::Null),
            Some(to) => of(kind, "migrates", to.into()),
        };
        let [ln, meta, unknown] = ["ln", "meta", "unknown"].map(|kind| does(kind, None));
        let expected = [ln, does("lnv2", lnv2), meta, does("mint", mint), unknown, does("wallet", wallet)];
        assert_eq!(starts(&copy, version), expected, "{version}");
    }
    assert_eq!(accepted(&copy, &target, &["--target-version", "0.6"], "0.6"), REPEATED);
    let mut words: Vec<std::ffi::OsString> = vec!["check".into(), "--from".into(), copy.path.clone().into()];
    words.extend(copy.keys.clone());
    let text = Run::of("fm-migrate", &words).exits(0).stdout;
    assert!(
        text.contains("on start   0.13 migrates module 3 (mint) from database version 1 to 3\n"),
        "{text}"
    );
    // Prefixes of lnv2 before 0.7: nothing migrates them.
    let same = |key: &[u8], value: &[u8]| {
        let value = if key == [0x50, 1] { vec![0] } else { value.to_vec() };
        Some((key.to_vec(), value))
    };
    let old = [(vec![0xFF, 1, 0x41, 0], vec![1]), (vec![0xFF, 1, 0x44, 1], vec![1])];
    let path = home.path().join("lnv2");
    rewrite_and_add(&tcp.path.join("database"), &path, same, &old).expect("a copy");
    let lnv2 = Guardian { name: String::new(), path, keys: tcp.keys };
    let verdict = lnv2.check(&[]).exits(0).verdict();
    assert_eq!(verdict["on_start"][1]["unread_rows"], 2, "{verdict}");
}

/// For modules that no release has, and without a configuration, nothing is known, and nothing is refused.
#[test]
fn modules_of_which_nothing_is_known() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = guardians("session-v0.5.0", home.path()).remove(0);
    assert_eq!(
        starts(&guardian, "0.13"),
        [
            ("dummy".to_owned(), "unknown".to_owned(), Value::Null),
            ("meta".to_owned(), "runs".to_owned(), Value::Null)
        ]
    );
    let keys = home.path().join("keys.json");
    verify!("keys", guardian.path.join("consensus.json"), "--out", keys).exits(0);
    let alone = Guardian { keys: ["--keys".into(), keys.into()], ..guardian };
    let verdict = alone.check(&[]).exits(0).verdict();
    let starts = verdict["on_start"].as_array().expect("a list");
    assert!(starts.len() == 2 && starts.iter().all(|start| start["does"] == "unknown"), "{verdict}");
}
