//! `fm-migrate units`: real backups, joined ones, damaged ones, and orders compared with what was accepted.
//!
//! Damage is done to copies of the real v0.5.0 and v0.1.5 databases, and to backups that the forge makes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_archive::ArchiveReader;
use fm_codec::Dialect;
use fm_forge::{UnitForge, unit_rows};
use fm_history::Code;
use fm_store::StoreWriter;
use fm_tests::{Run, checkpoint, codes, copy_dir, digest, fixture, migrate, rows, verify};
use fm_units::{ALEPH_0_30, ALEPH_0_36, UnitForm, UnitTable};
use serde_json::{Value, json};
use tempfile::TempDir;

const V0_5: &str = "session-v0.5.0/peer-0";
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn home() -> TempDir {
    tempfile::tempdir().expect("there is room for a directory")
}

/// Writes the keys file of the broadcast crate's federation.
fn broadcast_keys(home: &Path) -> PathBuf {
    let text = fs::read_to_string(fixture("broadcast-v0.1.5/keys.json")).expect("keys");
    let keys: Value = serde_json::from_str(&text).expect("JSON");
    let path = home.join("keys.json");
    fs::write(&path, keys["public_keys"].to_string()).expect("a file");
    path
}

fn written(home: &Path, rows: &[(Vec<u8>, Vec<u8>)]) -> PathBuf {
    let database = home.join("database");
    let mut writer = StoreWriter::create(&database).expect("a database");
    for (key, value) in rows {
        writer.put(key, value).expect("a row");
    }
    writer.finish().expect("a database");
    database
}

/// Returns the findings' codes after a change to the rows of a real database, with its keys.
fn damaged(source: &str, keys: &[OsString], change: impl FnOnce(&mut Rows)) -> Vec<String> {
    let home = home();
    let mut all = rows(&fixture(source).join("database"));
    change(&mut all);
    let database = written(home.path(), &all);
    let mut arguments = vec!["units".into(), database.into(), "--json".into()];
    arguments.extend_from_slice(keys);
    let run = Run::of("fm-migrate", &arguments);
    let is_error = run.findings().iter().any(|finding| finding["severity"] == "error");
    assert!(if is_error { run.exit == 1 } else { matches!(run.exit, 0 | 4) }, "{}", run.stdout);
    codes(&run.findings()).into_iter().map(|(code, _)| code).collect()
}

fn config(path: &str) -> Vec<OsString> {
    vec!["--config".into(), fixture(path).into()]
}

fn nth_unit(rows: &mut Rows, prefix: u8, number: usize) -> usize {
    let units = rows.iter().enumerate().filter(|(_, (key, _))| key.first() == Some(&prefix));
    units.map(|(place, _)| place).nth(number).expect("this many units")
}

fn line<'a>(lines: &'a [Value], kind: &str) -> &'a Value {
    lines.iter().find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind} in {lines:?}"))
}

#[test]
fn every_real_backup_is_sound() {
    let home = home();
    let keys = broadcast_keys(home.path());
    let before = digest(&fixture(V0_5));
    for peer in 0..4 {
        let run =
            migrate!("units", fixture(&format!("broadcast-v0.1.5/peer-{peer}")), "--keys", keys, "--json");
        assert_eq!(run.exits(0).verdict()["verdict"], "sound");
        let database = fixture(&format!("session-v0.5.0/peer-{peer}"));
        let run = migrate!("units", database, "--config", database, "--json", "--replay").exits(0);
        let lines = run.json();
        let replay = line(&lines, "replay");
        assert_eq!(replay["library"], "fedimint-aleph-bft 0.36.0");
        assert_eq!(replay["databases"][0]["accepted"], 6);
        let accepted = lines.iter().filter(|line| line["type"] == "ordered_item" && line["accepted"] == true);
        assert_eq!(accepted.count(), 6);
        assert_eq!(run.verdict()["verdict"], "sound");
    }
    for peer in [0, 1, 3] {
        let database = fixture(&format!("session-v0.2.0-rc1/peer-{peer}"));
        let run = migrate!("units", database, "--config", database, "--json", "--replay").exits(0);
        let lines = run.json();
        assert_eq!(line(&lines, "units")["form"], "aleph-0.30");
        assert_eq!(line(&lines, "replay")["databases"][0]["missing"], 0);
    }
    let run =
        migrate!("units", fixture("aleph-a4177cea3/peer-0"), "--config", fixture("aleph-a4177cea3/peer-0"));
    let run = run.exits(0);
    assert!(
        run.stdout.contains("order      none claimed: these are the own units of 1 of 4"),
        "{}",
        run.stdout
    );
    assert_eq!(digest(&fixture(V0_5)), before, "the source was touched");
}

