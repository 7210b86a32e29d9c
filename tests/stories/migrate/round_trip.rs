//! `revert` returns every row, converting twice results in the same bytes, a finished target is left alone,
//! and `map` accounts for every item.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fm_archive::{MAX_KEY_LEN, MAX_VALUE_LEN};
use fm_eras::hbbft::{EpochLayout, HISTORY_TABLE, Table, decode_epoch};
use fm_forge::ForgeSpec;
use fm_forge::damage::{edit_row, rewrite, rewrite_and_add};
use fm_tests::{
    Federation, codes, converted, digest, edit_manifest, hbbft, keys_of, manifest, migrate, partial_of, root,
    rows, rows_under, verify,
};
use serde_json::Value;

/// The prefix of the sessions.
const SESSIONS: u8 = 0x04;

/// Returns every layout whose histories can be converted; each has a tip of several epochs, which a
/// conversion leaves out and an audit warns of.
fn federations() -> Vec<Federation> {
    let layouts = EpochLayout::ALL.into_iter().filter(EpochLayout::is_framed);
    layouts
        .map(|layout| {
            let spec = ForgeSpec {
                layout,
                epochs: 40,
                items_per_epoch: 6,
                gap_every: 7,
                tip: 3,
                ..ForgeSpec::default()
            };
            Federation::new(spec)
        })
        .collect()
}

/// Checks a revert; `exit` is the status of an audit of the guardian's database that lets warnings fail.
fn assert_reverts(guardian: &Path, home: &Path, exit: i32) {
    let (target, back) = (home.join("new"), home.join("back"));
    converted(guardian, &target);
    let original = rows(&guardian.join("database"));
    for (from, back) in [(target.clone(), back.clone()), (target.join("provenance.fmar"), home.join("again"))]
    {
        let run = migrate!("revert", "--from", from, "--to", back, "--json").exits(0);
        let verdict = run.verdict();
        assert_eq!(verdict["verdict"], "reverted");
        assert_eq!(verdict["records"], original.len());
        assert_eq!(verdict["identity"], manifest(&target)["provenance"]);
        assert!(rows(&back.join("database")) == original, "the rows of {}", guardian.display());
    }
    // The reverted database is a source like the first one.
    let config = guardian.join("consensus.json");
    let first = verify!(guardian, "--config", config, "--json", "--strict").exits(exit).verdict();
    let second = verify!(back, "--config", config, "--json", "--strict").exits(exit).verdict();
    assert_eq!(first["errors"], 0);
    assert_eq!(first, second);
    let third = home.join("third");
    migrate!("convert", "--from", back, "--config", config, "--to", third).exits(0);
    assert_eq!(manifest(&third), manifest(&target));
    assert!(!partial_of(&back).exists() && !partial_of(&target).exists());
}

#[test]
fn revert_returns_every_row_of_real_guardians() {
    for peer in ["peer-0", "peer-3"] {
        let home = tempfile::tempdir().expect("a directory");
        assert_reverts(&hbbft(peer), home.path(), 0);
    }
}

#[test]
fn revert_returns_every_row_of_every_layout() {
    for federation in federations() {
        let home = tempfile::tempdir().expect("a directory");
        assert_reverts(&federation.guardian(), home.path(), 1);
    }
}

#[test]
fn what_was_forged_is_what_is_counted() {
    for federation in federations() {
        let name = federation.spec.layout.name();
        let forged = &federation.forged;
        verify!(federation.guardian(), "--config", federation.config(), "--strict").exits(1);
        let run = verify!(federation.guardian(), "--config", federation.config(), "--json").exits(0);
        let verdict = run.verdict();
        assert_eq!((&verdict["errors"], &verdict["warnings"]), (&0.into(), &1.into()), "{name}");
        for (field, count) in [
            ("epochs", forged.epochs),
            ("signed", forged.signed),
            ("covered", forged.covered),
            ("tip", forged.tip),
            ("sessions", forged.epochs - forged.tip),
        ] {
            assert_eq!(verdict[field], count, "{field} of {name}");
        }
        let tip = ("epoch-tip".to_owned(), Some(forged.epochs - forged.tip));
        assert_eq!(codes(&run.findings()), [tip], "{name}");
        let target = federation.beside("new");
        converted(&federation.guardian(), &target);
        assert_eq!(manifest(&target)["layout"], name);
        // The audit covers the old records, their tip included.
        let verdict = verify!(target, "--config", federation.config(), "--json").exits(0).verdict();
        assert_eq!((&verdict["errors"], &verdict["warnings"]), (&0.into(), &1.into()), "{name}");
    }
}

