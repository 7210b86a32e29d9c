//! A transaction of a converted history has two ids: it is found by both, and both are shown. So are both
//! proofs of a session that is not sealed yet.

use fm_tests::{Federation, converted, hbbft, migrate, verify};
use serde_json::{Value, json};

#[test]
fn a_transaction_is_found_by_both_ids() {
    let federation = Federation::small(30);
    let (dir, config) = (federation.beside("new"), federation.config());
    converted(&federation.guardian(), &dir);
    let map = migrate!("map", "--dir", dir).exits(0).json();
    let carried: Vec<&Value> = map.iter().filter(|line| line["type"] == "transaction").collect();
    assert!(carried.len() > 3, "{}", carried.len());
    for line in carried.iter().take(3) {
        let id = |name: &str| line[name].as_str().expect("an id").to_owned();
        let (old, new) = (id("old_txid"), id("txid"));
        assert_ne!(old, new);
        for txid in [&old, &new] {
            let [shown] = verify!("show", dir, "--config", config, "--txid", txid, "--json")
                .exits(0)
                .json()
                .try_into()
                .expect("one object");
            assert_eq!(shown["session"], line["session"]);
            let item = &shown["list"][0];
            assert_eq!((&item["txid"], &item["old_txid"]), (&json!(new), &json!(old)), "{shown}");
            assert_eq!(item["item"], line["item"]);
            let people = verify!("show", dir, "--config", config, "--txid", txid).exits(0).stdout;
            assert!(people.contains(&format!("transaction {new}")), "{people}");
            assert!(people.contains(&format!("id before the conversion: {old}")), "{people}");
        }
        // The epoch that the session was made from has them in the opposite order.
        let epoch = line["epoch"].to_string();
        let people = verify!("show", dir, "--config", config, "--epoch", epoch).exits(0).stdout;
        assert!(people.contains(&format!("id since the conversion: {new}")), "{people}");
    }
    let unknown = "0".repeat(64);
    let run = verify!("show", dir, "--txid", unknown).exits(1);
    assert!(run.sentence().contains("no transaction"), "{}", run.stderr);
}

#[test]
fn an_unsealed_session_shows_what_stands_behind_it() {
    let federation = Federation::small(30);
    let (dir, config) = (federation.beside("new"), federation.config());
    converted(&federation.guardian(), &dir);
    let people = verify!("show", dir, "--config", config, "--session", "5").exits(0).stdout;
    assert!(people.contains("signed by  no guardian since the conversion"), "{people}");
    assert!(people.contains("made from  epoch 5, signed by the federation"), "{people}");
    let one = |run: fm_tests::Run| run.exits(0).json().remove(0);
    let shown = one(verify!("show", dir, "--config", config, "--session", "5", "--json"));
    let original = &shown["original"];
    assert_eq!((&original["epoch"], &original["by_rule"]), (&json!(5), &json!(true)), "{shown}");
    assert_eq!(original["signatures"]["threshold_met"], json!(true), "{shown}");
    // The epoch itself was not made from anything.
    let shown = one(verify!("show", dir, "--epoch", "5", "--json"));
    assert_eq!(shown["original"], Value::Null);
    // Keys of another federation verify nothing, and accuse nobody.
    let people = verify!("show", dir, "--config", hbbft("peer-0"), "--session", "5").exits(0).stdout;
    let line = people.lines().find(|line| line.starts_with("made from  epoch 5, ")).expect("its line");
    assert!(line.contains("another federation's") && !line.contains("NOT"), "{people}");
    // Once sealed, it shows both.
    let files: Vec<_> =
        (0..3).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect();
    fm_tests::seal(&dir, &config, &files).exits(0);
    let people = verify!("show", dir, "--config", config, "--session", "5").exits(0).stdout;
    assert!(people.contains("signed by  guardians 0, 1, 2"), "{people}");
    assert!(people.contains("made from  epoch 5, signed by the federation"), "{people}");
}