#[test]
fn guardians_are_joined_by_session() {
    let home = home();
    let keys = broadcast_keys(home.path());
    let dot = home.path().join("graph.dot");
    let [a, b, c, d] = [0, 1, 2, 3].map(|peer| fixture(&format!("broadcast-v0.1.5/peer-{peer}")));
    let run = migrate!("units", a, b, c, d, "--keys", keys, "--json", "--dot", dot).exits(0);
    let sessions: Vec<Value> = run.json().into_iter().filter(|line| line["type"] == "units").collect();
    let facts: Vec<_> =
        sessions.iter().map(|line| (&line["session"], &line["units"], &line["closed"])).collect();
    assert_eq!(facts, [(&json!(5), &json!(26), &json!(false)), (&json!(6), &json!(86), &json!(true))]);
    let text = fs::read_to_string(&dot).expect("the graph");
    // One graph, with a frame for each session and no name twice.
    assert_eq!((text.matches("digraph").count(), text.matches("subgraph").count()), (1, 2));
    assert!(text.contains("label=\"session 5\"") && text.contains("label=\"session 6\""), "{text}");
    assert_eq!(text.matches('{').count(), text.matches('}').count());
    let mut names: Vec<&str> =
        text.lines().filter_map(|line| Some(line.trim().split_once(" [label=")?.0)).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((all, names.len()), (26 + 86, 26 + 86));
    // An existing file is not overwritten; the databases in any order make the same graph.
    migrate!("units", a, "--keys", keys, "--dot", dot).exits(2).sentence();
    let other = migrate!("units", d, c, b, a, "--keys", keys, "--json").exits(0);
    let units = |run: &Run| run.json().into_iter().filter(|line| line["type"] == "item").count();
    assert_eq!(units(&run), units(&other));
    let v0_5: Vec<PathBuf> = (0..4).map(|peer| fixture(&format!("session-v0.5.0/peer-{peer}"))).collect();
    let run =
        migrate!("units", v0_5[0], v0_5[1], v0_5[2], v0_5[3], "--config", v0_5[0], "--replay", "--json")
            .exits(0);
    assert_eq!(line(&run.json(), "replay")["databases"].as_array().map(Vec::len), Some(4));
}

#[test]
fn without_keys_nothing_is_proven() {
    // Without the configuration that lies beside it.
    let (home, source) = (home(), fixture(V0_5));
    let alone = home.path().join("alone");
    copy_dir(&source.join("database"), &alone);
    let run = migrate!("units", alone).exits(4);
    assert!(run.stdout.contains("UNCHECKED") && run.stdout.contains("UNPROVEN"), "{}", run.stdout);
    let run = migrate!("units", alone, "--json").exits(4);
    assert_eq!(codes(&run.findings())[0].0, Code::UnitSignaturesUnchecked.as_str());
    let run =
        migrate!("units", fixture(V0_5), "--config", fixture("session-v0.2.0-rc1/peer-0"), "--json").exits(1);
    assert_eq!(codes(&run.findings()), [(Code::WrongKeys.as_str().to_owned(), Some(26))]);
}

