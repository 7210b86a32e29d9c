//! A transaction of a converted history has two ids: it is found by both, and both are shown. So are both proofs of a session
//! that nobody has sealed yet.

use fm_tests::{Federation, converted, migrate, verify};
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
        // The epoch that the session was made from has them the other way about.
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
    assert_eq!(original["signatures"]["is_enough"], json!(true), "{shown}");
    // Of the epoch itself there is nothing behind.
    let shown = one(verify!("show", dir, "--epoch", "5", "--json"));
    assert_eq!(shown["original"], Value::Null);
    // Sealed, it shows both.
    let files: Vec<_> =
        (0..3).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect();
    fm_tests::seal(&dir, &config, &files).exits(0);
    let people = verify!("show", dir, "--config", config, "--session", "5").exits(0).stdout;
    assert!(people.contains("signed by  guardians 0, 1, 2"), "{people}");
    assert!(people.contains("made from  epoch 5, signed by the federation"), "{people}");
}