/// If two conversions diverge, the old signatures certify the side that is not sealed yet.
#[test]
fn a_difference_shows_what_stands_behind_it() {
    let federation = Federation::small(30);
    let (dir, sealed, config) = (federation.beside("new"), federation.beside("sealed"), federation.config());
    converted(&federation.guardian(), &dir);
    converted(&federation.guardian(), &sealed);
    let files: Vec<_> =
        (0..3).map(|peer| federation.attestation(&sealed, peer, &format!("of-{peer}"))).collect();
    fm_tests::seal(&sealed, &config, &files).exits(0);
    let run = verify!("diff", dir, sealed, "--config", config, "--json").exits(0);
    let difference = run.json().into_iter().find(|line| line["type"] == "difference").expect("a difference");
    let index = difference["session"].to_string();
    let of = |dir: &std::path::Path| {
        verify!("show", dir, "--config", config, "--session", index, "--json").exits(0).json().remove(0)
    };
    for (side, dir) in [("left", &dir), ("right", &sealed)] {
        assert_eq!(difference[side]["original"], of(dir)["original"], "{difference}");
        assert_eq!(difference[side]["original"]["epoch"], difference["session"], "{difference}");
    }
    let people = verify!("diff", dir, sealed, "--config", config).exits(0).stdout;
    let shown = verify!("show", dir, "--config", config, "--session", index).exits(0).stdout;
    let made_from = shown.lines().find_map(|line| line.strip_prefix("made from  ")).expect("its line");
    assert!(made_from.contains("signed by the federation"), "{made_from}");
    assert_eq!(people.matches(&format!("           made from {made_from}\n")).count(), 2, "{people}");
    assert!(people.contains("           signed by no guardian since the conversion\n"), "{people}");
    assert!(people.contains("           signed by guardians 0, 1, 2\n"), "{people}");
    // Epochs themselves were not made from anything.
    let archive = dir.join("provenance.fmar");
    let run = verify!("diff", archive, sealed, "--config", config, "--json");
    let sides = run.json().into_iter().find(|line| line["type"] == "difference");
    assert!(sides.is_none_or(|line| line["left"].get("original").is_none()), "{}", run.stdout);
}

/// A transaction of a session that is not sealed yet is proven where it is signed: in the epoch.
#[test]
fn the_proof_of_an_unsealed_transaction_is_of_its_epoch() {
    let federation = Federation::small(30);
    let (dir, config) = (federation.beside("new"), federation.config());
    converted(&federation.guardian(), &dir);
    let map = migrate!("map", "--dir", dir).exits(0).json();
    let line = map.iter().find(|line| line["type"] == "transaction").expect("a transaction");
    let id = |name: &str| line[name].as_str().expect("an id").to_owned();
    let ids = [id("old_txid"), id("txid")];
    let file = federation.beside("proof.json");
    let checked = |file: &std::path::Path| {
        verify!("check-proof", file, "--config", config, "--json").exits(0).verdict()
    };
    for txid in &ids {
        let run = verify!("prove", dir, "--config", config, "--txid", txid, "--out", file).exits(0);
        let said = format!(
            "of epoch {}, which session {} was made from: nobody has sealed that session",
            line["epoch"], line["session"]
        );
        assert!(run.stdout.contains(&said) && run.stderr.is_empty(), "{}{}", run.stdout, run.stderr);
        let proof = checked(&file);
        assert_eq!((&proof["verdict"], &proof["epoch"]), (&json!("proven"), &line["epoch"]), "{proof}");
        assert_eq!(proof["item"]["txid"], json!(ids[0]), "{proof}");
        // Standard output holds the file alone; what it proves is said on standard error.
        let run = verify!("prove", dir, "--config", config, "--txid", txid).exits(0);
        assert_eq!(run.stdout, std::fs::read_to_string(&file).expect("the proof"));
        assert!(run.stderr.contains(&said), "{}", run.stderr);
        std::fs::remove_file(&file).expect("the proof");
    }
    // Once the session is sealed, its own signatures prove it.
    let files: Vec<_> =
        (0..3).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect();
    fm_tests::seal(&dir, &config, &files).exits(0);
    for txid in &ids {
        let run = verify!("prove", dir, "--config", config, "--txid", txid, "--out", file).exits(0);
        assert!(!run.stdout.contains("was made from") && run.stderr.is_empty(), "{}", run.stdout);
        let proof = checked(&file);
        assert_eq!(
            (&proof["session"], &proof["item"]["txid"]),
            (&line["session"], &json!(ids[1])),
            "{proof}"
        );
        std::fs::remove_file(&file).expect("the proof");
    }
}