/// What a crash leaves is a warning: it fails only if the user asks for it.
#[test]
fn a_torn_end_of_the_log_is_a_warning() {
    let home = home();
    let guardian = home.path().join("guardian");
    copy_dir(&fixture(V0_5), &guardian);
    let log = guardian.join("database/000085.log");
    let length = fs::metadata(&log).expect("the log").len();
    fs::File::options()
        .write(true)
        .open(&log)
        .and_then(|file| file.set_len(length - 7))
        .expect("it can be cut");
    let run = migrate!("units", guardian, "--config", guardian, "--json").exits(0);
    let verdict = run.verdict();
    assert_eq!(codes(&run.findings()), [(Code::LogTailTorn.as_str().to_owned(), None)]);
    assert_eq!((&verdict["verdict"], &verdict["warnings"]), (&json!("sound"), &json!(1)));
    let people = migrate!("units", guardian, "--config", guardian).exits(0).stdout;
    assert!(people.contains("verdict    SOUND") && people.ends_with("; 1 warning(s)\n"), "{people}");
    let strict = migrate!("units", guardian, "--config", guardian, "--json", "--strict").exits(1).verdict();
    assert_eq!((&strict["verdict"], &strict["errors"]), (&json!("findings"), &json!(0)));
    // Without keys it is not proven, with or without the warning.
    assert_eq!(migrate!("units", guardian, "--json").exits(4).verdict()["warnings"], 1);
}

#[test]
fn what_is_refused() {
    let home = home();
    let says = |run: Run, exit: i32, text: &str| {
        let run = run.exits(exit);
        assert!(run.sentence().contains(text), "{}", run.stderr);
    };
    says(migrate!("units", fixture("hbbft-v0.1.5/peer-0")), 2, "era A2 has no units");
    says(migrate!("units", fixture("synth-v0.5.0")), 3, "in no known form: aleph-0.20-items reads nothing");
    says(migrate!("units", fixture(V0_5), "--form", "aleph-9"), 2, "there is no form");
    says(migrate!("units", fixture(V0_5), "--form", "aleph-0.30"), 3, "aleph-0.30 reads nothing");
    says(
        migrate!("units", fixture("broadcast-v0.1.5/peer-0"), "--replay"),
        2,
        "from before v0.2 are not ordered again",
    );
    let [a, b] = [0, 1].map(|peer| fixture(&format!("session-v0.5.0/peer-{peer}")));
    let out = home.path().join("out.fmar");
    says(migrate!("units", a, b, "--replay", "--out", out), 2, "one database");
    assert!(!out.exists());
}

