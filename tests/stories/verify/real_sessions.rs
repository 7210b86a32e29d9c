//! The blocks and sessions that real programs of four versions wrote: `fm-verify` proves each database,
//! guardians of one federation agree, and `inspect` counts what the programs themselves say is there.
//!
//! Headers and signers are compared in the tests of `fm-audit`; here the programs are judged by their output.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fm_tests::{
    Guardian, codes, copy_dir, digest, fixture_json, guardians, layout, migrate, partial_of, root, verify,
};
use serde_json::{Value, json};

/// Folder, era, layout.
const FOLDERS: [(&str, &str, &str); 5] = [
    ("broadcast-v0.1.5", "B", "e91852c61"),
    ("aleph-a4177cea3", "C", "a4177cea3"),
    ("session-v0.2.0-rc1", "D", "v0.2"),
    ("session-v0.5.0", "E", "v0.4"),
    ("synth-v0.5.0", "E", "v0.4"),
];

/// What the program that wrote a database says of it.
struct Truth {
    sessions: u64,
    items: u64,
    pending: u64,
    tag: Option<String>,
    /// Rows by the first byte of their keys.
    rows: BTreeMap<String, u64>,
}

/// Returns the findings about units that no server wrote: the made-up database has some rows that are not
/// units.
fn made_up_units(folder: &str) -> Vec<(String, Option<u64>)> {
    if folder == "synth-v0.5.0" { vec![("units-unchecked".to_owned(), None)] } else { Vec::new() }
}

fn count(value: &Value) -> u64 {
    value.as_array().map_or(0, Vec::len) as u64
}

fn items(blocks: &Value) -> u64 {
    blocks.as_array().expect("a list").iter().map(|block| block["items"].as_u64().expect("a number")).sum()
}

fn rows_by_first_byte(stated: &Value) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for (prefix, count) in stated.as_object().expect("an object") {
        let number = count.as_u64().or(count["rows"].as_u64()).expect("a number");
        *rows.entry(prefix[..2].to_owned()).or_default() += number;
    }
    rows
}

fn truth(guardian: &Guardian) -> Truth {
    let (folder, peer) = guardian.name.split_once('/').expect("a folder and a guardian");
    let truth = fixture_json(&format!("{folder}/truth.json"));
    let tag = truth["public_key_tag_sha256"].as_str().map(str::to_owned);
    if folder == "synth-v0.5.0" {
        let (sessions, pending) = (count(&truth["sessions"]), count(&truth["pending"]));
        let tag = fixture_json("synth-v0.5.0/keys.json")["message_tag"].as_str().map(str::to_owned);
        let rows = BTreeMap::from([("01".to_owned(), pending), ("04".to_owned(), sessions)]);
        return Truth { sessions, items: items(&truth["sessions"]), pending, tag, rows };
    }
    if folder == "session-v0.5.0" {
        let database = &truth["peers"][peer]["database"];
        let number = |name: &str| database[name].as_u64().expect("a number");
        return Truth {
            sessions: number("sessions"),
            items: number("items"),
            pending: count(&database["pending_items"]),
            tag,
            rows: rows_by_first_byte(&database["rows_by_prefix"]),
        };
    }
    let number: u64 = peer.trim_start_matches("peer-").parse().expect("a number");
    let peers = truth["peers"].as_array().expect("a list");
    let stated = peers.iter().find(|stated| stated["peer"] == number).expect("the guardian is in it");
    let rows = if stated["raw"].is_null() { stated } else { &stated["raw"] };
    Truth {
        sessions: count(&stated["blocks"]),
        items: items(&stated["blocks"]),
        pending: count(&stated["accepted_indices"]) + count(&stated["accepted_items"]),
        tag,
        rows: rows_by_first_byte(&rows["rows_by_prefix"]),
    }
}

