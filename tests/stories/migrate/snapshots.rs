//! Every layout of every year: the 27 snapshots of the upstream repository are recognised and decode exactly,
//! and none of them, being made up, is converted.

use std::collections::BTreeMap;
use std::fs;

use fm_tests::{codes, digest, hbbft, migrate, partial_of, snapshots, verify};
use serde_json::Value;

/// Name, era, layout.
const SNAPSHOTS: [(&str, &str, &str); 27] = [
    ("global-v0-1eb321d6c", "A0", "fixed-le"),
    ("global-v0-45d6ef17a", "A0", "fixed-le"),
    ("global-v0-dce48b060", "A1", "fixed-be"),
    ("global-v0-8dc5275ef", "A1", "fixed-be"),
    ("global-v0-1367e6518", "A1", "fixed-be"),
    ("global-v0-1313851cb", "A1", "fixed-be-length32"),
    ("global-v0-80a5c6150", "A1", "fixed-be-length32-v0.1-tables"),
    ("global-v0-dc56a4b08", "A2", "bigsize"),
    ("global-v0-a9f18c4bd", "A2", "bigsize"),
    ("global-v0-db6b55548", "A2", "bigsize"),
    ("global-v0-f712cee69", "A2", "bigsize"),
    ("global-v0-a4177cea3", "C", "a4177cea3"),
    ("global-v0-8f9e9846f", "C", "4946b58de"),
    ("global-v0-e88ce4abe", "C", "e88ce4abe"),
    ("global-v0-b3277bf0f", "C", "e88ce4abe"),
    ("global-v0-60e315e25", "C", "67f1ed59c"),
    ("global-v0-4ad1a9245", "C", "d65634ad2"),
    // The last builds of era C have the layout of D.
    ("global-v0-51563c1d8", "D", "v0.2"),
    ("global-v0-ef68c7245", "D", "v0.2"),
    ("fedimint-server-v0-0c6d642b8", "D", "v0.2"),
    ("global-v0-c75b431ca", "D", "v0.2"),
    ("fedimint-server-v0-edf8d4681", "D", "v0.2"),
    ("fedimint-server-95474db37", "D", "v0.2"),
    ("fedimint-server-6c888ae86", "E", "v0.4"),
    ("fedimint-server-ea375c8a1", "E", "v0.4"),
    ("fedimint-server-1287b5600", "E", "v0.4"),
    ("fedimint-server-913a9fe4a", "E", "v0.4"),
];
/// Layouts that do not say where module values end.
const UNFRAMED: [&str; 2] = ["fixed-le", "fixed-be"];

#[test]
fn every_snapshot_is_recognised() {
    let expected: BTreeMap<&str, _> =
        SNAPSHOTS.into_iter().map(|(name, era, layout)| (name, (era, layout))).collect();
    let all = snapshots();
    assert_eq!(all.len(), expected.len());
    for (name, path) in all {
        let (era, layout) =
            expected.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table"));
        let before = digest(&path);
        let run = migrate!("inspect", path, "--json").exits(0);
        let [inspection] = run.json().try_into().expect("one object");
        assert_eq!(inspection["era"], *era, "{name}");
        assert_eq!(inspection["layout"], *layout, "{name}");
        let tables = inspection["tables"].as_array().expect("a list");
        let records: u64 = tables.iter().filter_map(|table| table["records"].as_u64()).sum();
        assert_eq!(records, fm_tests::rows(&path).len() as u64, "{name}");
        // One announcement of an address was written by a build that was never released.
        let undecodable = u64::from(name == "fedimint-server-6c888ae86");
        assert_eq!(inspection["undecodable"], undecodable, "{name}");
        assert!(tables.iter().all(|table| table["name"] != "unknown"), "{name}");
        let only = if era.starts_with('A') { 6 } else { 0 };
        assert_eq!(
            (inspection["first"].as_u64(), inspection["last"].as_u64()),
            (Some(only), Some(only)),
            "{name}"
        );
        let people = migrate!("inspect", path).exits(0).stdout;
        assert!(people.contains(&format!("era        {era}")), "{people}");
        assert_eq!(digest(&path), before, "{name}");
    }
}

#[test]
fn made_up_histories_are_not_converted() {
    let home = tempfile::tempdir().expect("a directory");
    let config = hbbft("peer-0").join("consensus.json");
    for (name, era, layout) in SNAPSHOTS {
        let path = fm_tests::fixture("upstream-snapshots").join(name);
        let (before, target) = (digest(&path), home.path().join(name));
        let run = migrate!("convert", "--from", path, "--config", config, "--to", target, "--json").exits(1);
        if UNFRAMED.contains(&layout) {
            assert!(run.sentence().contains("module values carry no length"), "{name}: {}", run.stderr);
            run.json();
        } else {
            assert!(run.sentence().contains("the history is not proven"), "{name}: {}", run.stderr);
            let found = codes(&run.findings());
            if era.starts_with('A') {
                assert!(found.contains(&("epoch-missing".to_owned(), Some(0))), "{name}: {found:?}");
                assert!(found.contains(&("epoch-hash-mismatch".to_owned(), Some(6))), "{name}: {found:?}");
            } else {
                // One session, which nobody signed.
                let unsigned = run
                    .findings()
                    .iter()
                    .any(|finding| finding["code"] == "session-unsigned" && finding["session"] == 0);
                assert!(unsigned, "{name}: {found:?}");
            }
        }
        assert!(!target.exists() && !partial_of(&target).exists(), "{name}");
        assert_eq!(digest(&path), before, "{name}");
    }
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 0);
}

#[test]
fn era_a_snapshots_are_audited_to_the_end() {
    let config = hbbft("peer-0").join("consensus.json");
    for (name, era, layout) in SNAPSHOTS.into_iter().filter(|(_, era, _)| era.starts_with('A')) {
        let path = fm_tests::fixture("upstream-snapshots").join(name);
        let run = verify!(path, "--config", config, "--json").exits(1);
        let verdict = run.verdict();
        assert_eq!(
            (verdict["era"].as_str(), verdict["layout"].as_str()),
            (Some(era), Some(layout)),
            "{name}"
        );
        assert_eq!((&verdict["signed"], &verdict["epochs"]), (&Value::from(0), &Value::from(1)), "{name}");
    }
}