#[test]
fn converting_twice_gives_the_same_bytes() {
    let home = tempfile::tempdir().expect("a directory");
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    converted(&hbbft("peer-0"), &first);
    converted(&hbbft("peer-0"), &second);
    for name in ["manifest.json", "provenance.fmar"] {
        let read = |directory: &Path| fs::read(directory.join(name)).expect("the file is there");
        assert!(read(&first) == read(&second), "{name}");
    }
    assert!(rows(&first.join("database")) == rows(&second.join("database")));
}

#[test]
fn the_layout_of_files_changes_nothing() {
    let federation = Federation::small(40);
    let copy = federation.beside("copy");
    fs::create_dir(&copy).expect("a directory");
    rewrite(&federation.database(), &copy.join("database"), |key, value| {
        Some((key.to_vec(), value.to_vec()))
    })
    .expect("a copy");
    fs::copy(federation.config(), copy.join("consensus.json")).expect("a copy");
    let (first, second) = (federation.beside("first"), federation.beside("second"));
    converted(&federation.guardian(), &first);
    converted(&copy, &second);
    for name in ["manifest.json", "provenance.fmar"] {
        let read = |directory: &Path| fs::read(directory.join(name)).expect("the file is there");
        assert!(read(&first) == read(&second), "{name}");
    }
}

#[test]
fn a_finished_target_is_left_alone() {
    let federation = Federation::small(40);
    let (guardian, config, target) = (federation.guardian(), federation.config(), federation.beside("new"));
    let first = converted(&guardian, &target);
    assert_eq!(first["verdict"], "converted");
    let before = digest(&target);
    let again = converted(&guardian, &target);
    assert_eq!(again["verdict"], "exists");
    assert_eq!(root(&again), root(&first));
    assert_eq!(digest(&target), before);
    let convert = |until: &str, to: &Path| {
        migrate!("convert", "--from", guardian, "--config", config, "--until", until, "--to", to)
    };
    // Another end is another conversion.
    let run = convert("20", &target).exits(2);
    assert!(run.sentence().contains("is not this conversion"), "{}", run.stderr);
    assert_eq!(digest(&target), before);
    let shorter = federation.beside("shorter");
    convert("20", &shorter).exits(0);
    assert_eq!(manifest(&shorter)["last"], 20);
    assert_eq!(rows_under(&shorter.join("database"), SESSIONS).len(), 21);
    verify!(shorter, "--config", config).exits(0);
    // The default end, named explicitly, is the same conversion.
    convert("38", &target).exits(0);
    assert_eq!(digest(&target), before);
    // Nothing signs the tip.
    let tip = federation.beside("tip");
    let run = convert("39", &tip).exits(1);
    assert!(
        run.sentence().contains(": 39, the end asked for, is neither signed nor covered"),
        "{}",
        run.stderr
    );
    assert!(!tip.exists() && !partial_of(&tip).exists());
}

/// A run that is killed in its very last step leaves a whole target with a marker in it.
#[test]
fn the_last_step_is_finished_by_the_same_command() {
    let federation = Federation::small(12);
    let (guardian, target, back) =
        (federation.guardian(), federation.beside("new"), federation.beside("back"));
    converted(&guardian, &target);
    let revert = || migrate!("revert", "--from", target, "--to", back, "--json").exits(0).verdict();
    assert_eq!(revert()["verdict"], "reverted");
    for directory in [&target, &back] {
        fs::write(directory.join(".partial-marker"), "unfinished work").expect("a file");
    }
    assert_eq!(converted(&guardian, &target)["verdict"], "exists");
    assert_eq!(revert()["verdict"], "exists");
    for directory in [&target, &back] {
        assert!(!directory.join(".partial-marker").exists());
    }
    // Anything else at the target of a revert is refused.
    let run = migrate!("revert", "--from", target, "--to", guardian, "--json").exits(0);
    assert_eq!(run.verdict()["verdict"], "exists", "the guardian's own database has just these rows");
    let other = Federation::small(13);
    let run = migrate!("revert", "--from", target, "--to", other.guardian()).exits(2);
    assert!(run.sentence().contains("its rows have identity"), "{}", run.stderr);
    let empty = federation.beside("empty");
    fs::create_dir(&empty).expect("a directory");
    let run = migrate!("revert", "--from", target, "--to", empty).exits(2);
    assert!(run.sentence().contains("already exists"), "{}", run.stderr);
}