#[test]
fn every_database_is_sound() {
    let home = tempfile::tempdir().expect("a directory");
    let mut seen = 0;
    for (folder, era, layout) in FOLDERS {
        for guardian in guardians(folder, home.path()) {
            seen += 1;
            let (name, truth) = (&guardian.name, truth(&guardian));
            let run = guardian.verify().exits(0);
            assert_eq!(run.stderr, "", "{name}");
            assert_eq!(codes(&run.findings()), made_up_units(folder), "{name}");
            let verdict = run.verdict();
            root(&verdict);
            for (field, expected) in [
                ("verdict", json!("sound")),
                ("source", json!("database")),
                ("era", json!(era)),
                ("layout", json!(layout)),
                ("epochs", json!(0)),
                ("sessions", json!(truth.sessions)),
                ("signed", json!(truth.sessions)),
                ("covered", json!(0)),
                ("tip", json!(0)),
                ("unproven", json!(0)),
                ("unchecked_signatures", json!(0)),
                ("items", json!(truth.items)),
                ("pending", json!(truth.pending)),
                ("last", json!(truth.sessions - 1)),
                ("proven_to", json!(truth.sessions - 1)),
                ("errors", json!(0)),
                ("warnings", json!(0)),
            ] {
                assert_eq!(verdict[field], expected, "{field} of {name}");
            }
            let keys = &verdict["keys"];
            assert_eq!((&keys["guardians"], &keys["threshold"]), (&json!(4), &json!(3)), "{name}");
            if let Some(tag) = truth.tag {
                assert_eq!(keys["key_set_tag"], tag, "{name}");
            }
        }
    }
    assert_eq!(seen, 4 + 2 + 3 + 4 + 1);
}

/// If one guardian's history ends earlier, its root is the root of the longer one up to there.
#[test]
fn guardians_of_one_federation_have_one_history() {
    let home = tempfile::tempdir().expect("a directory");
    for (folder, era, _) in FOLDERS {
        let mut roots: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        let all = guardians(folder, home.path());
        for guardian in &all {
            let verdict = guardian.verify().exits(0).verdict();
            roots.entry(verdict["last"].as_u64().expect("a number")).or_default().insert(root(&verdict));
        }
        assert!(roots.values().all(|roots| roots.len() == 1), "{folder}: {roots:?}");
        let uneven = ["broadcast-v0.1.5", "aleph-a4177cea3", "session-v0.2.0-rc1"].contains(&folder);
        assert_eq!(roots.len(), 1 + usize::from(uneven), "{folder}");
        let (last, shortest) = roots.first_key_value().expect("there is a guardian");
        let run = all[0].check(&["--until", &last.to_string()]);
        if !uneven {
            // This is its own last session, so nothing is cut.
            assert_eq!(root(&run.exits(0).verdict()), *shortest.first().expect("a root"), "{folder}");
        } else if era == "D" {
            let run = run.exits(2);
            assert!(run.sentence().contains("a history of sessions is copied whole"), "{}", run.stderr);
        } else {
            let verdict = run.exits(0).verdict();
            assert_eq!((&verdict["verdict"], &verdict["last"]), (&json!("convertible"), &json!(last)));
            assert_eq!(BTreeSet::from([root(&verdict)]), *shortest, "{folder}");
        }
    }
}

#[test]
fn checkpoints_of_a_server_are_sound() {
    let home = tempfile::tempdir().expect("a directory");
    let truth = fixture_json("session-v0.5.0/truth.json");
    let mut roots: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for guardian in guardians("session-v0.5.0", home.path()) {
        let peer = guardian.path.file_name().expect("a name").to_string_lossy().into_owned();
        for number in ["23", "24", "25"] {
            let checkpoint = guardian.path.join("db_checkpoints").join(number);
            let before = digest(&checkpoint);
            let run = guardian.verify_at(&checkpoint).exits(0);
            assert_eq!(codes(&run.findings()), [], "{peer} {number}");
            let (verdict, stated) = (run.verdict(), &truth["peers"][&peer]["db_checkpoints"][number]);
            for field in ["sessions", "items"] {
                assert_eq!(verdict[field], stated[field], "{field} of {peer} {number}");
            }
            assert_eq!((&verdict["verdict"], &verdict["pending"]), (&json!("sound"), &json!(0)));
            roots.entry(number).or_default().insert(root(&verdict));
            let target = home.path().join(format!("{peer}-{number}"));
            let converted = Guardian { path: checkpoint.clone(), ..guardian.clone() };
            assert_eq!(root(&converted.convert(&target, &[]).exits(0).verdict()), root(&verdict));
            assert_eq!(digest(&checkpoint), before, "{peer} {number}");
        }
    }
    assert!(roots.len() == 3 && roots.values().all(|roots| roots.len() == 1), "{roots:?}");
}

