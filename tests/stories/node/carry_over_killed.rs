//! A federation of v0.1 is carried over by a program that is ended at each of its changes to the disk: no
//! node starts on what it leaves, and the same command finishes.

use std::fs;
use std::path::PathBuf;

use fm_rows::Row;
use fm_tests::{
    Fault, Nodes, OLD_PASSWORD, Random, Run, binary, carry_over, carry_over_words, command,
    command_with_fault, copy_dir, hash_to_confirm, rows, sealed_guardians, verify,
};
use tempfile::TempDir;

/// Changes inside the database are many and alike.
const DATABASE: &str = "/database/";
/// More changes than there are.
const MOST: u32 = 2000;

struct Story {
    home: TempDir,
    pristine: PathBuf,
    directory: PathBuf,
    old: PathBuf,
    hash: String,
    /// The result of an undisturbed run.
    wanted: Vec<Row>,
    files: Vec<String>,
}

impl Story {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("there is room for files");
        let old = sealed_guardians(home.path());
        let (pristine, directory) = (home.path().join("0"), home.path().join("carried"));
        let hash = hash_to_confirm(carry_over(&pristine, &old[0], &[]));
        let old = old[0].clone();
        let mut story = Self { home, pristine, directory, old, hash, wanted: Vec::new(), files: Vec::new() };
        story.fresh();
        story.carry_over().exits(0);
        story.wanted = rows(&story.directory.join("database"));
        assert!(story.wanted != rows(&story.pristine.join("database")), "the ledger is made again");
        story.files = story.names();
        story
    }

    fn fresh(&self) {
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory).expect("it can be removed");
        }
        copy_dir(&self.pristine, &self.directory);
    }

    fn carry_over(&self) -> Run {
        carry_over(&self.directory, &self.old, &["--confirm", &self.hash])
    }

    fn killed(&self, skip: &str, at: u32) -> Run {
        let mut command = command_with_fault("fm-node", &self.directory, skip, Fault::Kill(at));
        let words = carry_over_words(&self.directory, &self.old, &["--confirm", &self.hash]);
        let output = command.env("FM_PASSWORD", OLD_PASSWORD).args(words).output();
        Run::from_output(format!("killed at change {at}"), output.expect("the program can be started"))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Checks that nothing starts on unfinished work; then the same command finishes it.
    fn finish(&self, context: &str) {
        if self.directory.join("consensus.json").exists() {
            // It was killed after its last change that matters.
            let again = self.carry_over().exits(0);
            assert!(again.stdout.contains("by an earlier run"), "{context}: {}", again.stdout);
        } else {
            let output = command(binary("fm-node"))
                .env("FM_PASSWORD", OLD_PASSWORD)
                .arg("run")
                .arg("--data-dir")
                .arg(&self.directory)
                .output()
                .expect("the program can be started");
            assert!(!output.status.success(), "{context}: a node runs on half a guardian");
            self.carry_over().exits(0);
        }
        assert!(rows(&self.directory.join("database")) == self.wanted, "{context}: the database");
        assert_eq!(self.names(), self.files, "{context}");
    }
}

/// Two tests for each kind of change, in parallel: a run with each kill takes a while.
const PARTS: u32 = 2;

/// Kills at every change outside the database; each part takes its share.
fn killed_outside_the_database(part: u32) {
    let story = Story::new();
    let mut last = 0;
    for at in (1 + part..MOST).step_by(PARTS as usize) {
        story.fresh();
        let run = story.killed(DATABASE, at);
        if run.exit == 0 {
            last = at;
            break;
        }
        assert_eq!(run.exit, 137, "{}", run.stderr);
        story.finish(&format!("killed at change {at}"));
    }
    assert!((10..MOST).contains(&last), "{last} changes outside the database");
    story.starts();
}

/// Kills at some of all changes; each part takes its share.
fn killed_inside_the_database(part: u32) {
    let story = Story::new();
    let mut random = Random::new(7);
    let (mut at, mut inside) = (1, 0);
    for turn in 0.. {
        if turn % PARTS == part {
            story.fresh();
            let run = story.killed("", at);
            if run.exit == 0 {
                break;
            }
            assert_eq!(run.exit, 137, "{}", run.stderr);
            story.finish(&format!("killed at change {at} of all"));
            inside += 1;
        }
        at += 1 + u32::try_from(random.below(6)).expect("small");
        assert!(at < MOST, "the program never ends by itself");
    }
    assert!(inside >= 5, "{inside} kills");
    story.starts();
}

#[test]
fn a_guardian_that_is_carried_over_by_a_killed_program_is_finished_by_the_same_command() {
    killed_outside_the_database(0);
}

#[test]
fn and_after_every_other_change_outside_the_database() {
    killed_outside_the_database(1);
}

#[test]
fn and_among_the_changes_inside_the_database() {
    killed_inside_the_database(0);
}

#[test]
fn and_among_the_other_changes_inside_the_database() {
    killed_inside_the_database(1);
}

impl Story {
    /// Checks that the result is a guardian: it reads its keys, and waits for the others.
    fn starts(self) {
        verify!(self.directory, "--config", self.old, "--json").exits(0);
        let entries = fs::read_dir(self.home.path()).expect("a directory");
        for entry in entries.map(|entry| entry.expect("an entry").path()) {
            if entry != self.directory {
                fs::remove_dir_all(&entry).or_else(|_| fs::remove_file(&entry)).expect("it can be removed");
            }
        }
        fs::rename(&self.directory, self.home.path().join("0")).expect("it can be renamed");
        let mut nodes = Nodes::at(self.home, OLD_PASSWORD, 1);
        nodes.start(0);
        nodes.wait_for_log(0, "started");
        nodes.kill(0);
    }
}
