//! `money`: the books of real federations are what their servers counted, from every kind of source; what cannot be
//! derived is refused.

use std::collections::BTreeMap;
use std::path::Path;

use fm_tests::{Lie, Run, Served, checkpoint, copy_dir, fixture, verify};
use serde_json::{Value, json};

/// Real federations of the servers of 0.13.0, with their guardians.
const FEDERATIONS: [(&str, &[&str]); 3] = [
    ("session-v0.13.0", &["peer-0", "peer-3"]),
    ("session-v0.13.0-iroh", &["peer-0", "peer-3"]),
    ("session-v0.13.0-single", &["peer-0"]),
];

fn truth(folder: &str, peer: &str) -> Value {
    let text =
        std::fs::read_to_string(fixture(folder).join("truth.json")).expect("the fixture says what is true");
    let truth: Value = serde_json::from_str(&text).expect("it is JSON");
    truth["peers"][peer]["database"].clone()
}

fn of(lines: &[Value], kind: &str) -> Vec<Value> {
    lines.iter().filter(|line| line["type"] == kind).cloned().collect()
}

/// Returns a number of notes by kind and denomination, without denominations that have none.
fn notes(lines: &[Value], number: &str) -> Value {
    let mut notes: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for line in of(lines, "denomination") {
        let count = line[number].as_u64().expect("a number");
        if count > 0 {
            let kind = line["kind"].as_str().expect("a name").to_owned();
            notes.entry(kind).or_default().insert(line["msat"].to_string(), count);
        }
    }
    json!(notes)
}

fn books(run: &Run) -> Vec<Value> {
    let lines = run.json();
    lines.into_iter().filter(|line| line["type"] != "finding").collect()
}

#[test]
fn the_books_are_what_real_servers_counted() {
    for (folder, peers) in FEDERATIONS {
        for peer in peers {
            let guardian = fixture(&format!("{folder}/{peer}"));
            let run = verify!("money", &guardian, "--config", &guardian, "--json").exits(0);
            let (lines, truth) = (run.json(), truth(folder, peer));
            let signed = &truth["in_signed_sessions"];
            assert_eq!(notes(&lines, "issued"), signed["notes_issued"], "{folder}/{peer}");
            assert_eq!(notes(&lines, "redeemed"), signed["notes_spent"], "{folder}/{peer}");
            let verdict = run.verdict();
            assert_eq!((&verdict["verdict"], &verdict["errors"]), (&json!("sound"), &json!(0)));
            let spent: u64 =
                of(&lines, "denomination").iter().filter_map(|line| line["redeemed"].as_u64()).sum();
            assert_eq!(verdict["notes_checked"], spent);
            // What servers count includes the open session.
            if truth["pending_items"] != json!([]) {
                continue;
            }
            for module in of(&lines, "module") {
                let audited = &truth["audit"]["modules"][module["module"].to_string()];
                assert_eq!(module["kind"], audited["kind"]);
                if module["reason"].is_null() {
                    assert_eq!(
                        module["net_assets_msat"], audited["net_assets_msat"],
                        "{folder}/{peer}: {module}"
                    );
                }
            }
            if !verdict["net_assets_msat"].is_null() {
                assert_eq!(verdict["net_assets_msat"], truth["audit"]["net_assets_msat"]);
                assert_eq!(verdict["covered"], json!(true));
            }
        }
    }
}

