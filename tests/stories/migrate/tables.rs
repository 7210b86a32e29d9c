//! `inspect`: every table of a guardian's database by its name, by the kinds that the configuration names;
//! unknown rows are counted and are not an error.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use fm_forge::damage;
use fm_modules::Kind;
use fm_modules::tables::{KINDS, Sharing, database_versions, tables_of};
use fm_rows::Row;
use fm_tests::{checkpoint, copy_dir, fixture, fixture_json, hbbft, migrate, rows};
use serde_json::{Value, json};

/// The federations of 0.13.0.
const FEDERATIONS: [&str; 3] = ["session-v0.13.0", "session-v0.13.0-iroh", "session-v0.13.0-single"];

fn inspected(source: &Path, config: Option<&Path>) -> Value {
    let run = match config {
        Some(config) => migrate!("inspect", source, "--config", config, "--json"),
        None => migrate!("inspect", source, "--json"),
    };
    let [inspection] = run.exits(0).json().try_into().expect("one object");
    migrate!("inspect", source).exits(0);
    inspection
}

fn tables(inspection: &Value) -> BTreeMap<String, Value> {
    let tables = inspection["tables"].as_array().expect("a list").iter();
    tables.map(|table| (table["prefix"].as_str().expect("text").to_owned(), table.clone())).collect()
}

/// Returns every database and checkpoint of the real guardians, with what upstream's code says of it, and the
/// kinds.
fn real() -> Vec<(PathBuf, Value, Value)> {
    let mut all = Vec::new();
    for federation in FEDERATIONS {
        let truth = fixture_json(&format!("{federation}/truth.json"));
        for (peer, reported) in truth["peers"].as_object().expect("guardians") {
            let home = fixture(federation).join(peer);
            all.push((home.clone(), reported["database"].clone(), reported["modules"].clone()));
            for (checkpoint, state) in reported["db_checkpoints"].as_object().expect("checkpoints") {
                let path = home.join("db_checkpoints").join(checkpoint);
                all.push((path, state.clone(), reported["modules"].clone()));
            }
        }
    }
    all
}

#[test]
fn every_table_of_real_guardians_is_named_and_counted() {
    let real = real();
    assert!(real.len() > 8, "{}", real.len());
    for (path, reported, kinds) in real {
        let inspection = inspected(&path, None);
        let mut found = tables(&inspection);
        let server = reported["rows_by_prefix"].as_object().expect("tables").iter();
        let modules = reported["module_rows_by_prefix"].as_object().expect("tables").iter();
        for (prefix, count) in server.filter(|(prefix, _)| *prefix != "ff").chain(modules) {
            let table = found.remove(prefix).unwrap_or_else(|| panic!("{}: {prefix}", path.display()));
            let counted = json!({ "rows": table["records"], "key_bytes": table["key_bytes"],
                "value_bytes": table["value_bytes"] });
            assert_eq!(&counted, count, "{} {prefix}", path.display());
            assert!(table["name"] != "unknown" && table["name"] != "module_data", "{table}");
            let module = table.get("module").map(ToString::to_string);
            assert_eq!(module.is_some(), prefix.starts_with("ff"), "{table}");
            let kind = module.map_or(&Value::Null, |module| &kinds[module]);
            assert_eq!(table.get("kind").unwrap_or(&Value::Null), kind, "{table}");
        }
        assert_eq!(found, BTreeMap::new(), "{}", path.display());
        let server = &inspection["server"];
        assert_eq!(
            (&server["first"], &server["last"]),
            (&reported["server_info"]["init_version"], &reported["server_info"]["last_version"])
        );
        let named = inspection["modules"].as_array().expect("a list").iter();
        let named: serde_json::Map<String, Value> =
            named.map(|module| (module["module"].to_string(), module["kind"].clone())).collect();
        assert_eq!(Value::Object(named), kinds);
        assert!(
            inspection["modules"]
                .as_array()
                .into_iter()
                .flatten()
                .all(|module| { module["database"].is_u64() && module["unknown_records"] == 0 })
        );
    }
}

