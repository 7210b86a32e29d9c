//! Foreign text (names in archives and configurations, paths, words of a command line) is printed in its
//! line, every character visible: it neither moves the cursor nor adds a line that looks like ours.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_history::is_hidden;
use fm_tests::{Federation, Run, checkpoint, copy_dir, fixture, fixture_json, migrate, verify};
use serde_json::Value;

/// Archives whose header has a name with line feeds and a false verdict, and how many things are wrong with
/// it: the second one's guardian is not a number, either.
const ARCHIVES: [(&str, u64); 2] = [("vectors/escape-verify.fmar", 1), ("vectors/escape.fmar", 2)];
/// A line feed with a line that looks like ours, a carriage return, colours, the title of a window, a right-to-left override.
const HOSTILE: &str = "x\nverdict    SOUND\r\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}\u{9b}31m";

/// Checks that only line feeds separate lines.
#[track_caller]
fn is_plain(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let hidden = text.chars().find(|c| *c != '\n' && is_hidden(*c));
        assert_eq!(hidden, None, "$ {:?}\n{text:?}", run.line);
    }
}

#[track_caller]
fn verdicts(run: &Run) -> Vec<&str> {
    run.stdout.lines().filter(|line| line.starts_with("verdict")).collect()
}

#[test]
fn an_archives_header_forges_no_verdict() {
    for (archive, errors) in ARCHIVES {
        let archive = fixture(archive);
        let run = checkpoint!("verify", archive).exits(1);
        is_plain(&run);
        let verdict = format!("verdict    FINDINGS: {errors} error(s), 0 warning(s)");
        assert_eq!(verdicts(&run), [verdict.as_str()], "{}", run.stdout);
        assert!(
            run.stdout.contains("error   archive-misstated") && run.stdout.contains("\\n"),
            "{}",
            run.stdout
        );
        let run = checkpoint!("inspect", archive).exits(0);
        is_plain(&run);
        assert_eq!(verdicts(&run), [""; 0], "{}", run.stdout);
        for run in [
            checkpoint!("verify", archive, "--json").exits(1),
            checkpoint!("inspect", archive, "--json").exits(0),
            verify!(archive, "--json"),
            verify!(archive),
            checkpoint!("compare", archive, archive),
            checkpoint!("list", "--data-dir", archive),
        ] {
            is_plain(&run);
            assert!(run.exited && run.exit != 101, "{}", run.stderr);
        }
        // Text that is escaped in JSON keeps its meaning.
        let inspected = checkpoint!("inspect", archive, "--json").exits(0).json();
        let metadata = inspected[0]["metadata"].to_string();
        assert!(metadata.contains("\\n"), "{metadata}");
    }
}

/// Copies a guardian with a configuration that calls everything by a hostile name.
fn hostile_guardian(home: &Path, from: &str) -> std::path::PathBuf {
    let guardian = home.join("guardian");
    copy_dir(&fixture(from), &guardian);
    let mut config = fixture_json(&format!("{from}/consensus.json"));
    rename(&mut config);
    fs::write(guardian.join("consensus.json"), config.to_string()).expect("a file");
    guardian
}

/// Replaces every name in a configuration.
fn rename(value: &mut Value) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(key, inner)| match inner {
            Value::String(text) if ["name", "federation_name", "kind"].contains(&key.as_str()) => {
                HOSTILE.clone_into(text)
            }
            inner => rename(inner),
        }),
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => (),
    }
}

#[test]
fn names_in_a_configuration_stay_in_their_lines() {
    for (from, place) in
        [("hbbft-v0.1.5/peer-0", ["--epoch", "3"]), ("session-v0.5.0/peer-0", ["--session", "3"])]
    {
        let home = tempfile::tempdir().expect("a directory");
        let guardian = hostile_guardian(home.path(), from);
        let runs = [
            migrate!("inspect", guardian, "--config", guardian),
            migrate!("inspect", guardian, "--config", guardian, "--json"),
            verify!(guardian, "--config", guardian),
            verify!("show", guardian, "--config", guardian, place[0], place[1]),
            verify!("show", guardian, "--config", guardian, place[0], place[1], "--json"),
            checkpoint!("list", "--data-dir", guardian, "--config", guardian),
            migrate!("units", guardian, "--config", guardian),
            checkpoint!("restore", "--data-dir", guardian, "--checkpoint", "25", "--dry-run"),
        ];
        for run in &runs {
            is_plain(run);
            assert!(run.exited && run.exit != 101, "{}", run.stderr);
            let false_verdicts = verdicts(run).iter().filter(|line| **line == "verdict    SOUND").count();
            assert_eq!(false_verdicts, 0, "$ {}\n{}", run.line, run.stdout);
        }
        assert!(runs[0].stdout.contains("x\\nverdict    SOUND\\r\\u{1b}[2J"), "{}", runs[0].stdout);
    }
}

#[test]
fn paths_and_words_stay_in_their_lines() {
    let federation = Federation::small(12);
    let guardian = federation.beside("guardian\nverdict    SOUND\u{1b}[2J\u{202e}");
    copy_dir(&federation.guardian(), &guardian);
    let nowhere = federation.beside(&HOSTILE.replace('/', ""));
    for run in [
        verify!(guardian, "--config", guardian).exits(0),
        verify!(guardian, "--config", guardian, "--json").exits(0),
        verify!(nowhere).exits(3),
        verify!(nowhere, "--json").exits(3),
        migrate!("inspect", guardian).exits(0),
        migrate!("check", "--from", nowhere, "--config", guardian).exits(3),
        checkpoint!("list", "--data-dir", guardian, "--config", guardian),
        verify!(HOSTILE, HOSTILE, "--json").exits(2),
        migrate!("inspect", guardian, "--layout", HOSTILE).exits(2),
        Run::of("fm-node", &["run".into(), OsString::from(HOSTILE)]).exits(2),
    ] {
        is_plain(&run);
        if run.exit == 3 {
            run.sentence();
        }
    }
    let run = verify!(guardian, "--config", guardian).exits(0);
    assert_eq!(verdicts(&run).len(), 1, "{}", run.stdout);
}