/// "It is there already" is said only of what would have been made: not of another guardian's result, nor of
/// a damaged one.
#[test]
fn a_target_that_is_not_the_same_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    converted(&hbbft("peer-0"), &target);
    let convert =
        |peer: &str| migrate!("convert", "--from", hbbft(peer), "--config", hbbft(peer), "--to", target);
    convert("peer-0").exits(0);
    // The same history and counts, other module data.
    let federation = Federation::small(12);
    let other = federation.beside("other");
    fs::create_dir(&other).expect("a directory");
    let row = rows_under(&federation.database(), 0xFF).into_iter().find(|(_, value)| value.len() > 10);
    let (key, _) = row.expect("a row of a module");
    let change = edit_row(key, |value| Some(value.iter().map(|byte| byte ^ 1).collect()));
    rewrite(&federation.database(), &other.join("database"), change).expect("a copy");
    fs::copy(federation.config(), other.join("consensus.json")).expect("a copy");
    let to = federation.beside("new");
    let first = converted(&federation.guardian(), &to);
    let before = digest(&to);
    let run = migrate!("convert", "--from", other, "--config", other, "--to", to).exits(2);
    assert!(run.sentence().contains("provenance"), "{}", run.stderr);
    assert_eq!(digest(&to), before);
    let apart = federation.beside("apart");
    assert_eq!(root(&converted(&other, &apart)), root(&first));
    // A damaged target: the archive, the database, the manifest.
    let archive = target.join("provenance.fmar");
    let whole = fs::read(&archive).expect("the archive");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    fs::write(&archive, damaged).expect("the archive");
    let run = convert("peer-0").exits(2);
    run.sentence();
    fs::write(&archive, &whole).expect("the archive");
    convert("peer-0").exits(0);
    fm_tests::rewrite_database(
        &target,
        |key, value| (key != [SESSIONS, 7]).then(|| (key.to_vec(), value.to_vec())),
        &[],
    );
    let run = convert("peer-0").exits(2);
    assert!(run.sentence().contains("session 7"), "{}", run.stderr);
    edit_manifest(&target, |manifest| manifest["items"] = Value::from(1));
    let run = convert("peer-0").exits(2);
    assert!(run.sentence().contains("items"), "{}", run.stderr);
}

/// What the archive cannot hold is refused before anything is written, by `check` as by `convert`.
#[test]
fn rows_too_large_for_an_archive_are_refused() {
    let federation = Federation::small(12);
    let config = federation.config();
    let module_key = |length: usize| [&[0xFF, 0, 0xEE][..], &vec![7; length - 3]].concat();
    let cases = [
        ((module_key(MAX_KEY_LEN), vec![1]), None),
        ((module_key(MAX_KEY_LEN + 1), vec![1]), Some("key of 65537 bytes")),
        ((module_key(40), vec![1; MAX_VALUE_LEN + 1]), Some("value of 67108865 bytes")),
    ];
    for (number, (row, refused)) in cases.into_iter().enumerate() {
        let (copy, target) =
            (federation.beside(&format!("copy-{number}")), federation.beside(&format!("new-{number}")));
        let same = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
        rewrite_and_add(&federation.database(), &copy, same, &[row]).expect("a copy");
        for run in [
            migrate!("check", "--from", copy, "--config", config, "--json"),
            migrate!("convert", "--from", copy, "--config", config, "--to", target, "--json"),
        ] {
            let Some(text) = refused else {
                run.exits(0);
                continue;
            };
            let run = run.exits(1);
            assert!(run.sentence().contains("cannot hold the row with key ff00ee0707"), "{}", run.stderr);
            assert!(run.sentence().contains(text), "{}", run.stderr);
            assert_eq!(run.verdict()["verdict"], "refused");
            assert!(!target.exists() && !partial_of(&target).exists());
        }
        assert_eq!(target.exists(), refused.is_none());
    }
}