/// An archive of each has the same tables.
#[test]
fn every_table_of_an_archive_is_named_and_counted() {
    let home = tempfile::tempdir().expect("a directory");
    for (number, (path, _, _)) in real().into_iter().enumerate() {
        let archive = home.path().join(format!("{number}.fmar"));
        let config =
            path.ancestors().find(|around| around.join("consensus.json").exists()).expect("a guardian's");
        checkpoint!("export", path, "--to", archive, "--config", config).exits(0);
        let reported = inspected(&path, Some(config));
        let shown =
            checkpoint!("inspect", archive, "--tables", "--config", config, "--json").exits(0).verdict();
        assert_eq!(
            (&shown["tables"], &shown["modules"]),
            (&reported["tables"], &reported["modules"]),
            "{}",
            path.display()
        );
        let people = checkpoint!("inspect", archive, "--tables").exits(0).stdout;
        assert!(people.contains("signed_session_outcome\n"), "{people}");
        let quick = checkpoint!("inspect", archive, "--json").exits(0).verdict();
        assert!(quick.get("tables").is_none(), "{quick}");
    }
}

/// Damaged frames are not taken for empty tables; an unknown layout is named.
#[test]
fn tables_of_a_damaged_archive_are_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = home.path().join("a.fmar");
    checkpoint!("export", fixture("session-v0.5.0/peer-0"), "--to", archive).exits(0);
    let good = fs::read(&archive).expect("an archive");
    let mut bad = good.clone();
    bad[2000] ^= 1;
    fs::write(&archive, bad).expect("a file");
    let run = checkpoint!("inspect", archive, "--tables").exits(3);
    assert!(run.sentence().contains("frame 0"), "{}", run.stderr);
    checkpoint!("inspect", archive).exits(0);
}

/// Record by record, `cat` names the tables that `inspect` counts.
#[test]
fn records_are_shown_with_their_tables() {
    let home = tempfile::tempdir().expect("a directory");
    for (number, federation) in FEDERATIONS.into_iter().enumerate() {
        let guardian = fixture(federation).join("peer-0");
        let archive = home.path().join(format!("{number}.fmar"));
        checkpoint!("export", guardian, "--to", archive).exits(0);
        let mut counted: BTreeMap<(String, Option<u64>), u64> = BTreeMap::new();
        for line in checkpoint!("cat", archive, "--config", guardian).exits(0).json() {
            let name = line["table"].as_str().expect("text").to_owned();
            assert_eq!(line["module"].is_u64(), line["kind"].is_string(), "{line}");
            *counted.entry((name, line["module"].as_u64())).or_default() += 1;
        }
        let reported = inspected(&guardian, None);
        let tables = reported["tables"].as_array().expect("a list").iter();
        let tables: BTreeMap<(String, Option<u64>), u64> = tables
            .map(|table| {
                let name = table["name"].as_str().expect("text").to_owned();
                let records = table["records"].as_u64().expect("a number");
                ((name, table["module"].as_u64()), records)
            })
            .collect();
        assert_eq!(counted, tables, "{federation}");
    }
    let archive = home.path().join("0.fmar");
    let guardian = fixture("session-v0.13.0/peer-0");
    let [line] = checkpoint!("get", archive, "--key", "5003").exits(0).json().try_into().expect("a line");
    assert_eq!((&line["table"], &line["kind"]), (&json!("database_version"), &Value::Null));
    let of_wallet = |config: Option<&Path>| {
        let run = match config {
            Some(config) => checkpoint!("get", archive, "--key", "ff0538", "--config", config),
            None => checkpoint!("get", archive, "--key", "ff0538"),
        };
        run.exits(0).json().remove(0)
    };
    assert_eq!(of_wallet(None)["table"], "module_data");
    assert_eq!(of_wallet(Some(&guardian))["table"], "peg_out_nonce");
    checkpoint!("cat", archive, "--config", home.path()).exits(3);
}

