//! Remote parties without a password at the interfaces of running guardians, and a guardian's interface that
//! lies to the others: sessions continue, and the memory cost stays below the limit that docs/node.md names.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Attacker, Nodes, Swollen};

use crate::means::{
    AT_HOME, Attacking, ELSEWHERE, few_connections, large_sessions, nobody_is_large, wait_with_large_ids,
};

#[test]
fn ids_and_requests_that_wait_take_no_memory() {
    let mut nodes = Nodes::new(15).with_least_memory();
    nodes.start_all();
    nodes.wait_for(1, 2);
    let attack = Attacking::begin([nodes.interface(0)], wait_with_large_ids);
    while attack.done() < 10 {
        thread::sleep(Duration::from_millis(100));
    }
    nodes.wait_for(1, nodes.finished(1).unwrap() + 4);
    nobody_is_large(&nodes, 0..4);
    drop(attack);
    // A client that says nothing wrong is served all the while.
    nodes.ask(0, &["status"]).exits(0);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

#[test]
fn answers_that_nobody_reads_are_bounded() {
    let mut nodes = Nodes::new(40).with_least_memory();
    nodes.start_all();
    (0..4).for_each(|peer| nodes.wait_for(peer, 1));
    let (begin, end) = large_sessions(&nodes, 0..4, 60);
    let mut deaf = Vec::new();
    for place in 0..50 {
        let mut attacker = Attacker::connect(&nodes.interface(0), [127, 0, 1, place]).unwrap();
        for turn in 0..60 {
            let params = format!(r#"[{{"auth":null,"params":{}}}]"#, begin + turn % (end - begin));
            if attacker.ask("1", "await_signed_session_outcome", &params).is_err() {
                break;
            }
        }
        deaf.push(attacker);
    }
    thread::sleep(Duration::from_secs(3));
    nobody_is_large(&nodes, 0..4);
    // A guardian that lost everything still gets its sessions.
    nodes.kill(3);
    fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
    nodes.start_new(3);
    nodes.wait_for(3, end);
    // Connections of clients that read nothing are closed, one at a time as their turns come.
    let start = Instant::now();
    let mut left = || -> usize {
        deaf.iter_mut().map(|attacker| usize::from(attacker.ask("2", "version", "[]").is_ok())).sum()
    };
    while left() > 40 {
        assert!(start.elapsed() < Duration::from_secs(90), "slow readers stay");
        thread::sleep(Duration::from_secs(1));
    }
    nobody_is_large(&nodes, 0..4);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

#[test]
fn idle_connections_shut_out_no_guardian() {
    let mut nodes = Nodes::new(15).with_least_memory();
    few_connections(&nodes);
    (0..3).for_each(|peer| nodes.start(peer));
    nodes.wait_for(1, 3);
    // From the guardians' own address: only what the clients show distinguishes them.
    let occupy = |nodes: &Nodes| -> Vec<Attacker> {
        let interfaces = (0..3).flat_map(|peer| std::iter::repeat_n(nodes.interface(peer), 60));
        interfaces.filter_map(|interface| Attacker::connect(&interface, AT_HOME).ok()).collect()
    };
    let mut idle = occupy(&nodes);
    let finished = nodes.finished(1).unwrap();
    fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
    nodes.start_new(3);
    let start = Instant::now();
    while nodes.finished(3).is_none_or(|own| own < finished) {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not catch up:\n{}", nodes.log(3));
        idle.retain_mut(|attacker| !attacker.is_closed());
        idle.extend(occupy(&nodes));
    }
    let sessions = nodes.shut_down();
    nodes.root(sessions);
    assert!(!idle.is_empty());
}

#[test]
fn a_guardian_whose_interface_swells_harms_nobody() {
    let mut nodes = Nodes::new(15).with_least_memory();
    // Guardian 0 does not run; another server with its address answers in its name.
    let swollen = Swollen::at(&nodes.interface(0));
    (1..4).for_each(|peer| nodes.start(peer));
    nodes.wait_for(1, 3);
    let start = Instant::now();
    while swollen.records.load(Relaxed) < 3 || swollen.answers.load(Relaxed) < 20 {
        assert!(start.elapsed() < Duration::from_secs(100), "nobody asks it");
        thread::sleep(Duration::from_millis(100));
    }
    nodes.wait_for(1, nodes.finished(1).unwrap() + 5);
    nobody_is_large(&nodes, 1..4);
    // A guardian that lost everything takes it from the other two.
    let finished = nodes.finished(1).unwrap();
    nodes.kill(3);
    fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
    nodes.start_new(3);
    nodes.wait_for(3, finished);
    nobody_is_large(&nodes, 1..4);
    let sessions = nodes.shut_down();
    nodes.root_of(1..4, sessions);
}

#[test]
fn a_guesser_who_hangs_up_guesses_no_faster() {
    let mut nodes = Nodes::new(15).with_least_memory();
    nodes.start(0);
    nodes.wait_for(0, 0);
    let address = nodes.interface(0);
    let (start, time) = (Instant::now(), Duration::from_secs(6));
    let guessers: Vec<_> = (0..6)
        .map(|guesser| {
            let address = address.clone();
            thread::spawn(move || {
                let mut tries = 0;
                while start.elapsed() < time {
                    let Ok(mut attacker) = Attacker::connect(&address, ELSEWHERE) else { continue };
                    for guess in 0..50 {
                        let params = format!(r#"[{{"auth":"guess {guesser} {guess}","params":null}}]"#);
                        tries += u32::from(attacker.ask("1", "auth", &params).is_ok());
                    }
                    thread::sleep(Duration::from_millis(40));
                }
                tries
            })
        })
        .collect();
    let tries: u32 = guessers.into_iter().map(|guesser| guesser.join().unwrap()).sum();
    let metrics = nodes.page(0, "/metrics");
    let wrong = metrics.lines().find_map(|line| line.strip_prefix("fm_node_wrong_passwords_total ")).unwrap();
    let wrong: u64 = wrong.parse().unwrap();
    let most = 5 + start.elapsed().as_secs() / 2 + 1;
    assert!(
        tries > 500 && wrong <= most && wrong >= 5,
        "{wrong} of {tries} were checked, at most {most} may be"
    );
    // The operator, at another address, is let in at once.
    nodes.ask(0, &["checkpoint"]).exits(0);
}
