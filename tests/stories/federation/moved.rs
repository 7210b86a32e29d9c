//! A guardian of a running federation is moved with `fm-checkpoint`, continues at the new place, and does not
//! start at the old one any more.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_tests::{Nodes, Run, rows};

/// Makes the guardian's directory the old place: the new one gets its name, under which the federation starts
/// it.
fn old_place(nodes: &Nodes, peer: usize) -> PathBuf {
    let old = nodes.home().join(format!("old-{peer}"));
    fs::rename(nodes.directory(peer), &old).expect("it can be renamed");
    old
}

/// Writes the backup that the guardian's server would let its operator download.
fn backup(nodes: &Nodes, directory: &Path) -> PathBuf {
    let path = nodes.home().join("backup.tar");
    let tar = fm_backup::configuration(&[directory]).expect("the guardian's files").to_bytes();
    fs::write(&path, &*tar).expect("it can be written");
    path
}

fn tool(words: &[&str], paths: &[(&str, &Path)]) -> Run {
    let mut all: Vec<OsString> = words.iter().map(OsString::from).collect();
    for (option, path) in paths {
        all.extend([OsString::from(option), path.into()]);
    }
    Run::of("fm-checkpoint", &all)
}

/// Checks that the old place of a moved guardian does not start.
fn check_old_place(old: &Path) {
    let words = ["run".into(), "--data-dir".into(), old.into(), "--new".into()];
    let node = Run::of("fm-node", &words).exits(1);
    assert!(node.sentence().contains("was moved away"), "{}", node.stderr);
    assert!(fm_store::LiveStore::open(&old.join("database")).is_err());
}

#[test]
fn a_moved_guardian_continues_with_its_units() {
    let mut nodes = Nodes::new(12);
    nodes.start_all();
    nodes.wait_for(2, 4);
    nodes.kill(2);
    let old = old_place(&nodes, 2);
    let (tar, archive) = (backup(&nodes, &old), nodes.home().join("guardian.fmar"));
    let before = rows(&old.join("database"));
    let paths = [("--data-dir", &*old), ("--to", &*archive)];
    // Killed at the beginning of a session, the guardian leaves a database that does not show it; the node's
    // record does.
    let moved = tool(&["move", "--yes", "--json"], &paths).exits(0).verdict();
    assert_eq!(moved["verdict"], "moved");
    check_old_place(&old);
    let new = nodes.directory(2);
    let paths = [("--data-dir", &*new), ("--backup", &*tar), ("--archive", &*archive)];
    tool(&["restore", "--yes"], &paths).exits(0);
    assert!(rows(&new.join("database")) == before);
    nodes.start(2);
    let sessions = nodes.finished(0).expect("it runs") + 3;
    nodes.wait_for(2, sessions);
    let announced = nodes.ask(2, &["announce", "--address", "ws://new.example:8174/"]).exits(0);
    assert!(announced.stdout.contains("ws://new.example:8174/"), "{}", announced.stdout);
    let known = announced.stdout.lines().filter(|line| line.ends_with("knows it")).count();
    assert_eq!(known, 3, "{}", announced.stdout);
    let refused = nodes.ask(2, &["announce", "--address", "new.example"]).exits(1);
    assert!(refused.sentence().contains("not one of an interface"), "{}", refused.stderr);
    let last = contribution_of(&nodes, 2);
    assert!(last.is_some_and(|session| session + 2 >= sessions), "{last:?} of {sessions}");
    check_old_place(&old);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

/// Returns the last session that a guardian contributed to, as another one saw it.
fn contribution_of(nodes: &Nodes, peer: usize) -> Option<u64> {
    let status = nodes.ask(0, &["status", "--json"]).exits(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    status["federation"]["status_by_peer"][peer.to_string()]["last_contribution"].as_u64()
}

/// The machine is lost: what remains is the tar, and the archive of some night.
#[test]
fn a_guardian_is_made_again_from_its_tar_and_a_nightly_archive() {
    let mut nodes = Nodes::new(12);
    (0..4).for_each(|peer| nodes.start_with(peer, &["--checkpoints", "2", "--min-free", "0"], &[]));
    nodes.wait_for(1, 3);
    let checkpoint = nodes.checkpoint(1, &["create", "--json"]).exits(0).verdict();
    let archive = nodes.home().join("nightly.fmar");
    let path = checkpoint["path"].as_str().expect("a path");
    tool(&["export", path], &[("--to", &archive), ("--config", &nodes.directory(1))]).exits(0);
    nodes.wait_for(1, 5);
    nodes.kill(1);
    let tar = backup(&nodes, &nodes.directory(1));
    drop(old_place(&nodes, 1));
    let new = nodes.directory(1);
    let paths = [("--data-dir", &*new), ("--backup", &*tar), ("--archive", &*archive)];
    let refused = tool(&["restore", "--yes"], &paths).exits(2);
    assert!(refused.stderr.contains("--guard-until"), "{}", refused.stderr);
    let highest = [0, 2, 3].into_iter().filter_map(|peer| nodes.finished(peer)).max().expect("they run");
    let until = (highest + 1).to_string();
    tool(&["restore", "--yes", "--guard-until", &until], &paths).exits(0);
    nodes.start(1);
    nodes.wait_for(1, highest + 4);
    let last = contribution_of(&nodes, 1);
    assert!(last.is_none_or(|session| session > highest + 1), "{last:?} under the guard up to {until}");
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}
