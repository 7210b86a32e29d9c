//! A federation under load is followed while its guardians, and the follower, are killed and started again: no session
//! is missing, and none is another one when it comes again. `tests/nightly/followed` runs it for an hour.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fm_tests::{Nodes, binary, command, finished, signalled, verify};
use rustix::process::Signal;
use serde_json::Value;

/// The time in which a session must be followed, whatever was killed.
const PATIENCE: Duration = Duration::from_secs(120);

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = env::var(variable).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

/// A follower that writes to a file, which a killed one and the next share.
struct Follower {
    source: String,
    config: PathBuf,
    home: PathBuf,
    child: Option<Child>,
}

impl Follower {
    fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    fn printed(&self) -> PathBuf {
        self.home.join("printed")
    }

    fn start(&mut self) {
        let printed = File::options().create(true).append(true).open(self.printed()).expect("a file");
        let mut follower = command(binary("fm-verify"));
        follower.arg(&self.source).args(["--follow", "--json", "--guardians", "all", "--state"]);
        follower.arg(self.state()).arg("--config").arg(&self.config);
        let child = follower.stdout(printed).stderr(Stdio::piped()).spawn();
        self.child = Some(child.expect("the program can be started"));
    }

    fn end(&mut self, signal: Signal) -> i32 {
        let child = self.child.take().expect("it was started");
        signalled(&child, signal);
        let run = finished(child);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run.exit
    }

    fn sessions(&self) -> u64 {
        let state = fs::read_to_string(self.state()).unwrap_or_default();
        let state: Option<Value> = serde_json::from_str(&state).ok();
        state.and_then(|state| state["sessions"].as_u64()).unwrap_or(0)
    }

    #[track_caller]
    fn advance(&self, sessions: u64) {
        let (start, end) = (Instant::now(), self.sessions() + sessions);
        while self.sessions() < end {
            assert!(start.elapsed() < PATIENCE, "{} of {end} sessions were followed", self.sessions());
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The sessions that were printed: each once, or the same again, and none left out.
fn printed(file: &Path) -> (BTreeMap<u64, Value>, usize) {
    let text = fs::read_to_string(file).expect("something was printed");
    let mut sessions = BTreeMap::new();
    let mut again = 0;
    // A kill may have cut a line.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        assert_ne!(line["severity"], "error", "{line}");
        if line["type"] != "session" {
            continue;
        }
        let session = line["session"].as_u64().expect("a number");
        if let Some(before) = sessions.insert(session, line.clone()) {
            assert_eq!(before, line, "session {session} came again as another one");
            again += 1;
        }
    }
    assert!(sessions.keys().copied().eq(0..sessions.len() as u64), "sessions are missing");
    (sessions, again)
}

#[test]
fn a_loaded_federation_is_followed_while_guardians_are_killed() {
    let duration = Duration::from_secs(number("FM_FOLLOW_SECONDS", 15));
    let guardians = usize::try_from(number("FM_FOLLOW_GUARDIANS", 4)).expect("a few");
    let mut nodes = Nodes::of(guardians, 8);
    nodes.start_all();
    nodes.wait_for(0, 2);
    let mut load = command(binary("fm-node"));
    load.args(["load", "--workers", "8", "--seconds", "86400", "--dir"]).arg(nodes.home());
    let mut load = load.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started");
    let home = tempfile::tempdir().expect("there is room for files");
    let source = format!("ws://{}/", nodes.interface(0));
    let config = nodes.directory(0);
    let mut follower = Follower { source, config, home: home.path().to_owned(), child: None };
    follower.start();
    let (start, mut kills) = (Instant::now(), [0; 2]);
    while start.elapsed() < duration || kills[0] < 2 {
        let victim = kills[0] % guardians;
        nodes.kill(victim);
        kills[0] += 1;
        follower.advance(2);
        nodes.start(victim);
        if kills[0] % 3 == 2 {
            follower.end(Signal::KILL);
            kills[1] += 1;
            follower.start();
        }
        let finished = follower.sessions();
        nodes.wait_for(victim, finished);
        follower.advance(1);
    }
    assert_eq!(follower.end(Signal::INT), 0);
    let _ = load.kill();
    let _ = load.wait();
    nodes.shut_down();
    let (sessions, again) = printed(&follower.printed());
    let items: u64 = sessions.values().filter_map(|line| line["items"].as_u64()).sum();
    println!(
        "{} sessions with {items} items, {again} printed again; {} kills of guardians, {} of the follower",
        sessions.len(),
        kills[0],
        kills[1]
    );
    assert!(items > 0, "the federation had no load");
    let (last, line) = sessions.last_key_value().expect("sessions were followed");
    let stored = nodes.directory(1);
    let part = verify!(&stored, "--config", &stored, "--from", "0", "--to", last.to_string(), "--json");
    assert_eq!(part.verdict()["history_root"], line["history_root"]);
}
