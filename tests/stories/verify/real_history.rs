//! The history that real v0.1.5 guardians wrote: every program agrees with what the code of v0.1.5 says of
//! it, and four guardians who migrate alone arrive at the same result.
//!
//! The expected numbers are computed here from `truth.json`, not by the crates under test.

use std::collections::{BTreeMap, BTreeSet};

use fm_tests::{
    DAMAGED, codes, converted, copy_dir, hbbft, manifest, migrate, root, rows, rows_under, truth, verify,
};
use serde_json::{Value, json};

const PEERS: [&str; 4] = ["peer-0", "peer-1", "peer-2", "peer-3"];
/// The prefix of the sessions.
const SESSIONS: u8 = 0x04;
/// The prefix of the index of accepted transactions.
const INDEX: u8 = 0x02;
/// The last signed epoch.
const LAST: u64 = 318;

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().expect("a list");
    list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// Returns the transactions that an epoch accepted, with the guardian each is first from: in order of the
/// items, without the rejected ones, each once.
fn accepted(epoch: &Value) -> Vec<(u64, String)> {
    let rejected: BTreeSet<String> = texts(&epoch["rejected_txids"]).into_iter().collect();
    let mut seen = BTreeSet::new();
    let transactions = epoch["transactions"].as_array().expect("a list");
    let mut all: Vec<(u64, String)> = transactions
        .iter()
        .map(|transaction| {
            let peer = transaction["peer"].as_u64().expect("a peer");
            (peer, transaction["txid"].as_str().expect("a txid").to_owned())
        })
        .collect();
    all.sort_by_key(|(peer, _)| *peer);
    all.retain(|(_, txid)| !rejected.contains(txid) && seen.insert(txid.clone()));
    all
}

fn epochs(truth: &Value) -> &Vec<Value> {
    truth["epochs"].as_array().expect("a list")
}

/// Returns how many items of a kind the epochs up to `last` hold.
fn items_of_kind(truth: &Value, kind: &str, last: u64) -> u64 {
    let up_to = epochs(truth).iter().filter(|epoch| epoch["key"].as_u64().is_some_and(|key| key <= last));
    up_to
        .flat_map(|epoch| epoch["items_per_peer"].as_object().expect("an object").values())
        .map(|peer| peer["kinds"][kind].as_u64().unwrap_or(0))
        .sum()
}

#[test]
fn four_guardians_come_to_one_history() {
    let home = tempfile::tempdir().expect("a directory");
    let targets: Vec<_> = PEERS.iter().map(|peer| (hbbft(peer), home.path().join(peer))).collect();
    let roots: BTreeSet<String> =
        targets.iter().map(|(guardian, target)| root(&converted(guardian, target))).collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    let first = targets[0].1.join("database");
    let (sessions, index) = (rows_under(&first, SESSIONS), rows_under(&first, INDEX));
    assert_eq!(sessions.len(), 319);
    for (_, target) in &targets[1..] {
        let database = target.join("database");
        assert!(rows_under(&database, SESSIONS) == sessions, "{}", target.display());
        assert!(rows_under(&database, INDEX) == index, "{}", target.display());
    }
}

#[test]
fn the_accepted_transactions_are_those_of_v0_1_5() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    converted(&hbbft("peer-0"), &target);
    let truth = truth("peer-0");
    let index: BTreeSet<String> = truth["accepted_transactions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["txid"].as_str().expect("a txid").to_owned())
        .collect();
    assert_eq!(index.len(), 387);
    let union: BTreeSet<String> = epochs(&truth).iter().flat_map(accepted).map(|(_, txid)| txid).collect();
    assert_eq!(union, index, "what the epochs accept is what the database lists");
    let stored: BTreeSet<String> = rows_under(&hbbft("peer-0").join("database"), INDEX)
        .into_iter()
        .map(|(key, _)| hex::encode(&key[1..]))
        .collect();
    assert_eq!(stored, index);

    // The new place of each, in order.
    let map = migrate!("map", "--dir", target).exits(0).json();
    for epoch in epochs(&truth) {
        let number = epoch["key"].as_u64().expect("a number");
        let carried: Vec<(u64, String)> = map
            .iter()
            .filter(|line| line["type"] == "transaction" && line["epoch"] == number)
            .map(|line| {
                assert_eq!(line["session"], number);
                let text = line["old_txid"].as_str().expect("a txid");
                (line["peer"].as_u64().expect("a peer"), text.to_owned())
            })
            .collect();
        let expected = if number <= LAST { accepted(epoch) } else { Vec::new() };
        assert_eq!(carried, expected, "epoch {number}");
    }
}

