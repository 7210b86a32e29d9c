//! `--follow`: sessions as they are finished, what is said of guardians, and notes that auditors sign for each
//! other.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fm_eras::session;
use fm_evidence::{Checkpoint, NoteKey, NoteSigner, SignedNote};
use fm_forge::BlockSpec;
use fm_history::Hash;
use fm_tests::{Lie, Nodes, Run, Served, Sessions, codes, finished, signalled, started, verify};
use rustix::process::Signal;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);
const SESSIONS: u64 = 40;

/// Waits until a file holds a text.
#[track_caller]
fn wait_for(file: &Path, text: &str) {
    let start = Instant::now();
    while !fs::read_to_string(file).is_ok_and(|found| found.contains(text)) {
        assert!(
            start.elapsed() < PATIENCE,
            "{text:?} is not in {}: {:?}",
            file.display(),
            fs::read_to_string(file)
        );
        sleep(Duration::from_millis(100));
    }
}

fn words(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Returns the sessions that were printed, in order.
fn followed(run: &Run) -> Vec<u64> {
    let lines = run.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["type"] == "session")
        .map(|line| line["session"].as_u64().expect("a number"))
        .collect()
}

struct Following {
    child: Child,
}

impl Following {
    fn start(source: &str, state: &Path, more: &[OsString]) -> Self {
        let mut all = words(&[&source, &"--follow", &"--state", &state, &"--json"]);
        all.extend_from_slice(more);
        Self { child: started("fm-verify", &all) }
    }

    fn stop(self, signal: Signal) -> Run {
        signalled(&self.child, signal);
        finished(self.child)
    }
}

fn sessions_in(state: &Path) -> u64 {
    let text = fs::read_to_string(state).unwrap_or_default();
    serde_json::from_str::<Value>(&text).ok().and_then(|state| state["sessions"].as_u64()).unwrap_or(0)
}

#[track_caller]
fn wait_until(state: &Path, sessions: u64) {
    let start = Instant::now();
    while sessions_in(state) < sessions {
        assert!(start.elapsed() < PATIENCE, "{} of {sessions} sessions", sessions_in(state));
        sleep(Duration::from_millis(100));
    }
}

/// Guardians are killed and started again, and so is the follower: no session is missing, none comes twice
/// but what a killed follower had printed and not yet noted.
#[test]
fn a_federation_is_followed_whatever_is_killed() {
    let mut nodes = Nodes::new(10);
    nodes.start_all();
    nodes.wait_for(0, 4);
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let config = words(&[&"--config", &nodes.directory(0), &"--guardians", &"all"]);
    let url = format!("ws://{}/", nodes.interface(0));
    let first = Following::start(&url, &state, &config);
    wait_until(&state, 6);
    nodes.kill(2);
    nodes.wait_for(0, 9);
    nodes.start(2);
    // The guardian that was named goes, too: with all of them asked, nobody misses it.
    nodes.kill(0);
    wait_until(&state, sessions_in(&state) + 2);
    nodes.start(0);
    let before = followed(&first.stop(Signal::KILL));
    assert_eq!(before, (0..before.len() as u64).collect::<Vec<_>>(), "before the kill");
    nodes.wait_for(0, before.len() as u64 + 2);
    let again = Following::start(&url, &state, &config);
    wait_until(&state, before.len() as u64 + 3);
    let run = again.stop(Signal::INT).exits(0);
    let after = followed(&run);
    let (begin, end) = (after[0], after[0] + after.len() as u64);
    assert_eq!(after, (begin..end).collect::<Vec<_>>(), "after the kill");
    assert!(
        begin <= before.len() as u64 && begin + 256 > before.len() as u64,
        "{begin} after {}",
        before.len()
    );
    let verdict = run.verdict();
    assert_eq!((verdict["verdict"].as_str(), verdict["errors"].as_u64()), (Some("followed"), Some(0)));
    nodes.shut_down();
    let (stored, last) = (nodes.directory(0), (end - 1).to_string());
    let part = verify!(&stored, "--config", &stored, "--from", "0", "--to", last, "--json");
    assert_eq!(verdict["history_root"], part.verdict()["history_root"]);
}

struct World {
    sessions: Sessions,
    served: Served,
    keys: Vec<OsString>,
}

impl World {
    fn new(lies: &[Lie]) -> Self {
        let spec = BlockSpec { items: 3, body_bytes: 24, ..BlockSpec::new(session::modern(), SESSIONS) };
        let sessions = Sessions::new(spec);
        let file = sessions.beside("guardian/keys.json");
        let served = Served::start(&sessions.database(), &file, 5, lies);
        Self { sessions, served, keys: words(&[&"--keys", &file]) }
    }

    fn follow(&self, name: &str, more: &[OsString]) -> Following {
        let more = [&self.keys[..], &words(&[&"--guardians", &"all"]), more].concat();
        Following::start(&self.served.urls[0], &self.sessions.beside(name), &more)
    }

    fn run(&self, name: &str, more: &[OsString], until: impl Fn()) -> Run {
        let following = self.follow(name, more);
        wait_until(&self.sessions.beside(name), SESSIONS);
        until();
        following.stop(Signal::INT)
    }
}