#[test]
fn the_books_are_the_same_from_every_source() {
    let guardian = fixture("session-v0.13.0/peer-0");
    let config = guardian.as_path();
    let stored = verify!("money", &guardian, "--config", config, "--json").exits(0);
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("history.fmar");
    checkpoint!("export", &guardian, "--profile", "history", "--to", &archive, "--config", config).exits(0);
    let archived = verify!("money", &archive, "--config", config, "--json").exits(0);
    assert_eq!(books(&archived), books(&stored));
    let keys = home.path().join("keys.json");
    verify!("keys", config, "--out", &keys).exits(0);
    let served = Served::start(&guardian.join("database"), &keys, 5, &[Lie::None; 4]);
    let live = verify!("money", &served.urls[0], "--config", config, "--json").exits(0);
    assert_eq!(books(&live), books(&stored));
    let text = verify!("money", &guardian, "--config", config).exits(0).stdout;
    for line in [
        "module     3 (mint): assets 0 sat, liabilities 20,618,371.976 sat",
        "               1,048,576          128          105           23",
        "money      COVERED: assets exceed liabilities by 6,696.024 sat",
        "notes      the signatures of 3,079 spent notes checked",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn what_modules_say_is_shown() {
    let guardian = fixture("session-v0.13.0/peer-0");
    let shown = verify!("show", &guardian, "--session", "3", "--config", &guardian, "--json").exits(0);
    let list = shown.json()[0]["list"].clone();
    let decoded: Vec<&Value> = list
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["decoded"].as_array())
        .flatten()
        .collect();
    let what = |part: &str, kind: &str| {
        decoded.iter().find(|line| line["part"] == part && line["kind"] == kind).copied()
    };
    let vote = what("item", "wallet").expect("guardians vote");
    assert!(vote["blocks"].is_number() || vote["sat_per_kvb"].is_number(), "{vote}");
    let notes: Vec<_> = decoded.iter().filter(|line| line["what"] == "issues a note").collect();
    assert!(notes.iter().all(|note| note["amount_msat"].is_number() && note["blind_nonce"].is_string()));
    assert!(!decoded.iter().any(|line| line["what"].as_str().is_some_and(|what| what.contains("NOT"))));
    // Without a configuration, they are bytes.
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("keys.json");
    verify!("keys", &guardian, "--out", &keys).exits(0);
    let plain = verify!("show", &guardian, "--session", "3", "--keys", &keys, "--json").exits(0);
    assert!(plain.json()[0]["list"].as_array().unwrap().iter().all(|item| item["decoded"].is_null()));
}

#[test]
fn a_transaction_is_shown_part_by_part() {
    let guardian = fixture("session-v0.13.0/peer-0");
    let mut seen = std::collections::BTreeSet::new();
    for session in 0..22 {
        let session = session.to_string();
        let shown =
            verify!("show", &guardian, "--session", session, "--config", &guardian, "--json").exits(0);
        for item in shown.json()[0]["list"].as_array().unwrap() {
            for part in item["decoded"].as_array().into_iter().flatten() {
                let (part, what) = (&part["part"], &part["what"]);
                if seen.insert(format!("{} {}", part.as_str().unwrap(), what.as_str().unwrap())) {
                    let place = item["item"].to_string();
                    let words = ["show", guardian.to_str().unwrap(), "--session", &session, "--item", &place];
                    let words: Vec<_> = words.into_iter().map(Into::into).collect();
                    let text = Run::of("fm-verify", &words).exits(0).stdout;
                    assert!(text.contains(what.as_str().unwrap()), "{text}");
                }
            }
        }
    }
    for expected in [
        "input claims a deposit",
        "input spends a note",
        "output issues a note",
        "output withdraws",
        "output puts money into an outgoing contract",
        "item votes for a number of blocks",
        "item votes for a time",
        "item votes for a value",
        "item signs a withdrawal",
    ] {
        assert!(seen.contains(expected), "{expected}: {seen:?}");
    }
}

/// Epochs have accounts of `dummy` alone. A transaction that an epoch rejects does not count.
#[test]
fn histories_of_v0_1_have_books_too() {
    let guardian = fixture("hbbft-v0.1.5/peer-0");
    let run = verify!("money", &guardian, "--config", &guardian, "--json").exits(0);
    let (lines, verdict) = (run.json(), run.verdict());
    let audit = verify!(&guardian, "--config", &guardian, "--json").exits(0).verdict();
    assert_eq!(verdict["history_root"], audit["history_root"]);
    assert!(verdict["transactions"].as_u64() > Some(0), "{verdict}");
    assert_eq!(verdict["transactions"], verdict["balance_unchecked"]);
    assert!(of(&lines, "module").iter().all(|module| module["undecoded"] == 0), "{lines:?}");
}

#[test]
fn what_cannot_be_derived_is_refused() {
    let guardian = fixture("session-v0.13.0/peer-0");
    let config = guardian.as_path();
    let refused = |run: Run, status: i32, sentence: &str| {
        let run = run.exits(status);
        assert!(run.sentence().contains(sentence), "{}", run.sentence());
    };
    for part in [["--from", "3"], ["--to", "3"], ["--sample", "3"], ["--trust-file", "none"]] {
        let run = verify!("money", &guardian, "--config", config, part[0], part[1]);
        refused(run, 2, "money is derived from a whole history");
    }
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("keys.json");
    verify!("keys", config, "--out", &keys).exits(0);
    refused(verify!("money", &guardian, "--keys", &keys), 2, "money needs the federation's configuration");
    let first = fixture("hbbft-v0.1.5/peer-0");
    let hole = fixture("hbbft-v0.1.5/bad-d-missing-epoch");
    refused(verify!("money", &hole, "--config", &first), 1, "epoch 160 is missing");
    let other = fixture("session-v0.13.0-iroh/peer-0");
    let wrong = verify!("money", &guardian, "--config", &other);
    assert_ne!(wrong.exit, 0, "{}", wrong.stdout);
    let copy = home.path().join("copy");
    copy_dir(&guardian, &copy);
    let broken = broken_config(&copy);
    refused(
        verify!("money", &guardian, "--config", &broken),
        2,
        "the configuration of module 3 (mint) cannot be read",
    );
}

/// Cuts the last byte of the configuration of the mint.
fn broken_config(guardian: &Path) -> std::path::PathBuf {
    let path = guardian.join("consensus.json");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    let text = config["modules"]["3"]["config"].as_str().expect("hex").to_owned();
    config["modules"]["3"]["config"] = json!(text[..text.len() - 2]);
    std::fs::write(&path, config.to_string()).expect("there is room for a file");
    path
}