/// Output for people: kinds, versions of databases and server; and no line about epochs if there are
/// sessions.
#[test]
fn people_read_kinds_and_versions() {
    let text = migrate!("inspect", fixture("session-v0.13.0/peer-0")).exits(0).stdout;
    for line in [
        "server     0.13.0 ran on it last, 0.13.0 first (as the database says)",
        "module     3 mint, database version 3: 21,572 records",
        "module     4 unknown, database version 1: 0 records",
        "output_outcome (3 mint)",
        "block_hash_by_height (5 wallet)",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(!text.contains("epoch") && !text.contains("tip"), "{text}");
    let text = migrate!("inspect", hbbft("peer-0")).exits(0).stdout;
    assert!(text.contains("last epoch 319 (as the database says)\n"), "{text}");
    assert!(text.contains("tip        1 newest epoch(s) without a signature\n"), "{text}");
    assert!(text.contains("module     0 dummy, database version 1: 559 records\n"), "{text}");
    // A database alone does not say of which kinds its modules are.
    let home = tempfile::tempdir().expect("a directory");
    copy_dir(&fixture("session-v0.13.0-single/peer-0/database"), home.path());
    let text = migrate!("inspect", home.path()).exits(0).stdout;
    assert!(text.contains("module     3 of an unknown kind"), "{text}");
    assert!(text.contains(" module_data (3)\n") && !text.contains("mint"), "{text}");
    let config = fixture("session-v0.13.0-single/peer-0/consensus.json");
    let text = migrate!("inspect", home.path(), "--config", config).exits(0).stdout;
    assert!(text.contains(" note_nonce (3 mint)\n"), "{text}");
}

/// Copies the guardian that is alone, with changed rows and some more, and its configuration.
fn changed(
    home: &Path,
    name: &str,
    change: impl Fn(&[u8], &[u8]) -> Option<Row>,
    more: &[Row],
) -> (PathBuf, usize) {
    let from = fixture("session-v0.13.0-single/peer-0");
    let to = home.join(name);
    fs::create_dir_all(&to).expect("a directory");
    fs::copy(from.join("consensus.json"), to.join("consensus.json")).expect("a configuration");
    let mut more = more.to_vec();
    more.sort();
    damage::rewrite_and_add(&from.join("database"), &to.join("database"), change, &more)
        .expect("it can be rewritten");
    let count = rows(&to.join("database")).len();
    (to, count)
}

fn same(key: &[u8], value: &[u8]) -> Option<Row> {
    Some((key.to_vec(), value.to_vec()))
}

fn module(inspection: &Value, number: u64) -> &Value {
    let modules = inspection["modules"].as_array().expect("a list");
    modules.iter().find(|module| module["module"] == number).expect("the module")
}

/// One prefix means different tables in different versions of a module's database: the version in the
/// database decides.
#[test]
fn the_databases_own_version_names_the_tables() {
    let home = tempfile::tempdir().expect("a directory");
    let backup: Row = (vec![0xFF, 3, 0x15, 9], vec![1]);
    for (version, names) in [
        (0, ["ecash_backup", "unknown", "unknown", "unknown"]),
        (1, ["ecash_backup", "blind_nonce", "unknown", "unknown"]),
        (2, ["unknown", "blind_nonce", "unknown", "unknown"]),
        (3, ["unknown", "blind_nonce", "recovery_item", "recovery_blind_nonce_outpoint"]),
    ] {
        let older = |key: &[u8], value: &[u8]| {
            let value = if key == [0x50, 3] { vec![version] } else { value.to_vec() };
            Some((key.to_vec(), value))
        };
        let (path, _) = changed(home.path(), &version.to_string(), older, std::slice::from_ref(&backup));
        let inspection = inspected(&path, None);
        let tables = tables(&inspection);
        let of = |prefix: &str| tables[prefix]["name"].as_str().expect("text").to_owned();
        assert_eq!(["ff0315", "ff0316", "ff0317", "ff0318"].map(of), names, "{version}");
        let counted: u64 = ["ff0315", "ff0316", "ff0317", "ff0318"]
            .iter()
            .zip(names)
            .filter(|(_, name)| *name == "unknown")
            .map(|(prefix, _)| tables[*prefix]["records"].as_u64().expect("a number"))
            .sum();
        let module = module(&inspection, 3);
        assert_eq!((&module["database"], &module["unknown_records"]), (&json!(version), &json!(counted)));
    }
}

/// `lnv2` used two other, overlapping ranges of prefixes before 0.7, and its database version does not show
/// it.
#[test]
fn the_old_tables_of_lnv2_are_told_apart() {
    let home = tempfile::tempdir().expect("a directory");
    let row = |prefix: u8| -> Row { (vec![0xFF, 1, prefix, 1], vec![1]) };
    let empty = |key: &[u8], value: &[u8]| match key {
        [0xFF, 1, ..] => None,
        [0x50, 1] => Some((key.to_vec(), vec![0])),
        _ => Some((key.to_vec(), value.to_vec())),
    };
    let of_0_4 = [(0x45, "block_count_vote"), (0x46, "unix_time_vote"), (0x47, "incoming_contract")];
    let of_0_5 = [(0x45, "output_outcome"), (0x46, "preimage"), (0x47, "gateway")];
    let only_0_4 = [(0x48, "outgoing_contract"), (0x49, "output_outcome"), (0x51, "gateway")];
    let only_0_5 = [(0x41, "block_count_vote"), (0x42, "unix_time_vote"), (0x44, "outgoing_contract")];
    let of_0_7 = [(0x01, "block_count_vote"), (0x06, "decryption_key_share"), (0x08, "gateway")];
    for (name, expected) in [
        ("0.4", [&of_0_4[..], &only_0_4].concat()),
        ("0.4 without contracts", of_0_4[..2].to_vec()),
        ("0.5", [&of_0_5[..], &only_0_5].concat()),
        ("0.7", of_0_7.to_vec()),
        ("0.7 on 0.5", [&of_0_7[..], &of_0_5, &only_0_5].concat()),
    ] {
        let more: Vec<Row> = expected.iter().map(|(prefix, _)| row(*prefix)).collect();
        let (path, _) = changed(home.path(), name, empty, &more);
        let inspection = inspected(&path, None);
        let tables = tables(&inspection);
        for (prefix, table) in &expected {
            let found = &tables[&format!("ff01{prefix:02x}")];
            assert_eq!((found["name"].as_str(), &found["kind"]), (Some(*table), &json!("lnv2")), "{name}");
        }
        assert_eq!(module(&inspection, 1)["unknown_records"], 0, "{name}");
    }
    // A table that came with 0.9 is not a table of a database that was not migrated.
    let (path, _) = changed(home.path(), "not migrated", empty, &[row(0x09), row(0x10)]);
    assert_eq!(module(&inspected(&path, None), 1)["unknown_records"], 2);
}

/// Rows that nobody can read, keys that are cut, unknown modules: each is counted under its first bytes.
#[test]
fn what_nobody_knows_is_counted() {
    let home = tempfile::tempdir().expect("a directory");
    let more: Vec<Row> = [
        &[0x42][..],
        &[0xFF],
        &[0xFF, 0xFD],
        &[0xFF, 0xFD, 1],
        &[0xFF, 0xFE, 1, 2, 3, 4],
        &[0xFF, 3],
        &[0xFF, 3, 0x77],
        &[0xFF, 3, 0x77, 1],
        &[0xFF, 9, 0x10, 1],
        &[0xFF, 0xFD, 1, 0x2C, 0x10],
        &[0xFF, 9],
    ]
    .map(|key| (key.to_vec(), vec![0xFE; 3]))
    .to_vec();
    let (path, count) = changed(home.path(), "rows", same, &more);
    let inspection = inspected(&path, None);
    let tables = tables(&inspection);
    let records: u64 = tables.values().filter_map(|table| table["records"].as_u64()).sum();
    assert_eq!(records, count as u64, "every row is counted once");
    for (prefix, name, kind, rows) in [
        ("42", "unknown", Value::Null, 1),
        ("ff", "module_data", Value::Null, 4),
        ("ff03", "unknown", json!("mint"), 1),
        ("ff0377", "unknown", json!("mint"), 2),
        ("ff09", "module_data", Value::Null, 1),
        ("ff0910", "module_data", Value::Null, 1),
        ("fffd012c10", "module_data", Value::Null, 1),
    ] {
        let table = &tables[prefix];
        assert_eq!((&table["name"], &table["records"]), (&json!(name), &json!(rows)), "{prefix} {table}");
        assert_eq!(table.get("kind").unwrap_or(&Value::Null), &kind, "{table}");
    }
    assert_eq!(module(&inspection, 3)["unknown_records"], 3);
    assert_eq!(
        module(&inspection, 9),
        &json!({ "module": 9, "kind": null, "database": null, "records": 2,
        "unknown_records": null })
    );
}

/// Rows that should hold versions, in every way in which they can fail to.
#[test]
fn versions_that_are_none() {
    let home = tempfile::tempdir().expect("a directory");
    for (number, garbage) in
        [&b""[..], b"\x05", b"\x05a", b"\xfe\xff\xff\xff\xff", b"\x01\xff\x01\xff", b"\x010\x010x", &[0; 90]]
            .into_iter()
            .enumerate()
    {
        let lie = |key: &[u8], value: &[u8]| match key {
            [0x07] | [0x50, 0..=4] => Some((key.to_vec(), garbage.to_vec())),
            _ => Some((key.to_vec(), value.to_vec())),
        };
        let (path, _) = changed(home.path(), &number.to_string(), lie, &[(vec![0x50, 0xFD], vec![1])]);
        let inspection = inspected(&path, None);
        assert_eq!(inspection["server"], Value::Null, "{garbage:?}");
        assert!(inspection["undecodable"].as_u64() >= Some(2), "{garbage:?}: {inspection}");
        // Without a version, a table has the name that any version uses.
        let tables = tables(&inspection);
        assert_eq!(tables["ff0318"]["name"], "recovery_blind_nonce_outpoint");
        assert_eq!(tables["07"]["name"], "server_info");
    }
    let hostile = "0.13\nverdict    SOUND\u{1b}[2J\u{202e}";
    let mut text = vec![u8::try_from(hostile.len()).expect("it is short")];
    text.extend_from_slice(hostile.as_bytes());
    let lie = |key: &[u8], value: &[u8]| {
        let value = if key == [0x07] { [&text[..], &text].concat() } else { value.to_vec() };
        Some((key.to_vec(), value))
    };
    let (path, _) = changed(home.path(), "hostile", lie, &[]);
    let run = migrate!("inspect", path).exits(0);
    assert!(
        run.stdout.contains("server     0.13\\nverdict    SOUND\\u{1b}[2J\\u{202e} ran on it last"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.lines().all(|line| !line.starts_with("verdict")), "{}", run.stdout);
}

/// A configuration of other modules names what it can, and what does not fit is counted as such.
#[test]
fn a_configuration_that_does_not_fit() {
    let home = tempfile::tempdir().expect("a directory");
    let (path, count) = changed(home.path(), "rows", same, &[]);
    let other = fixture("session-v0.13.0-iroh/peer-0/consensus.json");
    let inspection = inspected(&path, Some(&other));
    let found = tables(&inspection);
    let records: u64 = found.values().filter_map(|table| table["records"].as_u64()).sum();
    assert_eq!(records, count as u64);
    // There it is lnv2, here ln, as shown by the absence of rows in tables of lnv2.
    let ln = module(&inspection, 0);
    assert_eq!((&ln["kind"], &ln["records"]), (&json!("lnv2"), &ln["records"]));
    assert!(ln["unknown_records"].as_u64() > Some(0), "{ln}");
    assert_eq!(module(&inspection, 4)["kind"], Value::Null, "it has no module 4");
    // An unknown kind: its tables have no names, and nothing is wrong with them.
    let config = fs::read_to_string(path.join("consensus.json")).expect("a text");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    config["modules"]["3"]["kind"] = json!("stability_pool\n\u{1b}[2J");
    fs::write(path.join("consensus.json"), config.to_string()).expect("it can be written");
    let inspection = inspected(&path, None);
    assert_eq!(module(&inspection, 3)["unknown_records"], Value::Null);
    assert_eq!(tables(&inspection)["ff0310"]["name"], "module_data");
    let text = migrate!("inspect", path).exits(0).stdout;
    assert!(text.contains("whose tables are not known") && !text.contains('\u{1b}'), "{text}");
}

/// The document lists every table and every version that the programs know.
#[test]
fn the_documented_tables_are_those_of_the_programs() {
    let mut tables = "| Kind | Table | Name | Database versions | Whose | Provable |\n".to_owned()
        + "| --- | --- | --- | --- | --- | --- |\n";
    let mut versions =
        "| Kind | First release that writes the version of the database |\n| --- | --- |\n".to_owned();
    for kind in KINDS.map(Kind::of) {
        for table in tables_of(&kind) {
            let of = match (table.until, table.first, table.last) {
                (Some(until), ..) => format!("until {until}"),
                (None, 0, u64::MAX) => "all".to_owned(),
                (None, first, u64::MAX) => format!("{first} and later"),
                (None, 0, 0) => "0".to_owned(),
                (None, first, last) => format!("{first} to {last}"),
            };
            let whose = match table.sharing {
                Sharing::Shared => "shared".to_owned(),
                Sharing::SinceUpgrade => "shared, since the upgrade".to_owned(),
                Sharing::Own(what) => format!("own: {what}"),
            };
            let (prefix, name, proof) = (table.prefix, table.name, table.proof.name());
            writeln!(tables, "| `{kind}` | {prefix:02x} | {name} | {of} | {whose} | {proof} |")
                .expect("text");
        }
        let Some(known) = database_versions(&kind) else { continue };
        let known: Vec<String> =
            known.iter().map(|(release, version)| format!("{version}: {release}")).collect();
        writeln!(versions, "| `{kind}` | {} |", known.join(", ")).expect("text");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats/modules.md");
    let mut document = fs::read_to_string(&path).expect("the document");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        for table in [&tables, &versions] {
            let first = table.lines().next().expect("a line");
            let (before, rest) = document.split_once(first).expect("the table");
            let after = rest.split_once("\n\n").expect("what follows").1;
            document = format!("{before}{table}\n{after}");
        }
        fs::write(&path, &document).expect("the document can be written");
    }
    let how = "UPDATE_DOCUMENTS=1 cargo test --test migrate tables writes it";
    for table in [&tables, &versions] {
        assert!(document.contains(table.as_str()), "docs/formats/modules.md is to say ({how}):\n\n{table}");
    }
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows(&document), rows(&tables) + rows(&versions), "the document has rows that no program has");
}