#[test]
fn the_manifest_counts_what_v0_1_5_counts() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    let verdict = converted(&hbbft("peer-2"), &target);
    let (truth, manifest) = (truth("peer-2"), manifest(&target));
    let up_to: Vec<&Value> =
        epochs(&truth).iter().filter(|epoch| epoch["key"].as_u64() <= Some(LAST)).collect();
    let transactions: u64 = up_to.iter().map(|epoch| accepted(epoch).len() as u64).sum();
    let modules = items_of_kind(&truth, "Module", LAST);
    let (mut rejected, mut repeated) = (0, 0);
    for epoch in &up_to {
        let refused: BTreeSet<String> = texts(&epoch["rejected_txids"]).into_iter().collect();
        let all = epoch["transactions"].as_array().expect("a list");
        let count =
            all.iter().filter(|t| refused.contains(t["txid"].as_str().unwrap_or_default())).count() as u64;
        rejected += count;
        repeated += all.len() as u64 - count - accepted(epoch).len() as u64;
    }
    let mut dropped = BTreeMap::from([
        ("transaction_rejected", rejected),
        ("transaction_repeated", repeated),
        ("consensus_upgrade", items_of_kind(&truth, "ConsensusUpgrade", LAST)),
        ("client_config_signature_share", items_of_kind(&truth, "ClientConfigSignatureShare", LAST)),
        ("epoch_signature_share", items_of_kind(&truth, "EpochOutcomeSignatureShare", LAST)),
    ]);
    dropped.retain(|_, count| *count > 0);
    let expected = json!({
        "rule": 1, "era": "A2", "layout": "bigsize", "first": 0, "last": LAST, "sessions": LAST + 1,
        "items": transactions + modules, "transactions": transactions, "dropped": dropped,
        "signed": 319, "covered": 0, "epochs_beyond": 1, "federation": truth["auth_public_key"],
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&manifest[name], value, "{name}");
        assert_eq!(&verdict[name], value, "{name}");
    }
    assert!(repeated > 0 && rejected > 0 && modules > 0, "the fixture has all of them");
    assert!(manifest["tool_version"].as_str().is_some_and(|version| !version.is_empty()));
    root(&manifest);
    // Every row of the old database is either carried or named as not carried.
    let sum = |field: &str| -> u64 {
        manifest[field].as_object().expect("an object").values().filter_map(Value::as_u64).sum()
    };
    assert_eq!(sum("carried") + sum("not_carried"), truth["raw"]["rows"].as_u64().expect("a number"));
}

#[test]
fn the_new_database_holds_only_what_a_server_knows() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("new");
    converted(&hbbft("peer-1"), &target);
    let prefixes: BTreeSet<u8> =
        rows(&target.join("database")).iter().map(|(key, _)| *key.first().expect("a key")).collect();
    assert_eq!(prefixes, BTreeSet::from([INDEX, SESSIONS, 0x50, 0xFF]));
    let carried = |database: &std::path::Path| rows_under(database, 0xFF);
    assert!(carried(&target.join("database")) == carried(&hbbft("peer-1").join("database")), "module data");
    let files: Vec<_> =
        fm_tests::file_list(&target).into_iter().filter(|path| path.iter().count() == 1).collect();
    assert_eq!(files, ["database", "manifest.json", "provenance.fmar"].map(std::path::PathBuf::from));
}

