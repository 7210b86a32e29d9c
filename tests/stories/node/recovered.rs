//! `recover-account`: what belongs to a key, from a running federation, killed again and again, and from an
//! archive.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;

use fm_tests::{Lie, Nodes, Run, Served, checkpoint, finished, signalled, started, verify};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// The account to which `fm-node submit` pays.
fn account() -> String {
    format!("02{}", "01".repeat(32))
}

/// A federation that was shut down after some payments.
struct World {
    nodes: Nodes,
    payments: u64,
    home: TempDir,
}

impl World {
    fn new() -> Self {
        let mut nodes = Nodes::new(10);
        nodes.start_all();
        nodes.wait_for(0, 2);
        for payment in 0..6 {
            nodes.ask(payment % 4, &["submit"]).exits(0);
        }
        nodes.wait_for(0, 8);
        nodes.shut_down();
        Self { nodes, payments: 6, home: tempfile::tempdir().expect("there is room") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the keys alone, for guardians at other addresses.
    fn keys(&self) -> PathBuf {
        let file = self.path("keys.json");
        if !file.exists() {
            verify!("keys", self.nodes.directory(0), "--out", &file).exits(0);
        }
        file
    }

    fn words(&self, from: &Path, state: &str, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["recover-account".into(), "--from".into(), from.into()];
        words.extend(["--account".into(), account().into(), "--json".into(), "--keys".into()]);
        words.extend([self.keys().into(), "--state".into(), self.path(state).into()]);
        words.extend(more.iter().map(OsString::from));
        words
    }

    fn check(&self, verdict: &Value) {
        assert_eq!(verdict["balance_msat"], self.payments * 1000, "{verdict}");
        assert_eq!(verdict["postings"].as_array().expect("a list").len() as u64, self.payments);
    }
}

#[test]
fn an_account_is_recovered_from_a_database_an_archive_and_a_federation() {
    let world = World::new();
    let directory = world.nodes.directory(0);
    let from_database = Run::of("fm-node", &world.words(&directory, "database", &[])).exits(0).verdict();
    world.check(&from_database);
    let archive = world.path("history.fmar");
    checkpoint!("export", &directory, "--profile", "history", "--to", &archive, "--config", &directory)
        .exits(0);
    let from_archive = Run::of("fm-node", &world.words(&archive, "archive", &[])).exits(0).verdict();
    assert_eq!(from_archive["postings"], from_database["postings"]);
    // Again: nothing is read any more, not even from where nothing is.
    let again = Run::of("fm-node", &world.words(&archive, "archive", &[])).exits(0).verdict();
    assert_eq!(again, from_archive);
    let unconfirmed = |account: &str, state: &str, more: &[&str]| {
        let mut words: Vec<OsString> =
            vec!["recover-account".into(), "--from".into(), directory.clone().into()];
        words.extend(["--account".into(), account.into(), "--state".into(), world.path(state).into()]);
        words.extend(more.iter().map(OsString::from));
        Run::of("fm-node", &words)
    };
    let text = unconfirmed(&account(), "text", &[]).exits(4).stdout;
    assert!(text.contains("balance    6000 msat") && text.contains("nobody confirmed it"), "{text}");
    for account in ["02", "zz"] {
        let run = unconfirmed(account, "none", &[]).exits(2);
        assert!(run.sentence().contains("--account is not the 66 hex digits of a key"), "{}", run.sentence());
    }
    // A finished recovery is of one account.
    let other = unconfirmed(&"03".repeat(33), "database", &[]).exits(2);
    assert!(other.sentence().contains("holds the results of another recovery"), "{}", other.sentence());
}

/// Killed a hundred times, from a slow line, and finished by another source once the session that was open is
/// finished: the same result as without, and no session is fetched again and again.
#[test]
fn killed_a_hundred_times_and_finished_once() {
    let world = World::new();
    let database = world.nodes.directory(0).join("database");
    let served = Served::without_newest(&database, &world.keys(), 5, &[Lie::Slow(30); 4]);
    let url = PathBuf::from(&served.urls[0]);
    let words = world.words(&url, "killed", &["--save-after", "0", "--timeout", "1"]);
    let asked = || served.asked.iter().map(|asked| asked.load(Relaxed)).sum::<u64>();
    let mut next = 0;
    for kill in 0..100 {
        let child = started("fm-node", &words);
        sleep(Duration::from_millis(20 + 7 * (kill % 23)));
        signalled(&child, Signal::KILL);
        finished(child);
        let text = fs::read_to_string(world.path("killed")).unwrap_or_default();
        let state: Value = serde_json::from_str(&text).unwrap_or_default();
        let now = state["next"].as_u64().unwrap_or(0);
        assert!(now >= next, "it went back from {next} to {now}");
        next = now;
    }
    // These guardians never finish the session that was open: everything before it is read.
    let before = asked();
    let run = Run::of("fm-node", &words).exits(3);
    let message = run.failure()["message"].clone();
    assert!(message.as_str().expect("a text").contains("was not finished within 1 seconds"), "{message}");
    assert!(asked() - before < 40, "{} records were fetched", asked() - before);
    let state: Value = serde_json::from_str(&fs::read_to_string(world.path("killed")).unwrap()).unwrap();
    assert_eq!(state["next"].as_u64().map(|next| next + 1), state["end"].as_u64());
    // A guardian's database has it.
    let directory = world.nodes.directory(0);
    let finished = Run::of("fm-node", &world.words(&directory, "killed", &[])).exits(0).verdict();
    world.check(&finished);
    let whole = Run::of("fm-node", &world.words(&directory, "whole", &[])).exits(0).verdict();
    assert_eq!(finished, whole);
}
