//! Four guardians of v0.1 continue: converted, sealed, started, and proven from epoch 0 to the newest
//! session.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::fs;
use std::path::Path;

use fm_rows::Row;
use fm_store::{Durability, LiveStore};
use fm_tests::{Nodes, carry_over, copy_dir, hash_to_confirm, hbbft, rows_under, sealed_guardians, verify};

const CONVERTED: u64 = 319;

fn ledger(directory: &Path) -> Vec<Row> {
    rows_under(&directory.join("database"), 0xFF)
}

#[test]
fn a_federation_of_v0_1_goes_on_and_is_proven_from_epoch_0() {
    let home = tempfile::tempdir().unwrap();
    let old = sealed_guardians(home.path());
    let directory = |peer: usize| home.path().join(peer.to_string());
    let hashes: Vec<String> =
        (0..4).map(|peer| hash_to_confirm(carry_over(&directory(peer), &old[peer], &[]))).collect();
    assert!(hashes.iter().all(|other| *other == hashes[0]), "{hashes:?}");
    carry_over(&directory(0), &old[0], &["--confirm", &"0".repeat(64)]).exits(1).sentence();
    for (peer, old) in old.iter().enumerate() {
        let run = carry_over(&directory(peer), old, &["--confirm", &hashes[0]]).exits(0);
        assert!(
            run.stdout.contains("319 sessions") && run.stdout.contains("1 epoch(s) that nobody signed"),
            "{}",
            run.stdout
        );
        assert_eq!(ledger(&directory(peer)), ledger(&directory(0)));
    }
    let again = carry_over(&directory(0), &old[0], &["--confirm", &hashes[0]]).exits(0);
    assert!(again.stdout.contains("by an earlier run"), "{}", again.stdout);
    carry_over(&directory(0), &old[1], &["--confirm", &hashes[0]]).exits(2).sentence();
    let before = verify!(directory(0), "--config", old[0], "--json").exits(0).verdict();
    assert_eq!((&before["sessions"], &before["continued"]), (&CONVERTED.into(), &0.into()));

    let mut nodes = Nodes::at(home, "fixture", 4);
    nodes.start_all();
    nodes.wait_for(1, CONVERTED);
    nodes.ask(1, &["submit"]).exits(0);
    nodes.wait_for(0, CONVERTED + 2);
    nodes.kill(2);
    nodes.wait_for(0, CONVERTED + 3);
    nodes.start(2);
    nodes.wait_for(2, CONVERTED + 3);
    let sessions = nodes.shut_down();
    let mut roots = Vec::new();
    for (peer, old) in old.iter().enumerate() {
        let verdict = verify!(nodes.directory(peer), "--config", old, "--json").exits(0).verdict();
        assert_eq!(
            (&verdict["verdict"], &verdict["sessions"]),
            (&"sound".into(), &sessions.into()),
            "{verdict}"
        );
        assert_eq!(
            (&verdict["sealed"], &verdict["continued"]),
            (&CONVERTED.into(), &(sessions - CONVERTED).into())
        );
        assert_eq!((&verdict["epochs"], &verdict["proven_to"]), (&320.into(), &(sessions - 1).into()));
        roots.push(verdict["history_root"].clone());
        let money = verify!("money", nodes.directory(peer), "--config", old).exits(2);
        assert!(money.sentence().contains("has sessions since its conversion"), "{}", money.sentence());
        assert_eq!(ledger(&nodes.directory(peer)), ledger(&nodes.directory(0)));
    }
    roots.dedup();
    assert_eq!(roots.len(), 1);
    damaged_sessions_are_told(&nodes, &old[0]);
}

/// Checks that a change in any session, converted or not, is found.
fn damaged_sessions_are_told(nodes: &Nodes, old: &Path) {
    let database = nodes.directory(0).join("database");
    let cases = [
        (160_u64, 12, "session-differs-from-rule"),
        (CONVERTED + 1, usize::MAX, "session-signature-invalid"),
    ];
    for (session, place, code) in cases {
        let key = fm_eras::session::session_key(session);
        let stored = rows_under(&database, 0x04).into_iter().find(|(stored, _)| *stored == key);
        let record = stored.unwrap().1;
        let mut changed = record.clone();
        // A byte of an input, or of the last signature.
        let place = place.min(changed.len() - 10);
        changed[place] ^= 1;
        let change = |value: Option<&[u8]>| {
            let store = LiveStore::open(&database).unwrap();
            store.write([(key.as_slice(), value)], Durability::Synced).unwrap();
        };
        change(Some(&changed));
        let run = verify!(nodes.directory(0), "--config", old, "--json").exits(1);
        assert!(run.stdout.contains(code), "{session}: {}", run.stdout);
        change(None);
        let run = verify!(nodes.directory(0), "--config", old, "--json").exits(1);
        assert!(run.stdout.contains("session-missing"), "{session}: {}", run.stdout);
        change(Some(&record));
    }
    verify!(nodes.directory(0), "--config", old, "--json").exits(0);
}

#[test]
fn modules_whose_money_cannot_be_carried_over_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let old = home.path().join("old");
    copy_dir(&hbbft("peer-0"), &old);
    let path = old.join("consensus.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"kind\": \"dummy\"", "\"kind\": \"mint\"")).unwrap();
    let refused = carry_over(&home.path().join("new"), &old, &[]).exits(3);
    assert!(refused.sentence().contains("\"mint\""), "{}", refused.stderr);
    fs::write(&path, text.replace("\"config\": \"03aa", "\"config\": \"04aa")).unwrap();
    carry_over(&home.path().join("new"), &old, &[]).exits(3).sentence();
}
