//! `fm-node dev`: its end, however it comes, ends its guardians; a guardian that ends is started again;
//! options are compared.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::ffi::OsString;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Dev, Run, Signal, runs, send};

const QUICK: [&str; 4] = ["--rounds", "12", "--round-delay", "20"];

fn all_end(guardians: &[i32]) {
    let start = Instant::now();
    while guardians.iter().any(|guardian| runs(*guardian)) {
        assert!(start.elapsed() < Duration::from_secs(60), "orphans: {guardians:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn whatever_ends_it_ends_its_guardians() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("my fed");
    let guardian = format!("'{}'", directory.join("0").display());
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::KILL] {
        let mut dev = Dev::start(&directory, &QUICK);
        dev.wait_for("session ", 1);
        let guardians = dev.guardians();
        assert_eq!(guardians.len(), 4, "{}", dev.printed());
        dev.signal(signal);
        if signal == Signal::KILL {
            assert_eq!(dev.ended(), None);
        } else {
            assert_eq!(dev.ended(), Some(130), "{}", dev.printed());
            let left: Vec<_> = guardians.iter().filter(|guardian| runs(**guardian)).collect();
            assert!(left.is_empty(), "it ended before its guardians: {left:?}");
            // Commands that can be pasted.
            for command in [
                format!("ask        fm-node status --data-dir {guardian}"),
                format!("stopped; prove it with: fm-verify {guardian} --config {guardian}"),
            ] {
                assert!(dev.printed().contains(&command), "{command}: {}", dev.printed());
            }
        }
        all_end(&guardians);
    }
    // They stopped as they should: the histories are whole.
    let guardian = directory.join("0");
    fm_tests::verify!(guardian, "--config", guardian, "--json").exits(0);
}

#[test]
fn a_guardian_that_ends_is_started_again_while_the_others_continue() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("fed");
    let mut dev = Dev::start(&directory, &QUICK);
    dev.wait_for("session ", 1);
    let printed = dev.printed();
    for peer in 0..4 {
        let line = printed.lines().find(|line| line.starts_with(&format!("guardian {peer} "))).unwrap();
        let log = directory.join(peer.to_string()).join("log");
        for part in ["ws://127.0.0.1:", "page http://127.0.0.1:", log.to_str().unwrap()] {
            assert!(line.contains(part), "{line}");
        }
    }
    assert!(printed.contains("password   dev "), "{printed}");
    assert!(printed.contains("fm-node status --data-dir "), "{printed}");
    // Guardian 0 is the one that is asked for sessions.
    let before = dev.guardians();
    let zero = process_of(&before, &directory.join("0"));
    send(zero, Signal::KILL);
    dev.wait_for("guardian 0 ended with signal: 9 (SIGKILL) and is started again", 1);
    let sessions = dev.printed().matches("\nsession ").count();
    dev.wait_for("\nsession ", sessions + 3);
    let after = dev.guardians();
    assert_eq!(after.len(), 4);
    assert_eq!(after.iter().filter(|guardian| before.contains(guardian)).count(), 3);
    let status = Run::of("fm-node", &["status".into(), "--data-dir".into(), directory.join("0").into()]);
    status.exits(0);
    dev.signal(Signal::TERM);
    assert_eq!(dev.ended(), Some(130));
}

/// Returns which of these processes runs the guardian in a directory.
fn process_of(processes: &[i32], directory: &Path) -> i32 {
    let matches = |process: &&i32| {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap();
        String::from_utf8(line).unwrap().split('\0').any(|word| Path::new(word) == directory)
    };
    *processes.iter().find(matches).expect("it runs")
}

/// A federation runs once: the second start ends at once, reports it, and leaves the first alone.
#[test]
fn a_federation_that_runs_is_not_started_again() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("fed");
    let mut dev = Dev::start(&directory, &QUICK);
    dev.wait_for("session ", 1);
    let guardians = dev.guardians();
    let second = Run::of("fm-node", &["dev".into(), "--dir".into(), directory.into()]).exits(11);
    assert!(second.sentence().contains("in use") && second.stdout.is_empty(), "{}", second.stdout);
    assert!(second.stderr.contains("nothing was started"), "{}", second.stderr);
    assert_eq!(dev.guardians(), guardians, "{}", dev.printed());
    dev.signal(Signal::TERM);
    assert_eq!(dev.ended(), Some(130));
}

