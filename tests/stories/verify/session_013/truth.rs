//! Sessions, headers, signatures, tables, accepted items and units of every guardian, from its database, from
//! each checkpoint and from archives of them, compared with what upstream's own code reads.

use std::collections::BTreeMap;
use std::path::Path;

use fm_tests::{Run, rows_under};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{FEDERATIONS, guardian, line, number, object, run, truth};

/// A state of a guardian: its database, a checkpoint or an archive of one of these.
struct State<'a> {
    name: String,
    path: &'a Path,
    config: &'a Path,
    truth: &'a Value,
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Returns the counts of a table's rows.
fn counts(table: &Value) -> [u64; 3] {
    ["rows", "key_bytes", "value_bytes"].map(|field| number(&table[field]))
}

/// Adds rows to those of a table.
fn add(tables: &mut BTreeMap<String, [u64; 3]>, prefix: &str, counted: [u64; 3]) {
    let place = tables.entry(prefix.to_owned()).or_default();
    place.iter_mut().zip(counted).for_each(|(sum, count)| *sum += count);
}

impl State<'_> {
    fn check(&self) {
        self.check_history();
        self.check_tables();
        self.check_open_session();
        if !self.truth["outcomes"].is_null() {
            self.check_sessions();
        }
    }

    fn check_history(&self) {
        let (name, truth) = (&self.name, self.truth);
        assert_eq!(truth["all_verify"], true, "{name}");
        let audited = run("fm-verify", &["--json"], self.path, Some(self.config)).exits(0);
        let verdict = audited.verdict();
        let units = &truth["aleph_units"]["rows"];
        let pending = truth["pending_items"].as_array().expect("a list").len();
        for (field, expected) in [
            ("verdict", &json!("sound")),
            ("sessions", &truth["sessions"]),
            ("signed", &truth["sessions"]),
            ("items", &truth["items"]),
            ("pending", &json!(pending)),
            ("units", units),
            ("unproven", &json!(0)),
            ("errors", &json!(0)),
            ("warnings", &json!(0)),
        ] {
            assert_eq!(&verdict[field], expected, "{name}: {field}");
        }
    }

    /// Checks header, items, signers and bytes of every session.
    fn check_sessions(&self) {
        let outcomes = self.truth["outcomes"].as_array().expect("a list");
        assert!(outcomes.len() > 2, "{}", self.name);
        for outcome in outcomes {
            let index = outcome["index"].to_string();
            let name = format!("{}, session {index}", self.name);
            let words = ["show", "--session", &index, "--json"];
            let shown = object(&run("fm-verify", &words, self.path, Some(self.config)).exits(0));
            let header = outcome["header"].as_str().expect("hex");
            assert_eq!(format!("{:016x}", number(&outcome["index"])), header[..16], "{name}");
            assert_eq!(shown["hash"], header[16..], "{name}");
            assert_eq!(shown["items"], outcome["items"], "{name}");
            assert_eq!(shown["signatures"]["valid"], outcome["signers"], "{name}");
            assert_eq!(shown["signatures"]["stored"], outcome["signers"], "{name}");
            assert_eq!(shown["signatures"]["threshold_met"], outcome["verifies"], "{name}");
            let list = shown["list"].as_array().expect("a list");
            let transactions = list.iter().filter(|item| item["kind"] == "transaction").count();
            assert_eq!(json!(transactions), outcome["transactions"], "{name}");
        }
        if self.path.is_dir() {
            let records = rows_under(self.path, 4);
            assert_eq!(records.len(), outcomes.len(), "{}", self.name);
            for ((_, record), outcome) in records.iter().zip(outcomes) {
                assert_eq!(outcome["encoded_sha256"], sha256(record), "{}", self.name);
                assert_eq!(number(&outcome["encoded_bytes"]), record.len() as u64, "{}", self.name);
            }
        }
    }

    /// Checks rows and bytes of every table: of the database as `inspect` has them, by module; of an archive,
    /// of every record.
    fn check_tables(&self) {
        let is_archive = self.path.is_file();
        let digits = if is_archive { 6 } else { 4 };
        let found = if is_archive { self.tables_of_records() } else { self.tables_of_inspect() };
        let mut expected: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        let tables = self.truth["rows_by_prefix"].as_object().expect("an object");
        let modules = self.truth["module_rows_by_prefix"].as_object().expect("an object");
        for (prefix, table) in tables.iter().filter(|(prefix, _)| *prefix != "ff").chain(modules) {
            add(&mut expected, &prefix[..prefix.len().min(digits)], counts(table));
        }
        assert_eq!(found, expected, "{}", self.name);
    }

    fn tables_of_inspect(&self) -> BTreeMap<String, [u64; 3]> {
        let inspected = object(&run("fm-migrate", &["inspect", "--json"], self.path, None).exits(0));
        let mut found = BTreeMap::new();
        for table in inspected["tables"].as_array().expect("a list") {
            let prefix = table["prefix"].as_str().expect("hex");
            let counted = ["records", "key_bytes", "value_bytes"].map(|field| number(&table[field]));
            // Counts module space by module, since tables are distinguished further there.
            add(&mut found, &prefix[..prefix.len().min(4)], counted);
        }
        found
    }

    fn tables_of_records(&self) -> BTreeMap<String, [u64; 3]> {
        let mut found = BTreeMap::new();
        for record in run("fm-checkpoint", &["cat"], self.path, None).exits(0).json() {
            let [key, value] = ["key", "value"].map(|field| record[field].as_str().expect("hex"));
            let digits = if key.starts_with("ff") { 6 } else { 2 };
            add(&mut found, &key[..digits], [1, key.len() as u64 / 2, value.len() as u64 / 2]);
        }
        found
    }

    /// Checks units and accepted items of the session in progress, byte for byte.
    fn check_open_session(&self) {
        let (name, truth) = (&self.name, self.truth);
        let pending = truth["pending_items"].as_array().expect("a list");
        let lines = run("fm-migrate", &["units", "--json"], self.path, Some(self.config)).exits(0).json();
        let verdict = line(&lines, "verdict");
        assert_eq!(verdict["verdict"], "sound", "{name}");
        assert_eq!(
            (&verdict["units"], &verdict["accepted_items"]),
            (&truth["aleph_units"]["rows"], &json!(pending.len()))
        );
        let open = &truth["sessions"];
        if truth["aleph_units"]["rows"] != 0 {
            let units = line(&lines, "units");
            assert_eq!(&units["session"], open, "{name}");
            assert_eq!(units["signatures_invalid"], 0, "{name}");
            let stored = &units["databases"][0];
            for (ours, theirs) in [("rows", "rows"), ("stream_bytes", "bytes"), ("stream_sha256", "sha256")] {
                assert_eq!(stored[ours], truth["aleph_units"][theirs], "{name}: {theirs} of the units");
            }
        } else if !pending.is_empty() {
            assert_eq!(&line(&lines, "open")["session"], open, "{name}");
        }
        let shown =
            run("fm-verify", &["show", "--session", &open.to_string(), "--json", "--hex"], self.path, None);
        if pending.is_empty() {
            assert!(shown.exits(1).sentence().contains("has no session"), "{name}");
            return;
        }
        let shown = object(&shown.exits(0));
        assert_eq!((&shown["type"], &shown["session"]), (&json!("open_session"), open), "{name}");
        let list = shown["list"].as_array().expect("a list");
        assert_eq!(list.len(), pending.len(), "{name}");
        for (item, expected) in list.iter().zip(pending) {
            assert_eq!((&item["item"], &item["peer"]), (&expected["index"], &expected["peer"]), "{name}");
            assert_eq!(json!(item["kind"] == "transaction"), expected["transaction"], "{name}");
            // The item as it is stored, without its guardian (one byte here).
            let bytes = hex::decode(item["hex"].as_str().expect("hex")).expect("hex");
            assert_eq!(expected["encoded_sha256"], sha256(&bytes), "{name}: item {}", item["item"]);
        }
    }

    /// Checks an archive of the state, which holds the same.
    fn check_archived(&self, home: &Path) {
        let archive = home.join(format!("{}.fmar", self.name.replace(['/', ' '], "-")));
        let words = ["export".into(), self.path.into(), "--config".into(), self.config.into(), "--to".into()];
        Run::of("fm-checkpoint", &[&words[..], &[archive.clone().into()]].concat()).exits(0);
        let name = format!("the archive of {}", self.name);
        State { name, path: &archive, ..*self }.check();
    }
}