#[test]
fn without_keys_nothing_is_proven() {
    let home = tempfile::tempdir().expect("a directory");
    for (folder, _, _) in FOLDERS {
        let guardian = &guardians(folder, home.path())[0];
        // Without the configuration that lies beside it.
        let alone = home.path().join(format!("{folder}-alone"));
        let database = guardian.path.join("database");
        copy_dir(if database.is_dir() { &database } else { &guardian.path }, &alone);
        let run = verify!(alone, "--json").exits(4);
        assert_eq!(codes(&run.findings()), made_up_units(folder), "{folder}");
        let (verdict, pinned) = (run.verdict(), guardian.verify().exits(0).verdict());
        assert_eq!(verdict["verdict"], "unpinned", "{folder}");
        assert_eq!((&verdict["signed"], &verdict["proven_to"]), (&json!(0), &Value::Null), "{folder}");
        assert_eq!(verdict["unchecked_signatures"], pinned["sessions"], "{folder}");
        assert_eq!(root(&verdict), root(&pinned), "{folder}");
        let people = verify!(alone).exits(4).stdout;
        assert!(people.contains("trust root NONE") && people.contains("verdict    UNPINNED"), "{people}");
        let target = home.path().join("new");
        let run = migrate!("convert", "--from", alone, "--to", target).exits(2);
        run.sentence();
        assert!(!target.exists() && !partial_of(&target).exists(), "{folder}");
    }
}

#[test]
fn keys_of_another_federation_are_told_once() {
    let home = tempfile::tempdir().expect("a directory");
    let others = guardians("synth-v0.5.0", home.path()).remove(0).keys;
    for (folder, _, _) in FOLDERS.into_iter().filter(|(folder, _, _)| *folder != "synth-v0.5.0") {
        for guardian in guardians(folder, home.path()) {
            let guardian = Guardian { keys: others.clone(), ..guardian };
            let run = guardian.verify().exits(1);
            assert_eq!(codes(&run.findings()), [("wrong-keys".to_owned(), None)], "{}", guardian.name);
            let verdict = run.verdict();
            assert_eq!((&verdict["signed"], &verdict["errors"]), (&json!(0), &json!(1)), "{}", guardian.name);
            let target = home.path().join("new");
            let run = guardian.convert(&target, &[]).exits(1);
            assert!(run.sentence().contains("wrong-keys"), "{}", run.stderr);
            assert!(!target.exists() && !partial_of(&target).exists(), "{}", guardian.name);
        }
    }
}