/// A file of epoch keys names no federation and no session keys: the manifest says so, and everything that
/// guardians compare is the same.
#[test]
fn keys_alone_change_nothing_but_what_the_config_names() {
    let federation = Federation::small(12);
    let (guardian, keys) = (federation.guardian(), federation.beside("keys.json"));
    fs::write(&keys, keys_of(&federation.forged.coefficients)).expect("a file");
    let (named, nameless) = (federation.beside("named"), federation.beside("nameless"));
    converted(&guardian, &named);
    let convert = |to: &Path| migrate!("convert", "--from", guardian, "--keys", keys, "--to", to);
    convert(&nameless).exits(0);
    let (mut expected, found) = (manifest(&named), manifest(&nameless));
    assert_ne!(expected["federation"], "");
    expected["federation"] = Value::from("");
    assert_eq!(expected["session_keys"].as_object().map(serde_json::Map::len), Some(4));
    expected["session_keys"] = serde_json::json!({});
    assert_eq!(found, expected);
    let run = convert(&named).exits(2);
    assert!(run.sentence().contains("federation in its manifest"), "{}", run.stderr);
}

#[test]
fn the_map_accounts_for_every_item() {
    for federation in federations() {
        let target = federation.beside("new");
        converted(&federation.guardian(), &target);
        let manifest = manifest(&target);
        let lines = migrate!("map", "--dir", target).exits(0).json();
        let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
        assert_eq!(manifest["transactions"], count("transaction"));
        assert_eq!(manifest["items"], count("transaction") + count("module_item"));
        assert_eq!(manifest["epochs_beyond"], count("epoch_not_carried"));
        let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["type"] == "not_carried") {
            *dropped.entry(line["reason"].as_str().expect("a reason").to_owned()).or_default() += 1;
        }
        assert_eq!(manifest["dropped"], serde_json::to_value(&dropped).expect("numbers"));
        // Every place in every session is taken by exactly one line.
        let mut places: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["item"].is_u64()) {
            let (session, item) = (line["session"].as_u64(), line["item"].as_u64());
            assert_eq!(line["epoch"], line["session"]);
            let session = places.entry(session.expect("a session")).or_default();
            assert!(session.insert(item.expect("an item")), "{line}");
        }
        for items in places.values() {
            assert!(items.iter().copied().eq(0..items.len() as u64));
        }
        // Every item of every converted epoch is in exactly one line.
        let layout = federation.spec.layout;
        let sessions = manifest["sessions"].as_u64().expect("a number");
        let epochs = rows_under(&federation.database(), HISTORY_TABLE).into_iter();
        let items: usize = epochs
            .map(|(_, value)| decode_epoch(&value, &layout).expect("a good epoch"))
            .filter(|epoch| epoch.number < sessions)
            .flat_map(|epoch| epoch.content.expect("a framed layout").contributions)
            .map(|contribution| contribution.items.len())
            .sum();
        assert_eq!(count("transaction") + count("module_item") + count("not_carried"), items);
        // So is every record outside the history that has no place in the new database.
        let mut records: BTreeMap<String, u64> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["type"] == "record_not_carried") {
            assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
            *records.entry(line["table"].as_str().expect("a table").to_owned()).or_default() += 1;
        }
        let mut stated = manifest["not_carried"].as_object().expect("an object").clone();
        // Epochs have their own lines, and the index follows from them.
        stated.remove(Table::SignedEpochOutcome.name());
        stated.remove(Table::AcceptedTransaction.name());
        let listed = serde_json::to_value(&records).expect("numbers");
        assert_eq!(listed, Value::Object(stated), "{}", layout.name());
    }
}
