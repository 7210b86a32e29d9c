//! Requests to a running guardian on a command line end with the exit status that they deserve.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::ffi::OsString;
use std::time::{Duration, Instant};

use fm_tests::{Nodes, Run};
use serde_json::Value;

fn status(nodes: &Nodes, peer: usize) -> Value {
    serde_json::from_str(&nodes.ask(peer, &["status", "--json"]).exits(0).stdout).unwrap()
}

fn load(nodes: &Nodes) -> Run {
    let mut line: Vec<OsString> =
        ["load", "--workers", "4", "--seconds", "3", "--dir"].map(OsString::from).to_vec();
    line.push(nodes.home().into());
    Run::of("fm-node", &line)
}

#[test]
fn a_shutdown_is_of_a_session_to_come_and_can_be_cancelled() {
    let mut nodes = Nodes::new(15);
    nodes.start_all();
    nodes.wait_for(0, 2);
    for past in ["0", "1", "2"] {
        let refused = nodes.ask(0, &["shutdown", "--at-session", past]).exits(1);
        assert!(
            refused.sentence().contains(&format!("session {past} has begun already")),
            "{}",
            refused.stderr
        );
    }
    let nothing = nodes.ask(0, &["shutdown", "--cancel"]).exits(0);
    assert!(nothing.stdout.contains("no shutdown was scheduled"), "{}", nothing.stdout);
    let soon = (nodes.finished(0).unwrap() + 4).to_string();
    nodes.ask(0, &["shutdown", "--at-session", &soon]).exits(0);
    assert_eq!(status(&nodes, 0)["federation"]["scheduled_shutdown"].to_string(), soon);
    let cancelled = nodes.ask(0, &["shutdown", "--cancel"]).exits(0);
    assert!(cancelled.stdout.contains(&format!("when {soon} sessions are finished")), "{}", cancelled.stdout);
    assert_eq!(status(&nodes, 0)["federation"]["scheduled_shutdown"], Value::Null);
    nodes.wait_for(0, soon.parse::<u64>().unwrap() + 1);
    nodes.ask(0, &["shutdown", "--cancel", "--at-session", "9999"]).exits(2);
    nodes.shut_down();
}

#[test]
fn an_idle_federation_has_no_flagged_guardian_and_one_that_is_away_is() {
    let mut nodes = Nodes::new(40);
    nodes.start_all();
    (0..4).for_each(|peer| nodes.wait_for(peer, 1));
    let flags = |nodes: &Nodes| -> Vec<bool> {
        let status = status(nodes, 0);
        let of = |peer: &str| status["federation"]["status_by_peer"][peer]["flagged"].as_bool().unwrap();
        ["1", "2", "3"].map(of).to_vec()
    };
    // A guardian that started late may be missing from an earlier session.
    let begin = nodes.finished(0).unwrap() + 2;
    for session in begin..begin + 5 {
        nodes.wait_for(0, session);
        let status = status(&nodes, 0);
        assert_eq!(status["federation"]["peers_flagged"], 0, "{status}");
    }
    let reported = nodes.ask(0, &["status"]).exits(0).stdout;
    assert!(!reported.contains("none since the start"), "{reported}");
    nodes.kill(3);
    let finished = nodes.finished(0).unwrap();
    let start = Instant::now();
    while flags(&nodes) != [false, false, true] {
        assert!(start.elapsed() < Duration::from_secs(120), "{}", status(&nodes, 0));
    }
    assert!(nodes.finished(0).unwrap() > finished);
    nodes.start(3);
    while flags(&nodes) != [false; 3] {
        assert!(start.elapsed() < Duration::from_secs(200), "{}", status(&nodes, 0));
    }
    nodes.shut_down();
}

#[test]
fn a_federation_that_stands_still_is_no_success() {
    let mut nodes = Nodes::new(30);
    (0..2).for_each(|peer| nodes.start_with(peer, &["--stuck-after", "1"], &[]));
    nodes.wait_for_log(0, "no link to guardian 2, 3");
    nodes.ask(0, &["status"]).exits(0);
    let checked = nodes.ask(0, &["status", "--check"]).exits(1);
    assert!(checked.stdout.contains("no link to guardian 2, 3"), "{}", checked.stdout);
    nodes.ask(0, &["status", "--check", "--json"]).exits(1);
    let start = Instant::now();
    let late = nodes.ask(0, &["submit", "--timeout", "2"]).exits(4);
    assert!(
        start.elapsed() < Duration::from_secs(30) && late.sentence().contains("after 2 s"),
        "{}",
        late.stderr
    );
    let none = load(&nodes).exits(1);
    assert!(
        none.sentence().contains("no transaction was accepted") && none.stdout.is_empty(),
        "{}",
        none.stdout
    );
    // One more makes three of four.
    nodes.start(2);
    nodes.ask(0, &["submit", "--timeout", "100"]).exits(0);
    nodes.ask(0, &["status", "--check"]).exits(0);
    let loaded = load(&nodes).exits(0);
    assert!(loaded.stdout.contains("accepted   "), "{}", loaded.stdout);
    (0..3).for_each(|peer| nodes.kill(peer));
    let dead = load(&nodes).exits(3);
    assert!(dead.sentence().contains("no guardian of") && dead.stdout.is_empty(), "{}", dead.stdout);
    nodes.ask(0, &["status", "--check"]).exits(3);
}

#[test]
fn a_wrong_password_is_called_wrong() {
    let mut nodes = Nodes::new(15);
    nodes.start(0);
    nodes.wait_for(0, 0);
    for command in [&["shutdown"][..], &["shutdown", "--cancel"], &["checkpoint"]] {
        let refused = nodes.ask_with("wrong", 0, command).exits(12);
        assert!(refused.sentence().contains("the password is wrong"), "{}", refused.stderr);
    }
    let refused = nodes.checkpoint_with("wrong", 0, &["create"]).exits(12);
    assert!(refused.sentence().contains("the password is wrong"), "{}", refused.stderr);
    nodes.ask(0, &["checkpoint"]).exits(0);
}