#[test]
fn inspect_counts_every_row() {
    let peer = hbbft("peer-3");
    let truth = truth("peer-3");
    let run = migrate!("inspect", peer, "--config", peer, "--json").exits(0);
    let [inspection] = run.json().try_into().expect("one object");
    for (name, value) in [
        ("era", json!("A2")),
        ("layout", json!("bigsize")),
        ("first", json!(0)),
        ("last", json!(319)),
        ("last_pointer", truth["last_epoch"].clone()),
        ("signatures", truth["epochs_with_valid_signature"].clone()),
        ("undecodable", json!(0)),
        ("log_tail_torn", Value::Null),
    ] {
        assert_eq!(inspection[name], value, "{name}");
    }
    assert_eq!(inspection["guardians"].as_object().expect("an object").len(), 4);
    let tables = inspection["tables"].as_array().expect("a list");
    let mut expected: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for (key, value) in rows(&peer.join("database")) {
        let prefix = if key[0] == 0xFF { hex::encode(&key[..3]) } else { hex::encode(&key[..1]) };
        let count = expected.entry(prefix).or_default();
        *count = (count.0 + 1, count.1 + key.len() as u64, count.2 + value.len() as u64);
    }
    let found: BTreeMap<String, (u64, u64, u64)> = tables
        .iter()
        .map(|table| {
            let number = |name: &str| table[name].as_u64().expect("a number");
            assert!(
                table["name"].as_str().is_some_and(|name| name != "unknown" && !name.is_empty()),
                "{table}"
            );
            let prefix = table["prefix"].as_str().expect("a text").to_owned();
            (prefix, (number("records"), number("key_bytes"), number("value_bytes")))
        })
        .collect();
    assert_eq!(found, expected);
    let all: u64 = found.values().map(|count| count.0).sum();
    assert_eq!(Some(all), truth["raw"]["rows"].as_u64());
}

/// `fm-verify` says of each epoch what the code of v0.1.5 says, for good and damaged databases alike.
#[test]
fn every_verdict_is_that_of_v0_1_5() {
    for name in PEERS.iter().chain(&DAMAGED) {
        let source = hbbft(name);
        let run = verify!(source, "--config", source, "--json");
        let run = run.exits(i32::from(name.starts_with("bad")));
        let found = codes(&run.findings());
        let at = |wanted: &[&str]| -> BTreeSet<u64> {
            found
                .iter()
                .filter(|(code, _)| wanted.contains(&code.as_str()))
                .filter_map(|(_, epoch)| *epoch)
                .collect()
        };
        let truth = truth(name);
        let reported = |field: &str, verdict: &str| -> BTreeSet<u64> {
            let all = epochs(&truth).iter().filter(|epoch| epoch[field] == verdict);
            all.filter_map(|epoch| epoch["key"].as_u64()).collect()
        };
        let missing =
            reported("verify_hash", "MissingPreviousEpoch").into_iter().map(|epoch| epoch - 1).collect();
        assert_eq!(at(&["epoch-missing"]), missing, "{name}");
        let hash = reported("verify_hash", "InvalidEpochHash");
        assert!(at(&["epoch-hash-mismatch"]).is_superset(&hash), "{name}");
        let link = reported("verify_hash", "InvalidPreviousEpochHash");
        assert_eq!(at(&["epoch-link-broken"]), link, "{name}");
        let either: BTreeSet<u64> = hash.union(&link).copied().collect();
        assert_eq!(at(&["epoch-hash-mismatch", "epoch-link-broken"]), either, "{name}");
        assert_eq!(at(&["epoch-signature-invalid"]), reported("verify_sig", "InvalidSignature"), "{name}");
        assert_eq!(at(&["epoch-tip"]), reported("verify_sig", "MissingSignature"), "{name}");
        let verdict = run.verdict();
        // A signature over a hash that is not that of the content does not prove the content.
        let own_hash_wrong = at(&["epoch-hash-mismatch"]);
        let signed =
            reported("verify_sig", "Ok").into_iter().filter(|epoch| !own_hash_wrong.contains(epoch)).count();
        assert_eq!(verdict["signed"], signed, "{name}");
        assert_eq!(verdict["epochs"], truth["epoch_rows"], "{name}");
        if !name.starts_with("bad") {
            assert_eq!(found, [("epoch-tip".to_owned(), Some(319))], "{name}");
            assert_eq!(verdict["signed"], truth["epochs_with_valid_signature"], "{name}");
            assert_eq!((&verdict["covered"], &verdict["tip"]), (&json!(0), &json!(1)), "{name}");
        }
    }
}