#[test]
fn damaged_blocks_are_found_at_their_place_and_not_converted() {
    let home = tempfile::tempdir().expect("a directory");
    let good = guardians("broadcast-v0.1.5", home.path()).remove(0);
    let (invalid, unsigned) = ("session-signature-invalid", "session-unsigned");
    for (name, expected) in [
        ("bad-a-item-byte", vec![invalid, invalid, invalid, unsigned]),
        ("bad-b-swapped-signature", vec![invalid, unsigned]),
        ("bad-c-missing-block", vec!["session-missing"]),
        ("bad-d-two-signatures", vec![unsigned]),
    ] {
        let stated = fixture_json(&format!("broadcast-v0.1.5/{name}/truth.json"));
        let place = stated["mutation"]["block"].as_u64();
        let guardian =
            Guardian { path: fm_tests::fixture(&format!("broadcast-v0.1.5/{name}")), ..good.clone() };
        let expected: Vec<_> = expected.into_iter().map(|code| (code.to_owned(), place)).collect();
        let before = digest(&guardian.path);
        let run = guardian.verify().exits(1);
        assert_eq!(codes(&run.findings()), expected, "{name}");
        assert_eq!(run.verdict()["verdict"], "findings", "{name}");
        let target = home.path().join(name);
        for run in [guardian.check(&[]), guardian.convert(&target, &[])] {
            let run = run.exits(1);
            assert!(run.sentence().contains("the history is not proven"), "{name}: {}", run.stderr);
            assert!(run.sentence().contains(&format!("{} at session 3", expected[0].0)), "{}", run.stderr);
            assert_eq!(codes(&run.findings()), expected, "{name}");
            assert_eq!(run.verdict()["verdict"], "refused", "{name}");
        }
        assert!(!target.exists() && !partial_of(&target).exists(), "{name}");
        assert_eq!(digest(&guardian.path), before, "{name}");
        // What lies before the damage can still be converted, if asked for by hand.
        let converted = guardian.convert(&home.path().join(format!("{name}-before")), &["--until", "2"]);
        let whole = good.check(&["--until", "2"]).exits(0).verdict();
        assert_eq!(root(&converted.exits(0).verdict()), root(&whole), "{name}");
    }
    // Four parts of four histories, and the keys.
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 4 + 1);
}

#[test]
fn inspect_counts_what_the_programs_count() {
    let home = tempfile::tempdir().expect("a directory");
    for (folder, era, dialect) in FOLDERS {
        for guardian in guardians(folder, home.path()) {
            let (name, truth) = (&guardian.name, truth(&guardian));
            let [inspection] =
                migrate!("inspect", guardian.path, "--json").exits(0).json().try_into().expect("one object");
            assert_eq!((&inspection["era"], &inspection["layout"]), (&json!(era), &json!(dialect)), "{name}");
            let range = (&inspection["first"], &inspection["last"]);
            assert_eq!(range, (&json!(0), &json!(truth.sessions - 1)), "{name}");
            assert_eq!(inspection["undecodable"], 0, "{name}");
            // Exactly a threshold each.
            assert_eq!(inspection["signatures"], truth.sessions * 3, "{name}");
            let tables = inspection["tables"].as_array().expect("a list");
            let mut found: BTreeMap<String, [u64; 3]> = BTreeMap::new();
            for table in tables {
                let prefix = table["prefix"].as_str().expect("a text");
                let first = u8::from_str_radix(&prefix[..2], 16).expect("a byte");
                let known = layout(dialect).tables.iter().find(|known| known.prefix == first);
                let known = known.expect("a table of the layout").name;
                match table.get("kind") {
                    // A module's own table, named by the kind in the configuration beside it.
                    Some(_) => assert!(
                        first == 0xFF && table["name"] != known && table["name"] != "unknown",
                        "{name}: {table}"
                    ),
                    None => assert_eq!(table["name"], known, "{name}"),
                }
                let sums = found.entry(prefix[..2].to_owned()).or_default();
                for (sum, field) in sums.iter_mut().zip(["records", "key_bytes", "value_bytes"]) {
                    *sum += table[field].as_u64().expect("a number");
                }
            }
            for (prefix, rows) in &truth.rows {
                assert_eq!(found[prefix][0], *rows, "rows under {prefix} of {name}");
            }
            let mut stored: BTreeMap<String, [u64; 3]> = BTreeMap::new();
            for (key, value) in guardian.rows() {
                let sums = stored.entry(hex::encode(&key[..1])).or_default();
                let sizes = [1, key.len() as u64, value.len() as u64];
                sums.iter_mut().zip(sizes).for_each(|(sum, size)| *sum += size);
            }
            assert_eq!(found, stored, "{name}");
        }
    }
}