fn check_federation(place: usize) {
    let home = tempfile::tempdir().expect("a directory");
    let (folder, peers) = FEDERATIONS[place];
    for peer in peers {
        let (directory, truth) = (guardian(folder, peer), truth(folder, peer));
        let tag = &truth["keychain_tag"];
        let audited = run("fm-verify", &["--json"], &directory, Some(&directory)).exits(0).verdict();
        assert_eq!(&audited["keys"]["key_set_tag"], tag, "{folder}/{peer}");
        let mut states = vec![("database".to_owned(), &truth["database"])];
        let checkpoints = truth["db_checkpoints"].as_object().expect("an object");
        states.extend(checkpoints.iter().map(|(name, truth)| (format!("db_checkpoints/{name}"), truth)));
        assert!(states.len() > 1, "{folder}/{peer} has no checkpoints");
        for (name, truth) in states {
            let path = directory.join(&name);
            let state =
                State { name: format!("{folder}/{peer}/{name}"), path: &path, config: &directory, truth };
            state.check();
            state.check_archived(home.path());
        }
    }
}

#[test]
fn four_guardians_over_tcp() {
    check_federation(0);
}

#[test]
fn four_guardians_over_iroh() {
    check_federation(1);
}

#[test]
fn one_guardian() {
    check_federation(2);
}
