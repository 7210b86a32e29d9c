//! Blocks and sessions converted and reverted: sessions byte for byte; blocks by the rule in
//! `docs/formats/conversion-rule-1.md`, applied here by hand; and every old row back from the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fm_codec::{Dialect, ModuleValue, Reader, Writer};
use fm_eras::block::decode_block;
use fm_eras::session;
use fm_rows::Row;
use fm_tests::{
    Guardian, Sessions, codes, digest, fixture_json, guardians, layout, manifest, migrate, partial_of, root,
    rows, rows_under, verify,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The prefix of the sessions.
const SESSIONS: u8 = 0x04;
/// The prefix of the index of accepted transactions.
const INDEX: u8 = 0x02;
/// Folder, era.
const FOLDERS: [(&str, &str); 5] = [
    ("broadcast-v0.1.5", "B"),
    ("aleph-a4177cea3", "C"),
    ("session-v0.2.0-rc1", "D"),
    ("session-v0.5.0", "E"),
    ("synth-v0.5.0", "E"),
];

/// Converts, and checks what every conversion leaves.
#[track_caller]
fn converted(guardian: &Guardian, target: &Path, more: &[&str]) -> Value {
    let before = digest(&guardian.path);
    let source = guardian.verify().exits(0).verdict();
    let run = guardian.convert(target, more).exits(0);
    assert_eq!(run.stderr, "");
    assert_eq!(digest(&guardian.path), before, "{}", guardian.name);
    let (mut verdict, manifest) = (run.verdict(), manifest(target));
    for field in ["type", "schema", "verdict", "target", "on_start"] {
        verdict.as_object_mut().expect("an object").remove(field);
    }
    assert_eq!(verdict, manifest, "{}", guardian.name);
    if more.is_empty() {
        for field in ["era", "layout", "sessions", "items", "last", "history_root", "signed"] {
            assert_eq!(manifest[field], source[field], "{field} of {}", guardian.name);
        }
    }
    assert_eq!((&manifest["rule"], &manifest["first"]), (&json!(1), &json!(0)), "{}", guardian.name);
    assert_eq!((&manifest["dropped"], &manifest["covered"]), (&json!({}), &json!(0)), "{}", guardian.name);
    assert_eq!(manifest["target_version"], "0.13", "{}", guardian.name);
    assert!(manifest["tool_version"].as_str().is_some_and(|version| !version.is_empty()));
    for (key, _) in rows(&target.join("database")) {
        assert!(session::is_known(&key, session::NEWEST), "{} in {}", hex::encode(key), guardian.name);
    }
    let proven = guardian.verify_at(target).exits(0).verdict();
    for (field, expected) in [
        ("verdict", json!("sound")),
        ("source", json!("migrated directory")),
        ("history_root", manifest["history_root"].clone()),
        ("last", manifest["last"].clone()),
        ("items", manifest["items"].clone()),
    ] {
        assert_eq!(proven[field], expected, "{field} of {}", guardian.name);
    }
    manifest
}

/// Counts rows by the first byte of their keys.
fn by_prefix(rows: &[Row]) -> BTreeMap<u8, u64> {
    let mut counts = BTreeMap::new();
    for (key, _) in rows {
        *counts.entry(key[0]).or_default() += 1;
    }
    counts
}

fn numbers(object: &Value) -> u64 {
    object.as_object().expect("an object").values().map(|number| number.as_u64().expect("a number")).sum()
}

#[test]
fn sessions_are_copied_byte_for_byte() {
    let home = tempfile::tempdir().expect("a directory");
    for (folder, era) in FOLDERS.into_iter().filter(|(_, era)| ["D", "E"].contains(era)) {
        let layout = layout(if era == "D" { "v0.2" } else { "v0.4" });
        for guardian in guardians(folder, home.path()) {
            let target = home.path().join(guardian.name.replace('/', "-"));
            let manifest = converted(&guardian, &target, &[]);
            let source = guardian.rows();
            assert!(rows(&target.join("database")) == source, "{}", guardian.name);
            let mut tables: BTreeMap<&str, u64> = BTreeMap::new();
            for (prefix, count) in by_prefix(&source) {
                tables.insert(layout.table_of(&[prefix]).expect("a table").name, count);
            }
            assert_eq!(manifest["carried"], json!(tables), "{}", guardian.name);
            assert_eq!(manifest["not_carried"], json!({}), "{}", guardian.name);
            assert_eq!(manifest["epochs_beyond"], 0, "{}", guardian.name);
            let run = migrate!("map", "--dir", target).exits(2);
            assert!(run.sentence().contains("nothing is anywhere else"), "{}", run.stderr);
            assert_eq!(run.stdout, "");
            // The database by itself is as good as the one that it was copied from.
            let apart = home.path().join("apart");
            fs::rename(target.join("database"), &apart).expect("the database can be moved");
            assert_eq!(guardian.verify_at(&apart).exits(0).verdict(), guardian.verify().verdict());
            fs::remove_dir_all(&apart).expect("the database can be removed");
        }
    }
}

/// The old id, the new id, and the value in the index.
type CarriedTransaction = (Vec<u8>, Vec<u8>, Vec<u8>);

/// What one old item becomes, and the transaction in it.
struct Expected {
    item: Vec<u8>,
    transaction: Option<CarriedTransaction>,
}

/// Returns the session item for bytes that are not a consensus item: variant "item".
fn opaque(bytes: &[u8]) -> Expected {
    let mut item = Writer::new(Dialect::MODERN);
    item.u64(0x6974_656D);
    item.bytes(bytes);
    Expected { item: item.into_bytes(), transaction: None }
}

/// Returns the session item for an item of the first build of era C: 0 is a share of a signature, 1 a
/// transaction, 2 an item of a module.
fn of_a4177cea3(bytes: &[u8]) -> Expected {
    let mut item = Writer::new(Dialect::MODERN);
    if bytes[0] == 2 {
        item.u64(1);
        item.bytes(&bytes[1..]);
        return Expected { item: item.into_bytes(), transaction: None };
    }
    if bytes[0] == 0 {
        assert_eq!(bytes.len(), 1 + 96);
        return opaque(bytes);
    }
    assert_eq!(bytes[0], 1);
    let mut reader = Reader::new(&bytes[1..], Dialect::A2);
    let value = |reader: &mut Reader<'_>| reader.value::<ModuleValue>();
    reader.list(2, value).expect("the inputs");
    let outputs = reader.list(2, value).expect("the outputs");
    let old = reader.since(0);
    let new = [old, &[0; 8]].concat();
    let mut body = Writer::new(Dialect::MODERN);
    body.raw(&new);
    body.raw(&[0xFE, 0x00, 0x76, 0x30, 0x31]);
    body.bytes(&bytes[1 + old.len()..]);
    item.u64(0);
    item.bytes(body.as_bytes());
    let mut instances = Writer::new(Dialect::MODERN);
    instances.list(outputs.iter(), |writer, output| writer.u16(output.instance));
    let ids = (Sha256::digest(old).to_vec(), Sha256::digest(new).to_vec());
    Expected { item: item.into_bytes(), transaction: Some((ids.0, ids.1, instances.into_bytes())) }
}

/// Returns the session that a block of eras B and C becomes, and the transactions in it. Blocks without items
/// keep their signatures.
fn session_of_block(
    index: u64,
    block: &[u8],
    convert: fn(&[u8]) -> Expected,
) -> (Vec<u8>, Vec<CarriedTransaction>) {
    let mut reader = Reader::new(block, Dialect::A2);
    assert_eq!(reader.u64().expect("the index"), index);
    let items = reader
        .list(3, |reader| {
            let item = convert(reader.bytes()?);
            reader.u64()?;
            Ok((item, reader.u16()?))
        })
        .expect("the items");
    let signatures = &block[reader.position()..];
    let mut session = Writer::new(Dialect::MODERN);
    session.list(items.iter(), |writer, (expected, peer)| {
        writer.raw(&expected.item);
        writer.u16(*peer);
    });
    session.raw(if items.is_empty() { signatures } else { &[0] });
    let transactions = items.into_iter().filter_map(|(expected, _)| expected.transaction);
    (session.into_bytes(), transactions.collect())
}

#[test]
fn broadcast_blocks_become_sessions_by_the_rule() {
    let home = tempfile::tempdir().expect("a directory");
    for guardian in guardians("broadcast-v0.1.5", home.path()) {
        let target = home.path().join(guardian.name.replace('/', "-"));
        let manifest = converted(&guardian, &target, &[]);
        let expected: Vec<Row> = rows_under(&guardian.path.join("database"), 0x00)
            .into_iter()
            .zip(0..)
            .map(|((_, block), index)| {
                (session::session_key(index), session_of_block(index, &block, opaque).0)
            })
            .collect();
        // Nothing else is in the new database.
        assert!(rows(&target.join("database")) == expected, "{}", guardian.name);
        assert_eq!(manifest["transactions"], 0);
        assert_eq!(manifest["carried"], json!({ "signed_block": expected.len() }));
        let units = rows_under(&guardian.path.join("database"), 0x01).len();
        assert_eq!(manifest["not_carried"], json!({ "aleph_units": units }));
        assert_the_empty_block_is_signed(&guardian, &target);
        let lines = migrate!("map", "--dir", target).exits(0).json();
        let kinds = count_kinds(&lines);
        let items = manifest["items"].as_u64().expect("a number");
        let expected = [("opaque_item", items), ("record_not_carried", units as u64)];
        assert_eq!(kinds, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
        assert_places(&lines, items);
    }
}

/// Applies the servers' rule for sessions to the converted ones: the empty one is signed, the others are not
/// signed yet.
fn assert_the_empty_block_is_signed(guardian: &Guardian, target: &Path) {
    let database = target.join("database");
    let session = rows_under(&database, SESSIONS).swap_remove(1).1;
    let session = decode_block(&session, session::modern()).expect("a current session");
    assert!(session.items.is_empty());
    let peer: u64 = guardian.name[guardian.name.len() - 1..].parse().expect("a number");
    let truth = fixture_json("broadcast-v0.1.5/truth.json");
    let stated = truth["peers"].as_array().expect("a list").iter().find(|stated| stated["peer"] == peer);
    let stated = stated.expect("the guardian")["blocks"][1]["signatures"].as_object().expect("an object");
    let kept: BTreeMap<String, String> =
        session.signatures.iter().map(|(peer, bytes)| (peer.to_string(), hex::encode(bytes))).collect();
    assert_eq!(kept.len(), 3);
    for (peer, signature) in stated {
        assert_eq!((&signature["signature"], &signature["valid"]), (&json!(kept[peer]), &json!(true)));
    }
    let run = guardian.verify_at(target).exits(0);
    assert_eq!(run.verdict()["sealed"], 1);
    let apart = target.with_extension("apart");
    fm_tests::copy_dir(&database, &apart);
    let keys = &guardian.keys;
    let run = verify!(apart, keys[0], keys[1], "--layout", "v0.4", "--json").exits(1);
    let others = (0..rows_under(&database, SESSIONS).len() as u64).filter(|index| *index != 1);
    let unsigned: Vec<_> = others.map(|index| ("session-unsigned".to_owned(), Some(index))).collect();
    assert_eq!(codes(&run.findings()), unsigned);
    // The one before it is not signed, so nothing is proven up to it.
    assert_eq!((&run.verdict()["signed"], &run.verdict()["proven_to"]), (&json!(1), &Value::Null));
    assert_eq!((&run.verdict()["first_break"], &run.verdict()["intact_to"]), (&json!(0), &Value::Null));
}

#[test]
fn the_first_blocks_of_the_server_become_sessions_by_the_rule() {
    let home = tempfile::tempdir().expect("a directory");
    let truth = fixture_json("aleph-a4177cea3/truth.json");
    for guardian in guardians("aleph-a4177cea3", home.path()) {
        let target = home.path().join(guardian.name.replace('/', "-"));
        let manifest = converted(&guardian, &target, &[]);
        let source = guardian.rows();
        let blocks = source.iter().filter(|(key, _)| key[0] == SESSIONS).zip(0..);
        let peer: u64 = guardian.name[guardian.name.len() - 1..].parse().expect("a number");
        let peers = truth["peers"].as_array().expect("a list");
        let stated = peers.iter().find(|stated| stated["peer"] == peer).expect("the guardian");
        let mut expected: Vec<Row> = Vec::new();
        let mut ids = Vec::new();
        for ((_, block), index) in blocks {
            let (session, transactions) = session_of_block(index, block, of_a4177cea3);
            expected.push((session::session_key(index), session));
            let old: Vec<_> = transactions.iter().map(|(old, _, _)| json!(hex::encode(old))).collect();
            let number = usize::try_from(index).expect("small");
            assert_eq!(json!(old), stated["blocks"][number]["txids"], "{} {index}", guardian.name);
            for (old, new, value) in transactions {
                ids.push((index, hex::encode(old), hex::encode(&new)));
                expected.push(([&[INDEX], new.as_slice()].concat(), value));
            }
        }
        // The version has a new key since v0.3; module data has not.
        let carried = source.iter().filter(|(key, _)| matches!(key[0], 0x50 | 0xFF));
        expected.extend(carried.map(|(key, value)| match key.as_slice() {
            [0x50] => (vec![0x50, 0xFD, 0x00, 0xFF], value.clone()),
            _ => (key.clone(), value.clone()),
        }));
        expected.sort();
        assert!(rows(&target.join("database")) == expected, "{}", guardian.name);
        let before = by_prefix(&source);
        assert_eq!(numbers(&manifest["carried"]) + numbers(&manifest["not_carried"]), source.len() as u64);
        assert_eq!(manifest["carried"]["signed_block"], before[&SESSIONS]);
        assert_eq!(manifest["carried"]["module_data"], before[&0xFF]);
        assert_eq!(manifest["transactions"], ids.len());
        assert_eq!(manifest["not_carried"]["accepted_transaction"], before[&INDEX] - ids.len() as u64);
        assert_eq!(manifest["not_carried"]["aleph_units"], before[&0x05]);
        assert_map(&target, &manifest, &ids);
    }
}

fn count_kinds(lines: &[Value]) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for line in lines {
        *kinds.entry(line["type"].as_str().expect("a kind").to_owned()).or_default() += 1;
    }
    kinds
}

/// Checks that every place in every session is taken by exactly one line.
fn assert_places(lines: &[Value], items: u64) {
    let mut places: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["item"].is_u64()) {
        assert_eq!(line["epoch"], line["session"]);
        let place = (line["session"].as_u64().expect("a number"), line["item"].as_u64().expect("a number"));
        assert!(places.entry(place.0).or_default().insert(place.1), "{line}");
    }
    assert!(places.values().all(|items| items.iter().copied().eq(0..items.len() as u64)));
    assert_eq!(places.values().map(BTreeSet::len).sum::<usize>() as u64, items);
}