#[test]
fn sound_in_every_form() {
    let home = tempfile::tempdir().expect("a directory");
    let (source, target) = (hbbft("peer-0"), home.path().join("new"));
    let expected = root(&converted(&source, &target));
    let keys = home.path().join("keys.json");
    let config: Value =
        serde_json::from_slice(&std::fs::read(source.join("consensus.json")).expect("a file"))
            .expect("a config");
    // In the configuration, the key set is hex of the count and, per point, the length and the hex of its 48
    // bytes.
    let inner = hex::decode(config["epoch_pk_set"].as_str().expect("a text")).expect("hex");
    let points: Vec<String> = inner[8..]
        .chunks(8 + 96)
        .map(|point| String::from_utf8(point[8..].to_vec()).expect("hex in hex"))
        .collect();
    assert_eq!(points[0], truth("peer-0")["epoch_public_key"]);
    std::fs::write(&keys, json!({ "epoch_pk_set": points }).to_string()).expect("a file");
    for form in [
        source.clone(),
        source.join("database"),
        target.join("provenance.fmar"),
        target.clone(),
        target.join("database"),
    ] {
        for trust in [["--config".into(), source.clone()], ["--keys".into(), keys.clone()]] {
            let run = verify!(form, trust[0], trust[1], "--json").exits(0);
            assert_eq!(run.stderr, "");
            let verdict = run.verdict();
            assert_eq!(verdict["verdict"], "sound", "{}", form.display());
            assert_eq!(root(&verdict), expected, "{}", form.display());
            for (name, count) in
                [("epochs", 320), ("signed", 319), ("covered", 0), ("tip", 1), ("sessions", 319)]
            {
                assert_eq!(verdict[name], count, "{name} of {}", form.display());
            }
            assert!(run.findings().iter().all(|finding| finding["severity"] == "info"));
        }
    }
    let check = migrate!("check", "--from", source, "--config", source, "--json").exits(0).verdict();
    assert_eq!(root(&check), expected);
}

#[test]
fn without_keys_nothing_is_called_proven() {
    let home = tempfile::tempdir().expect("a directory");
    let (source, target) = (hbbft("peer-0"), home.path().join("new"));
    converted(&source, &target);
    // Without the configuration that lies beside it.
    let alone = home.path().join("alone");
    copy_dir(&source.join("database"), &alone);
    for form in [alone.clone(), target.join("provenance.fmar"), target.clone()] {
        let run = verify!(form, "--json").exits(4);
        let verdict = run.verdict();
        assert_eq!((&verdict["verdict"], &verdict["signed"]), (&json!("unpinned"), &json!(0)));
        assert_eq!(verdict["keys"], Value::Null);
        let human = verify!(form).exits(4).stdout;
        assert!(human.contains("NONE") && human.contains("UNPINNED") && !human.contains("SOUND"), "{human}");
    }
    // A conversion needs keys.
    let other = home.path().join("other");
    let run = migrate!("convert", "--from", alone, "--to", other).exits(2);
    assert!(run.sentence().contains("no keys"), "{}", run.stderr);
    assert!(!other.exists());
}

/// Keys in the data directory check signatures, and do not prove who made both.
#[test]
fn keys_of_the_data_directory_are_not_a_proof() {
    let source = hbbft("peer-0");
    for form in [source.clone(), source.join("database")] {
        let verdict = verify!(form, "--json").exits(4).verdict();
        assert_eq!((&verdict["verdict"], &verdict["signed"]), (&json!("unpinned"), &json!(LAST + 1)));
        assert_eq!((&verdict["proven_to"], &verdict["keys"]["found"]), (&Value::Null, &json!(true)));
        assert_eq!(verdict["unchecked_signatures"], 0);
        let pinned = verify!(form, "--config", source, "--json").exits(0).verdict();
        assert_eq!((&pinned["proven_to"], &pinned["keys"]["found"]), (&json!(LAST), &json!(false)));
        assert_eq!(root(&pinned), root(&verdict));
        let human = verify!(form).exits(4).stdout;
        for part in [
            "found in the data directory; nobody confirmed it",
            "fm-verify keys ",
            "(NOT PROVEN)",
            "UNPINNED",
        ] {
            assert!(human.contains(part), "{part}: {human}");
        }
        assert!(!human.contains("SOUND") && !human.contains("NONE"), "{human}");
    }
}
