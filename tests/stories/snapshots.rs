//! Every layout of every year: the 27 snapshots of the upstream repository are recognised, those of era A decode
//! exactly, and none of them, being made up, is converted.

use std::collections::BTreeMap;
use std::fs;

use fm_store::StoreWriter;
use fm_tests::{Run, codes, digest, hbbft, migrate, partial_of, snapshots, verify};
use serde_json::Value;

/// Name, era, layout (of era A).
const SNAPSHOTS: [(&str, &str, Option<&str>); 27] = [
    ("global-v0-1eb321d6c", "A0", Some("fixed-le")),
    ("global-v0-45d6ef17a", "A0", Some("fixed-le")),
    ("global-v0-dce48b060", "A1", Some("fixed-be")),
    ("global-v0-8dc5275ef", "A1", Some("fixed-be")),
    ("global-v0-1367e6518", "A1", Some("fixed-be")),
    ("global-v0-1313851cb", "A1", Some("fixed-be-length32")),
    ("global-v0-80a5c6150", "A1", Some("fixed-be-length32-v0.1-tables")),
    ("global-v0-dc56a4b08", "A2", Some("bigsize")),
    ("global-v0-a9f18c4bd", "A2", Some("bigsize")),
    ("global-v0-db6b55548", "A2", Some("bigsize")),
    ("global-v0-f712cee69", "A2", Some("bigsize")),
    ("global-v0-a4177cea3", "C", None),
    ("global-v0-8f9e9846f", "C", None),
    ("global-v0-e88ce4abe", "C", None),
    ("global-v0-b3277bf0f", "C", None),
    ("global-v0-60e315e25", "C", None),
    ("global-v0-4ad1a9245", "C", None),
    // Without a database version, an empty history in the layout of v0.2 may be of either era.
    ("global-v0-51563c1d8", "D or E", None),
    ("global-v0-ef68c7245", "D or E", None),
    ("fedimint-server-v0-0c6d642b8", "D or E", None),
    ("global-v0-c75b431ca", "D", None),
    ("fedimint-server-v0-edf8d4681", "D", None),
    ("fedimint-server-95474db37", "D", None),
    ("fedimint-server-6c888ae86", "E", None),
    ("fedimint-server-ea375c8a1", "E", None),
    ("fedimint-server-1287b5600", "E", None),
    ("fedimint-server-913a9fe4a", "E", None),
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
        assert_eq!(inspection["dialect"], layout.map_or(Value::Null, Value::from), "{name}");
        let tables = inspection["tables"].as_array().expect("a list");
        let records: u64 = tables.iter().filter_map(|table| table["records"].as_u64()).sum();
        assert_eq!(records, fm_tests::rows(&path).len() as u64, "{name}");
        if layout.is_some() {
            assert_eq!(inspection["undecodable"], 0, "{name}");
            assert!(tables.iter().all(|table| table["name"] != "unknown"), "{name}");
            assert_eq!(
                (inspection["first"].as_u64(), inspection["last"].as_u64()),
                (Some(6), Some(6)),
                "{name}"
            );
        }
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
        let run = migrate!("convert", "--from", path, "--config", config, "--to", target, "--json");
        match layout {
            None => assert_refused_as_other_era(&run.exits(3), era),
            Some(layout) if UNFRAMED.contains(&layout) => {
                let run = run.exits(1);
                assert!(run.sentence().contains("module values carry no length"), "{name}: {}", run.stderr);
                run.json();
            }
            Some(_) => {
                let run = run.exits(1);
                assert!(run.sentence().contains("the history is not proven"), "{name}: {}", run.stderr);
                let found = codes(&run.findings());
                assert!(found.contains(&("epoch-missing".to_owned(), Some(0))), "{name}: {found:?}");
                assert!(found.contains(&("epoch-hash-mismatch".to_owned(), Some(6))), "{name}: {found:?}");
            }
        }
        assert!(!target.exists() && !partial_of(&target).exists(), "{name}");
        assert_eq!(digest(&path), before, "{name}");
    }
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 0);
}

fn assert_refused_as_other_era(run: &Run, era: &str) {
    assert!(run.sentence().contains(&format!("era {era}")), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn later_eras_are_refused_in_one_sentence() {
    let config = hbbft("peer-0").join("consensus.json");
    for (name, era, _) in SNAPSHOTS.into_iter().filter(|(.., layout)| layout.is_none()) {
        let path = fm_tests::fixture("upstream-snapshots").join(name);
        for run in [
            verify!(path, "--json"),
            verify!(path, "--config", config),
            migrate!("check", "--from", path, "--config", config, "--json"),
        ] {
            assert_refused_as_other_era(&run.exits(3), era);
        }
    }
}

/// No snapshot is of era B: a database with nothing but blocks, as that crate left it.
#[test]
fn blocks_of_the_broadcast_crate_are_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let database = home.path().join("database");
    let mut writer = StoreWriter::create(&database).expect("a database");
    for block in 0..3u8 {
        let key = [&[0x00][..], &[0; 7], &[block]].concat();
        writer.put(&key, &[0; 12]).expect("a row");
    }
    writer.finish().expect("a database");
    let config = hbbft("peer-0").join("consensus.json");
    let [inspection] =
        migrate!("inspect", database, "--json").exits(0).json().try_into().expect("one object");
    assert_eq!(inspection["era"], "B");
    assert_refused_as_other_era(&verify!(database, "--config", config).exits(3), "B");
    let target = home.path().join("new");
    let run = migrate!("convert", "--from", database, "--config", config, "--to", target);
    assert_refused_as_other_era(&run.exits(3), "B");
    assert!(!target.exists());
}

#[test]
fn era_a_snapshots_are_audited_to_the_end() {
    let config = hbbft("peer-0").join("consensus.json");
    for (name, era, layout) in SNAPSHOTS.into_iter().filter(|(.., layout)| layout.is_some()) {
        let path = fm_tests::fixture("upstream-snapshots").join(name);
        let run = verify!(path, "--config", config, "--json").exits(1);
        let verdict = run.verdict();
        assert_eq!((verdict["era"].as_str(), verdict["dialect"].as_str()), (Some(era), layout), "{name}");
        assert_eq!((&verdict["signed"], &verdict["epochs"]), (&Value::from(0), &Value::from(1)), "{name}");
    }
}