fn assert_map(target: &Path, manifest: &Value, ids: &[(u64, String, String)]) {
    let lines = migrate!("map", "--dir", target).exits(0).json();
    let text = |line: &Value, field: &str| line[field].as_str().expect("a text").to_owned();
    let listed: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] == "transaction")
        .map(|line| (line["session"].as_u64().expect("a number"), text(line, "old_txid"), text(line, "txid")))
        .collect();
    assert_eq!(listed, ids);
    assert_places(&lines, manifest["items"].as_u64().expect("a number"));
    let mut records: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["type"] == "record_not_carried") {
        assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
        *records.entry(text(line, "table")).or_default() += 1;
    }
    let mut stated = manifest["not_carried"].as_object().expect("an object").clone();
    // The index follows from the sessions.
    stated.remove("accepted_transaction");
    assert_eq!(json!(records), Value::Object(stated));
}

/// Guardians who convert alone arrive at the same sessions, whichever signatures they stored.
#[test]
fn guardians_come_to_the_same_sessions() {
    let home = tempfile::tempdir().expect("a directory");
    for (folder, _) in FOLDERS.into_iter().filter(|(folder, _)| *folder != "synth-v0.5.0") {
        let all = guardians(folder, home.path());
        let last = |guardian: &Guardian| guardian.verify().verdict()["last"].as_u64().expect("a number");
        let shortest = all.iter().map(last).min().expect("there is a guardian");
        let mut found = BTreeSet::new();
        for guardian in &all {
            let target = home.path().join(guardian.name.replace('/', "-"));
            let until = shortest.to_string();
            // Sessions are copied whole: the longer histories are compared as far as the shortest reaches.
            let more: &[&str] = if folder.starts_with("session") { &[] } else { &["--until", &until] };
            converted(guardian, &target, more);
            let sessions = rows_under(&target.join("database"), SESSIONS).into_iter();
            let sessions =
                sessions.take(usize::try_from(shortest).expect("small") + 1).map(|(key, value)| {
                    let session = decode_block(&value, session::modern()).expect("a current session");
                    (key, format!("{:?}", session.items))
                });
            let index =
                if more.is_empty() { Vec::new() } else { rows_under(&target.join("database"), INDEX) };
            found.insert((sessions.collect::<Vec<_>>(), index));
        }
        assert_eq!(found.len(), 1, "{folder}");
    }
}