/// Nothing happens any more, one guardian is away and one lags: each is said once, and a program is started.
#[test]
fn what_is_wrong_is_said_once_and_starts_a_program() {
    let world = World::new(&[Lie::None, Lie::None, Lie::Down, Lie::Lags(5)]);
    let (program, log) = (world.sessions.beside("program"), world.sessions.beside("log"));
    fs::write(&program, format!("#!/bin/sh\necho \"$1\" >> '{}'\n", log.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let more = words(&[&"--stall", &"2", &"--on-finding", &program]);
    let run = world.run("state", &more, || {
        wait_for(&log, "federation-stalled");
        wait_for(&log, "guardian-silent");
        wait_for(&log, "guardian-behind");
    });
    let run = run.exits(0);
    let mut found: Vec<String> = codes(&run.findings()).into_iter().map(|(code, _)| code).collect();
    found.sort();
    assert_eq!(found, ["federation-stalled", "guardian-behind", "guardian-silent"]);
    for line in fs::read_to_string(&log).unwrap().lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        assert_eq!(finding["severity"], "warning", "{line}");
    }
    // If the program does not exist, the follower continues.
    let more = words(&[&"--stall", &"1", &"--on-finding", &"/no/such/program"]);
    let run = world.run("other-state", &more, || sleep(Duration::from_secs(3))).exits(0);
    assert!(run.stderr.contains("/no/such/program was not started"), "{}", run.stderr);
}

fn keygen(world: &World, name: &str) -> (OsString, Vec<String>) {
    let file = world.sessions.beside(&format!("{name}.key"));
    let run = verify!("keygen", "--name", name, "--out", &file).exits(0);
    let key = |line: &str| line.split_whitespace().last().expect("a key").to_owned();
    let keys = run.stdout.lines().filter(|line| line.contains("sign")).map(key).collect();
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o077, 0);
    verify!("keygen", "--name", name, "--out", &file).exits(2);
    (file.into(), keys)
}

#[test]
fn auditors_sign_the_same_root_for_each_other_and_another_root_is_an_error() {
    let world = World::new(&[Lie::None; 4]);
    let [(first_key, first), (second_key, second)] = ["first", "second"].map(|name| keygen(&world, name));
    let [one, two] = ["one.note", "two.note"].map(|name| world.sessions.beside(name));
    let end = format!("\n{SESSIONS}\n");
    let more = words(&[&"--checkpoint-out", &one, &"--checkpoint-key", &first_key]);
    world.run("first", &more, || wait_for(&one, &end)).exits(0);
    let mut more = words(&[&"--checkpoint-out", &two, &"--checkpoint-key", &second_key, &"--witness", &one]);
    more.extend(first.iter().flat_map(|key| words(&[&"--witness-key", key])));
    let run = world.run("second", &more, || wait_for(&two, &end)).exits(0);
    assert_eq!(run.findings(), Vec::<Value>::new());
    let note = SignedNote::parse(&fs::read_to_string(&two).unwrap()).unwrap();
    let keys: Vec<NoteKey> = first.iter().chain(&second).map(|key| NoteKey::parse(key).unwrap()).collect();
    let names: Vec<&str> = note.signers(&keys).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["first", "first", "second", "second"]);
    let root = world.sessions.guardian().verify().verdict()["history_root"].as_str().unwrap().to_owned();
    assert_eq!((note.checkpoint.sessions, note.checkpoint.root.to_string()), (SESSIONS, root));
    // The first auditor signed another root for these sessions: somebody showed it another history.
    let text = fs::read_to_string(world.sessions.beside("first.key")).unwrap();
    let liar = NoteSigner::parse(text.trim()).unwrap();
    let other = Checkpoint { root: Hash([9; 32]), ..note.checkpoint.clone() };
    fs::write(&one, liar.sign(other, 1).to_string()).unwrap();
    let run = world.run("third", &more, || sleep(Duration::from_secs(2))).exits(1);
    assert_eq!(codes(&run.findings())[0].0, "checkpoint-differs");
    fs::write(&one, "nonsense\n").unwrap();
    let run = world.run("fourth", &more, || sleep(Duration::from_secs(2))).exits(0);
    assert_eq!(codes(&run.findings())[0].0, "checkpoint-unread");
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let world = World::new(&[Lie::None; 4]);
    let state = world.sessions.beside("state");
    let url = &world.served.urls[0];
    verify!(url, "--follow").exits(2);
    let run = verify!(world.sessions.database(), "--follow", "--state", &state).exits(2);
    assert!(run.sentence().contains("--follow is for a running federation"), "{}", run.sentence());
    fs::write(&state, "{}").unwrap();
    let run = verify!(url, "--follow", "--state", &state).exits(2);
    assert!(run.sentence().contains("is not a state file of --follow"), "{}", run.sentence());
    let (new, other) = (world.sessions.beside("new"), world.sessions.beside("other"));
    verify!(url, "--follow", "--state", &new, "--checkpoint-out", "x").exits(2);
    // What is no note of ours is not replaced.
    fs::write(&other, "mine").unwrap();
    let mut words = words(&[&url, &"--follow", &"--state", &new, &"--checkpoint-out", &other]);
    words.extend(["--checkpoint-key".into(), keygen(&world, "auditor").0]);
    let run = Run::of("fm-verify", &[&words[..], &world.keys].concat()).exits(2);
    assert!(run.sentence().contains("is not a note"), "{}", run.sentence());
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
    // Nobody confirmed the keys: nothing is signed.
    words[5] = world.sessions.beside("root.note").into();
    let run = Run::of("fm-verify", &words).exits(2);
    assert!(run.sentence().contains("nobody confirmed the keys"), "{}", run.sentence());
}