/// Nothing is made in a guardian's own directory, and numbers that make no federation are refused before
/// anything is made.
#[test]
fn what_is_not_meant_is_refused_before_anything_is_made() {
    let home = tempfile::tempdir().unwrap();
    let dev = |directory: &Path, more: &[&str]| {
        let mut words: Vec<OsString> = vec!["dev".into(), "--dir".into(), directory.into()];
        words.extend(more.iter().map(OsString::from));
        Run::of("fm-node", &words).exits(2)
    };
    for name in ["consensus.json", "database", "private.encrypt"] {
        let own = home.path().join(name).join("guardian");
        std::fs::create_dir_all(own.join(name)).unwrap();
        let run = dev(&own, &["--sessions", "1"]);
        assert!(run.sentence().contains("a guardian's own data directory"), "{}", run.stderr);
        assert_eq!(std::fs::read_dir(&own).unwrap().count(), 1);
    }
    let new = home.path().join("new");
    for option in ["--rounds", "--guardians", "--load"] {
        dev(&new, &[option, "0"]);
        assert!(!new.exists(), "{option}");
    }
    let refused = |line: &[&str]| {
        let run = Run::of("fm-node", &line.iter().map(OsString::from).collect::<Vec<_>>()).exits(2);
        assert!(run.stderr.contains("give 1 or more"), "{line:?}: {}", run.stderr);
    };
    for option in ["--workers", "--seconds", "--copies"] {
        refused(&["load", "--dir", "nowhere", option, "0"]);
    }
    refused(&["submit", "--api", "ws://127.0.0.1:1/", "--timeout", "0"]);
    refused(&["setup", "finish", "--data-dir", "x", "--federation-name", "x", "--rounds", "0", "code"]);
    refused(&["setup", "carry-over", "--data-dir", "x", "--from", "x", "--rounds", "0"]);
}

#[test]
fn a_guardian_that_cannot_run_is_given_up_and_named() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("fed");
    let start = |options: &[&str]| {
        let line = [&["dev"][..], &QUICK, options, &["--dir"]].concat();
        let mut line: Vec<OsString> = line.into_iter().map(Into::into).collect();
        line.push(directory.clone().into());
        Run::of("fm-node", &line)
    };
    start(&["--sessions", "1"]).exits(0);
    for (option, value, is) in [("--guardians", "7", "4 guardians"), ("--guardians", "5", "4 guardians")] {
        let refused = start(&[option, value]).exits(2);
        assert!(refused.sentence().contains(&format!("{is}, not {value}")), "{}", refused.stderr);
        assert!(refused.stderr.contains(option), "{}", refused.stderr);
    }
    let rounds = ["dev", "--rounds", "13", "--dir", directory.to_str().unwrap()].map(OsString::from);
    assert!(Run::of("fm-node", &rounds).exits(2).sentence().contains("12 rounds in a session, not 13"));
    let delay = ["dev", "--round-delay", "21", "--dir", directory.to_str().unwrap()].map(OsString::from);
    assert!(Run::of("fm-node", &delay).exits(2).sentence().contains("20 ms between rounds, not 21"));
    // The options of an existing federation are accepted if they match it.
    start(&["--guardians", "4", "--sessions", "2"]).exits(0);
    // One guardian's secrets are gone: three finish the sessions that were asked for, and the fourth is
    // named.
    std::fs::write(directory.join("3/private.encrypt"), "damaged").unwrap();
    let failed = start(&["--sessions", "4"]).exits(3);
    assert!(failed.stdout.contains("guardian 3 ended with exit status"), "{}", failed.stdout);
    assert!(failed.sentence().contains("guardian 3") && failed.stderr.contains("3/log"), "{}", failed.stderr);
    let guardian = directory.join("0");
    let verdict = fm_tests::verify!(guardian, "--config", guardian, "--json").exits(0).verdict();
    assert_eq!(verdict["sessions"], 4);
    std::fs::remove_dir_all(directory.join("2")).unwrap();
    assert!(start(&[]).exits(3).sentence().contains("guardian 2 of 4 is missing"));
}