#[test]
fn converting_twice_gives_the_same_bytes() {
    let home = tempfile::tempdir().expect("a directory");
    for (folder, _) in FOLDERS {
        let guardian = &guardians(folder, home.path())[0];
        let (first, second) =
            (home.path().join(format!("{folder}-1")), home.path().join(format!("{folder}-2")));
        let manifest = converted(guardian, &first, &[]);
        converted(guardian, &second, &[]);
        for name in ["manifest.json", "provenance.fmar"] {
            let read = |directory: &Path| fs::read(directory.join(name)).expect("the file is there");
            assert!(read(&first) == read(&second), "{folder} {name}");
        }
        assert!(rows(&first.join("database")) == rows(&second.join("database")), "{folder}");
        // An existing target is left alone, and another guardian's conversion is a different one.
        let before = digest(&first);
        let run = guardian.convert(&first, &[]).exits(0);
        assert_eq!((&run.verdict()["verdict"], root(&run.verdict())), (&json!("exists"), root(&manifest)));
        if let Some(other) = guardians(folder, home.path()).get(1) {
            let run = other.convert(&first, &[]).exits(2);
            assert!(run.sentence().contains("is not this conversion"), "{}", run.stderr);
        }
        assert_eq!(digest(&first), before, "{folder}");
    }
}