#[test]
fn the_outcome_that_nobody_signed() {
    let (home, database) = (home(), fixture(V0_5));
    let out = home.path().join("out.fmar");
    // As a run that was killed leaves it.
    fs::write(home.path().join("out.fmar.partial"), b"half").expect("a file");
    let run = migrate!("units", database, "--config", database, "--replay", "--out", out, "--json").exits(0);
    assert_eq!(line(&run.json(), "written")["classification"], "unauthenticated");
    let mut archive = ArchiveReader::open_path(&out).expect("an archive");
    assert_eq!(archive.metadata().get("classification"), Some("unauthenticated"));
    assert_eq!(archive.metadata().get("items"), Some("6"));
    assert_eq!(archive.metadata().get("unit_signatures"), Some("verified"));
    // With keys that nobody named, it proves no more than without keys.
    let unpinned = out.with_extension("unpinned");
    migrate!("units", database, "--replay", "--out", unpinned).exits(4);
    let stated = ArchiveReader::open_path(&unpinned).expect("an archive");
    assert_eq!(stated.metadata().get("unit_signatures"), Some("unchecked"));
    let records: Rows = archive.range(&[]).map(|record| record.expect("a record")).collect();
    let source = rows(&fixture(V0_5).join("database"));
    let of =
        |rows: &Rows, prefix: u8| rows.iter().filter(|(key, _)| key[0] == prefix).cloned().collect::<Rows>();
    for prefix in [0x01, 0x05] {
        assert_eq!(of(&records, prefix), of(&source, prefix));
    }
    let items: Vec<u8> = of(&source, 0x01).into_iter().flat_map(|(_, value)| value).collect();
    assert_eq!(of(&records, 0x04), [(vec![0x04, 26], [&[6], items.as_slice(), &[0]].concat())]);
    migrate!("units", database, "--config", database, "--replay", "--out", out).exits(2).sentence();
    // Read as what it is: not a history, and signed by nobody.
    let read = verify!(out, "--config", database, "--json").exits(4);
    assert_eq!(read.findings(), Vec::<Value>::new());
    let verdict = read.verdict();
    assert_eq!(
        (&verdict["verdict"], &verdict["session"], &verdict["items"]),
        (&json!("unsigned"), &json!(26), &json!(6))
    );
    let text = verify!(out).exits(4).stdout;
    assert!(text.contains("UNSIGNED") && text.contains("of session 26"), "{text}");
    let page = home.path().join("page.html");
    let report = verify!("report", out, "--html", page).exits(2);
    assert!(report.sentence().contains("is the outcome of a session in progress"), "{}", report.stderr);
    // No other command takes its records for a history's.
    let made = home.path().join("made");
    for run in [
        verify!("show", out, "--session", "26"),
        verify!("prove", out, "--session", "26", "--item", "0"),
        verify!("diff", out, database),
        verify!("diff", database, out),
        checkpoint!("verify", out),
        checkpoint!("compare", out, database),
        checkpoint!("compare", database, out),
        checkpoint!("export", out, "--to", made),
        checkpoint!("import", out, "--to", made),
        checkpoint!("get", out, "--session", "26"),
        checkpoint!("cat", out),
    ] {
        let refused = run.exits(2);
        let is_told = refused.sentence().contains("is the outcome of a session in progress");
        assert!(is_told, "{}", refused.stderr);
    }
    assert!(!made.exists());
    for (name, value) in [("items", "7"), ("session", "25"), ("header", "00"), ("classification", "signed")] {
        let lying = home.path().join("lying.fmar");
        let edit = |metadata: &mut fm_archive::Metadata| drop(metadata.insert(name, value));
        fm_tests::rewritten(&out, &lying, 1 << 20, edit, Some);
        let found = verify!(lying, "--json").exits(1).findings();
        assert_eq!(found[0]["code"], "archive-misstated", "{name}: {found:?}");
        fs::remove_file(&lying).expect("it is there");
    }
}

#[test]
fn every_code_of_a_backup() {
    let home = home();
    let broadcast = [OsString::from("--keys"), broadcast_keys(home.path()).into()];
    let v0_5 = config(V0_5);
    let has = |found: &[String], code: Code| {
        assert!(found.iter().any(|found| found == code.as_str()), "{code} is not in {found:?}");
    };
    let lost = |rows: &mut Rows, prefix| {
        let place = nth_unit(rows, prefix, 10);
        rows.remove(place);
    };
    let found = damaged("broadcast-v0.1.5/peer-0", &broadcast, |rows| lost(rows, 0x01));
    has(&found, Code::UnitRowsMissing);
    has(&found, Code::UnitMisplaced);
    has(&damaged(V0_5, &v0_5, |rows| lost(rows, 0x05)), Code::UnitParentMissing);
    // A unit in the middle of a row: `FD` and two bytes of length, or one byte.
    let flip = |offset: usize, with: u8| {
        move |rows: &mut Rows| {
            let place = nth_unit(rows, 0x05, 40);
            let value = &mut rows[place].1;
            let start = if value[0] == 0xfd { 3 } else { 1 };
            value[start + offset] ^= with;
        }
    };
    has(&damaged(V0_5, &v0_5, flip(2, 8)), Code::UnitForeign);
    has(&damaged(V0_5, &v0_5, flip(2 + 8 + 5, 0x60)), Code::UnitParentsInvalid);
    let found = damaged(V0_5, &v0_5, flip(20, 1));
    has(&found, Code::UnitParentsDiffer);
    has(&found, Code::UnitSignatureInvalid);
    let torn = |rows: &mut Rows| {
        let place = nth_unit(rows, 0x05, 12);
        rows[place].1.truncate(60);
    };
    has(&damaged(V0_5, &v0_5, torn), Code::UnitRowUndecodable);
    let repeated = |rows: &mut Rows| {
        let place = nth_unit(rows, 0x05, 104);
        rows.push((vec![0x05, 105], rows[place].1.clone()));
        rows.sort();
    };
    has(&damaged(V0_5, &v0_5, repeated), Code::UnitRepeated);
    let author = |rows: &mut Rows| {
        let place = nth_unit(rows, 0x01, 3);
        let end = rows[place].1.len();
        rows[place].1[end - 8 - 64 - 8] ^= 1;
    };
    has(&damaged("broadcast-v0.1.5/peer-0", &broadcast, author), Code::UnitBatchSignatureInvalid);
}

