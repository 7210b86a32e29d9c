//! One guardian of four misbehaves with its real keys: it neither stops nor splits the others, nor misleads
//! one that catches up.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::sync::atomic::Ordering::Relaxed;

use fm_tests::{Byzantine, Nodes};

const HONEST: std::ops::Range<usize> = 1..4;

/// Lets the honest guardians finish this many more sessions, with transactions in them.
fn go_on(nodes: &Nodes, sessions: u64) {
    let begin = nodes.finished(1).unwrap();
    for session in begin..begin + sessions {
        for peer in HONEST {
            nodes.ask(peer, &["submit", "--no-wait"]).exits(0);
        }
        nodes.wait_for(1, session + 1);
    }
}

#[test]
fn a_byzantine_guardian_neither_stops_nor_splits_the_rest() {
    let mut nodes = Nodes::new(15);
    HONEST.for_each(|peer| nodes.start(peer));
    let byzantine = Byzantine::start(&nodes.directory(0), "dev", &[1, 2]);
    HONEST.for_each(|peer| nodes.wait_for(peer, 0));
    go_on(&nodes, 4);
    let sessions = nodes.shut_down();
    let root = nodes.root_of(HONEST, sessions);

    // One guardian lost everything before it made a unit of the next session, and has to take the whole
    // history from the others; twice, since a guardian that returned one mutated outcome is not asked again
    // by the same process for a minute.
    let mut later = sessions;
    for _ in 0..2 {
        std::fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
        nodes.start(1);
        nodes.start(2);
        nodes.start_new(3);
        nodes.wait_for(3, later);
        later = nodes.shut_down();
    }
    assert_ne!(nodes.root_of(HONEST, later), root);

    let crimes = &byzantine.crimes;
    assert!(crimes.units.load(Relaxed) > 20 && crimes.flood.load(Relaxed) > 1000, "{crimes:?}");
    assert!(crimes.stalled.load(Relaxed) > 1 && crimes.mutated.load(Relaxed) > 1, "{crimes:?}");
    let logs: Vec<String> = HONEST.map(|peer| nodes.log(peer)).collect();
    for seen in ["batch skipped", "its signature is over another header", "outcome refused", "link broken"] {
        assert!(logs.iter().any(|log| log.contains(seen)), "nobody says {seen:?}: {crimes:?}\n{}", logs[2]);
    }
    for log in logs {
        assert!(!log.contains("panicked") && !log.contains("consensus failure"), "{log}");
    }
}