#[test]
fn revert_returns_every_row() {
    let home = tempfile::tempdir().expect("a directory");
    let forged: Vec<Sessions> =
        ["806ce16de", "8a7ea8e86", "fd79b5a6a", "5b5105acf", "8f3c39b54", "4946b58de"]
            .into_iter()
            .chain(["e88ce4abe", "67f1ed59c", "d65634ad2", "v0.2", "v0.4"])
            .map(|name| Sessions::of(layout(name), 10))
            .collect();
    let real = FOLDERS.into_iter().flat_map(|(folder, _)| guardians(folder, home.path()));
    let all = real.chain(forged.iter().map(Sessions::guardian)).enumerate();
    for (number, guardian) in all {
        let name = &guardian.name;
        let (target, back) =
            (home.path().join(format!("to-{number}")), home.path().join(format!("back-{number}")));
        let manifest = converted(&guardian, &target, &[]);
        let run = migrate!("revert", "--from", target, "--to", back, "--json").exits(0);
        let (verdict, source) = (run.verdict(), guardian.rows());
        assert_eq!((&verdict["verdict"], &verdict["records"]), (&json!("reverted"), &json!(source.len())));
        assert_eq!(verdict["identity"], manifest["provenance"], "{name}");
        assert!(rows(&back.join("database")) == source, "{name}");
        // The reverted database is the old one: the same audit, the same conversion.
        assert_eq!(guardian.verify_at(&back).exits(0).verdict(), guardian.verify().verdict(), "{name}");
        let (again, third) = (Guardian { path: back, ..guardian.clone() }, home.path().join("third"));
        assert_eq!(again.convert(&third, &[]).exits(0).verdict()["history_root"], manifest["history_root"]);
        assert_eq!(fm_tests::manifest(&third), manifest, "{name}");
        fs::remove_dir_all(&third).expect("the target can be removed");
        assert!(!partial_of(&target).exists(), "{name}");
    }
}