#[test]
fn an_accepted_item_that_was_never_ordered() {
    let found = |replayed: &Path| {
        let run = migrate!("units", replayed, "--config", fixture(V0_5), "--replay", "--json").exits(1);
        codes(&run.findings()).into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    let with = |change: &dyn Fn(&mut Rows)| {
        let home = home();
        let mut rows = rows(&fixture(V0_5).join("database"));
        change(&mut rows);
        found(&written(home.path(), &rows))
    };
    // The peer of the third accepted item; then the units are removed altogether.
    let place = |rows: &mut Rows| rows.iter().position(|(key, _)| *key == [0x01, 2]).expect("the third item");
    let other_peer = with(&|rows| {
        let place = place(rows);
        *rows[place].1.last_mut().expect("a value") ^= 1;
    });
    assert_eq!(other_peer, [Code::AcceptedItemNotOrdered.as_str()]);
    assert_eq!(with(&|rows| rows.retain(|(key, _)| key[0] != 0x05)), [Code::AcceptedItemNotOrdered.as_str()]);
}

/// Replaces the real backup with one from the forge.
fn forged(form: &'static UnitForm, make: impl FnOnce(&mut UnitForge, &mut Vec<Vec<u8>>)) -> Vec<String> {
    let session = if form == &ALEPH_0_36 { 26 } else { 4 };
    let source = if form == &ALEPH_0_36 { V0_5 } else { "session-v0.2.0-rc1/peer-0" };
    let mut forge = UnitForge::new(form, session, &[[1; 32], [2; 32], [3; 32], [4; 32]]);
    let mut records = forge.rounds(3);
    make(&mut forge, &mut records);
    let table = UnitTable { prefix: 0x05, session_in_key: false, dialect: Dialect::MODERN };
    damaged(source, &[], |rows| {
        rows.retain(|(key, _)| key[0] != 0x05);
        rows.extend(unit_rows(table, session, &records));
        rows.sort();
    })
}

#[test]
fn forks_alerts_and_batches() {
    let all = [0, 1, 2, 3];
    let found = forged(&ALEPH_0_36, |forge, records| {
        records.push(forge.unit(2, 2, &all, Some(&[vec![1, 4, 0, 2, 9, 9]])));
    });
    assert!(found.contains(&Code::UnitFork.as_str().to_owned()), "{found:?}");
    let found = forged(&ALEPH_0_30, |_, records| {
        records.push([&[1, 2], &[7; 32][..], &[16, 0, 0, 0, 0]].concat());
    });
    assert!(found.contains(&Code::UnitAlert.as_str().to_owned()), "{found:?}");
    let found = forged(&ALEPH_0_36, |forge, records| {
        records.push(forge.unit(3, 0, &all, Some(&[vec![1, 9, 0]])));
    });
    assert!(found.contains(&Code::UnitBatchUndecodable.as_str().to_owned()), "{found:?}");
}
