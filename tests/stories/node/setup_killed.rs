//! A federation is set up by programs that are ended at each of their changes to the disk: the same command finishes.

use std::path::{Path, PathBuf};
use std::process::Command;

use fm_tests::{Fault, Run, binary, command, command_with_fault, digest};

const PASSWORD: &str = "p";
/// More changes than any step makes.
const MOST: u32 = 200;

/// One guardian that will be alone in its federation.
struct Story {
    home: tempfile::TempDir,
}

impl Story {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("there is room for files") }
    }

    fn directory(&self) -> PathBuf {
        self.home.path().join("only")
    }

    fn run(&self, mut node: Command, step: &[&str]) -> Run {
        node.env("FM_PASSWORD", PASSWORD).args(step).arg("--data-dir").arg(self.directory());
        Run::from_output(format!("fm-node {step:?}"), node.output().expect("the program can be started"))
    }

    /// Runs a step undisturbed.
    fn step(&self, step: &[&str]) -> Run {
        self.run(command(binary("fm-node")), step)
    }

    /// Runs a step that is ended before a change.
    fn killed(&self, step: &[&str], at: u32) -> Run {
        self.run(command_with_fault("fm-node", self.home.path(), "", Fault::Kill(at)), step)
    }

    fn begin(&self) -> String {
        self.step(&BEGIN).exits(0).stdout.trim().to_owned()
    }
}

const BEGIN: [&str; 8] =
    ["setup", "begin", "--name", "only", "--p2p", "fedimint://127.0.0.1:1", "--api", "ws://127.0.0.1:2/"];

fn finish<'a>(code: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["setup", "finish", "--federation-name", "one", code][..], more].concat()
}

fn hash_of(run: Run) -> String {
    run.exits(0).stdout.lines().next().expect("the hash")[11..].to_owned()
}

/// Ends a step at each of its changes in turn, with a fresh preparation each time; then finishes it.
fn at_every_change(
    prepare: impl Fn() -> (Story, Vec<String>),
    finished: impl Fn(&Story, &[String], u32),
) -> u32 {
    for at in 1..MOST {
        let (story, step) = prepare();
        let words: Vec<&str> = step.iter().map(String::as_str).collect();
        let run = story.killed(&words, at);
        if run.exit == 0 {
            return at - 1;
        }
        assert_eq!(run.exit, 137, "{}", run.stderr);
        finished(&story, &step, at);
    }
    panic!("more changes than there should be");
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fm_tests::file_list(directory).into_iter().map(|name| name.display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn keys_are_made_once() {
    let changes = at_every_change(
        || (Story::new(), owned(&BEGIN)),
        |story, _, at| {
            let code = story.begin();
            // The code may not have been printed: a second request returns the same one.
            assert_eq!(story.begin(), code, "killed at change {at}");
            assert_eq!(files(&story.directory()), ["setup.json"], "killed at change {at}");
        },
    );
    assert!(changes >= 3, "{changes}");
    let story = Story::new();
    story.begin();
    let other = ["setup", "begin", "--name", "other", "--p2p", "fedimint://a:1", "--api", "ws://a:2/"];
    let before = digest(story.home.path());
    story.step(&other).exits(3).sentence();
    assert_eq!(digest(story.home.path()), before);
}

#[test]
fn a_configuration_is_written_whole() {
    let prepare = || {
        let story = Story::new();
        let code = story.begin();
        let hash = hash_of(story.step(&finish(&code, &[])));
        (story, owned(&finish(&code, &["--confirm", &hash])))
    };
    let changes = at_every_change(prepare, |story, step, at| {
        let words: Vec<&str> = step.iter().map(String::as_str).collect();
        let hash = hash_of(story.step(&words));
        assert_eq!(words.last(), Some(&hash.as_str()), "killed at change {at}");
        let wanted = ["consensus.json", "local.json", "private.encrypt", "private.salt"];
        assert_eq!(files(&story.directory()), wanted, "killed at change {at}");
        // It reads its keys, and what is finished stays finished.
        story.step(&["run"]).exits(3).sentence();
        hash_of(story.step(&words));
    });
    assert!(changes >= 10, "{changes}");
}

#[test]
fn a_new_database_is_made_whole() {
    let prepare = || {
        let story = Story::new();
        let code = story.begin();
        let hash = hash_of(story.step(&finish(&code, &[])));
        hash_of(story.step(&finish(&code, &["--confirm", &hash])));
        (story, owned(&["run", "--new", "--sessions", "0", "--bind-api", "127.0.0.1:0"]))
    };
    let mut tried = 0;
    for at in (1..60).step_by(3) {
        let (story, step) = prepare();
        let words: Vec<&str> = step.iter().map(String::as_str).collect();
        let run = story.killed(&words, at);
        if run.exit == 0 {
            break;
        }
        assert_eq!(run.exit, 137, "{}", run.stderr);
        let run = story.step(&words);
        assert_eq!(run.exit, 0, "killed at change {at}: {}", run.stderr);
        tried += 1;
    }
    assert!(tried > 5, "{tried}");
}
