//! Four guardians as four processes: they agree, whatever one of them does or suffers, and prove it
//! afterwards.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use fm_store::{Durability, LiveStore};
use fm_tests::{Nodes, Random, Run, rows};
use serde_json::Value;

fn address(nodes: &Nodes, file: &str, field: &str, peer: usize) -> String {
    let text = std::fs::read_to_string(nodes.directory(peer).join(file)).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let url = file[field][peer.to_string()]["url"].as_str().unwrap();
    url.split_once("://").unwrap().1.trim_end_matches('/').to_owned()
}

#[test]
fn twelve_short_sessions_under_load_are_the_same_everywhere() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("federation");
    let arguments =
        ["dev", "--sessions", "12", "--rounds", "12", "--round-delay", "20", "--load", "60", "--dir"];
    let mut arguments: Vec<OsString> = arguments.map(Into::into).to_vec();
    arguments.push(directory.clone().into());
    let run = Run::of("fm-node", &arguments).exits(0);
    let sessions = run.stdout.lines().filter(|line| line.starts_with("session ")).count();
    assert!(sessions >= 10, "{}", run.stdout);
    let mut roots = Vec::new();
    for peer in 0..4 {
        let guardian = directory.join(peer.to_string());
        let verdict = fm_tests::verify!(guardian, "--config", guardian, "--json").exits(0).verdict();
        assert_eq!((&verdict["sessions"], &verdict["signed"]), (&12.into(), &12.into()));
        roots.push(verdict["history_root"].clone());
        // Nothing of an open session is left, and the remaining tables are those of a server.
        let known = [0x02, 0x04, 0x50, 0xFF];
        let keys: Vec<u8> = rows(&guardian.join("database")).iter().map(|(key, _)| key[0]).collect();
        assert!(keys.iter().all(|key| known.contains(key)), "{keys:?}");
        assert!(keys.iter().filter(|key| **key == 0x02).count() > 20, "hardly a transaction was accepted");
    }
    roots.dedup();
    assert_eq!(roots.len(), 1);
}

#[test]
fn a_guardian_that_is_killed_again_and_again_catches_up() {
    let mut nodes = Nodes::new(15);
    nodes.start_all();
    let mut random = Random::new(4);
    for round in 0..8 {
        thread::sleep(Duration::from_millis(random.below(1200) as u64));
        // A transaction in every open session, so that there is something to disagree about.
        nodes.ask(round % 2, &["submit", "--no-wait"]).exits(0);
        nodes.kill(2);
        if round == 4 {
            // Away for whole sessions, which it fetches.
            let finished = nodes.finished(0).unwrap();
            nodes.wait_for(0, finished + 3);
        }
        nodes.start(2);
    }
    let sessions = nodes.shut_down();
    assert!(sessions > 5, "{sessions}");
    nodes.root(sessions);
}

#[test]
fn three_go_on_without_the_fourth_and_it_joins_later_with_nothing() {
    let mut nodes = Nodes::new(10);
    (0..3).for_each(|peer| nodes.start(peer));
    nodes.wait_for(0, 4);
    nodes.ask(1, &["submit"]).exits(0);
    // It lost everything, and never made a unit in the open session.
    std::fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
    let refused = nodes.ask(3, &["run"]).exits(3);
    assert!(refused.sentence().contains("there is no database"), "{}", refused.stderr);
    nodes.start_new(3);
    nodes.wait_for(3, 4);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

#[test]
fn strangers_at_the_doors_stop_nobody() {
    let mut nodes = Nodes::new(10);
    nodes.start_all();
    nodes.wait_for(0, 1);
    let mut random = Random::new(9);
    let mut held = Vec::new();
    for peer in 0..4 {
        let doors = [
            address(&nodes, "local.json", "p2p_endpoints", peer),
            address(&nodes, "consensus.json", "api_endpoints", peer),
        ];
        for door in doors {
            for visit in 0..80 {
                let Ok(mut stranger) = TcpStream::connect(&door) else { continue };
                let length = random.below(3000);
                let garbage: Vec<u8> =
                    (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
                let said: &[u8] = match visit % 4 {
                    0 => &garbage,
                    // A TLS handshake that claims to be long and ends.
                    1 => b"\x16\x03\x01\xff\xff\x01",
                    2 => b"GET /nowhere HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
                    _ => b"",
                };
                // The guardian may close the connection while it speaks.
                let _ = stranger.write_all(said);
                if visit % 2 == 1 {
                    held.push(stranger);
                }
            }
        }
    }
    let finished = nodes.finished(0).unwrap();
    nodes.wait_for(0, finished + 2);
    // A browser gets a page, and metrics.
    for (path, expected) in [("/", "guardian 0"), ("/metrics", "fm_node_sessions"), ("/etc/passwd", "404")] {
        let mut browser = TcpStream::connect(address(&nodes, "consensus.json", "api_endpoints", 0)).unwrap();
        browser.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let mut page = String::new();
        browser.read_to_string(&mut page).unwrap();
        assert!(page.contains(expected), "{path}: {page}");
    }
    drop(held);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
    for peer in 0..4 {
        assert!(!nodes.log(peer).contains("panicked"), "{}", nodes.log(peer));
    }
}

#[test]
fn the_real_guardians_of_v0_5_0_finish_their_open_session_and_go_on() {
    let mut nodes = Nodes::real();
    let pending: Vec<_> =
        rows(&nodes.directory(0).join("database")).into_iter().filter(|(key, _)| key[0] == 1).collect();
    assert_eq!(pending.len(), 6);
    nodes.start_all();
    nodes.wait_for(1, 0);
    nodes.ask(1, &["submit"]).exits(0);
    nodes.wait_for(0, 27);
    let sessions = nodes.shut_down();
    assert!(sessions > 27);
    nodes.root(sessions);
    // Items that were pending when the servers were killed are the first items of session 26.
    for peer in 0..4 {
        let record = rows(&nodes.directory(peer).join("database"));
        let (_, record) = record.into_iter().find(|(key, _)| *key == [4, 26]).unwrap();
        let items: Vec<u8> = pending.iter().flat_map(|(_, item)| item.clone()).collect();
        assert!(record[1..].starts_with(&items), "guardian {peer} lost pending items");
    }
}

#[test]
fn a_guardian_that_accepted_something_else_stops_and_says_what() {
    let mut nodes = Nodes::real();
    // Its last pending item came from another guardian than in the others' databases.
    let store = LiveStore::open(&nodes.directory(3).join("database")).unwrap();
    let (key, mut item) = store.last_of_prefix(&[1]).unwrap().unwrap();
    let last = item.last_mut().unwrap();
    *last = (*last + 1) % 4;
    store.write([(key.as_slice(), Some(item.as_slice()))], Durability::Synced).unwrap();
    drop(store);
    nodes.start_all();
    nodes.wait_for(0, 28);
    assert_eq!(nodes.ended(3), Some(1), "{}", nodes.log(3));
    let bundle = std::fs::read_to_string(nodes.directory(3).join("consensus-failure-26.json")).unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    assert_eq!((&bundle["session"], &bundle["guardian"]), (&26.into(), &3.into()), "{bundle}");
    assert!(nodes.log(3).contains("consensus failure in session 26"), "{}", nodes.log(3));
    nodes.shut_down();
}
