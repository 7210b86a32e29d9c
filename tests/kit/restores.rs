//! Copies of the real guardians of v0.5.0, with their checkpoints, for restores.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_rows::Row;
use fm_store::StoreWriter;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Run, copy_dir, fixture, rows};

/// The prefixes of rows of the open session.
const ACCEPTED_ITEM: u8 = 0x01;
const UNIT: u8 = 0x05;

/// A guardian's data directory that a test may change.
pub struct Restorable {
    home: TempDir,
}

impl Restorable {
    /// Makes a copy of a guardian.
    pub fn new(peer: u16) -> Self {
        Self::inside(peer, &std::env::temp_dir())
    }

    /// Makes the copy in a directory inside another one.
    pub fn inside(peer: u16, directory: &Path) -> Self {
        let copy = Self { home: tempfile::tempdir_in(directory).expect("a directory") };
        copy_dir(&fixture(&format!("session-v0.5.0/peer-{peer}")), &copy.path());
        copy
    }

    /// Returns the data directory.
    pub fn path(&self) -> PathBuf {
        self.home.path().join("guardian")
    }

    /// Returns its database.
    pub fn database(&self) -> PathBuf {
        self.path().join("database")
    }

    /// Returns a path beside the data directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Returns a command of `fm-checkpoint` on the data directory, with more words.
    pub fn words(&self, command: &str, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![command.into(), "--data-dir".into(), self.path().into()];
        words.extend(more.iter().map(OsString::from));
        words
    }

    /// Runs it.
    pub fn run(&self, command: &str, more: &[&str]) -> Run {
        Run::of("fm-checkpoint", &self.words(command, more))
    }

    /// Restores a checkpoint without a question, with NDJSON output.
    pub fn restore(&self, checkpoint: u64, more: &[&str]) -> Run {
        let number = checkpoint.to_string();
        let words = [&["--checkpoint", &number, "--yes", "--json"], more].concat();
        self.run("restore", &words)
    }

    /// Puts other rows into the database, as a server does that continues with it: all else in it stays.
    pub fn go_on_with(&self, rows: &[Row]) {
        let mark = fs::read(self.database().join(".fm-restore")).ok();
        fs::remove_dir_all(self.database()).expect("the database can be removed");
        let mut writer = StoreWriter::create(&self.database()).expect("a database");
        rows.iter().for_each(|(key, value)| writer.push_sorted(key, value).expect("a row"));
        writer.finish().expect("a database");
        if let Some(mark) = mark {
            fs::write(self.database().join(".fm-restore"), mark).expect("the mark");
        }
    }

    /// Returns the rows of its database as if it had proposed nothing in the open session: neither units nor
    /// accepted items of its own. Those of others move up.
    pub fn silent_rows(&self) -> Vec<Row> {
        let peer = self.peer().trim_start_matches("peer-").parse::<u8>().expect("a small number");
        let (pending, mut others): (Vec<Row>, Vec<Row>) =
            rows(&self.database()).into_iter().partition(|(key, _)| key[0] == ACCEPTED_ITEM);
        others.retain(|(key, _)| key[0] != UNIT);
        // The last byte of an accepted item is its proposer.
        let left = pending.iter().filter(|(_, value)| value.last() != Some(&peer)).map(|(_, value)| value);
        let left: Vec<Row> =
            pending.iter().zip(left).map(|((key, _), value)| (key.clone(), value.clone())).collect();
        assert!(!left.is_empty() && left.len() < pending.len(), "{} of {} items", left.len(), pending.len());
        others.extend(left);
        others.sort();
        others
    }

    /// Returns the rows of a checkpoint.
    pub fn checkpoint_rows(&self, checkpoint: u64) -> Vec<Row> {
        rows(
            &fixture("session-v0.5.0/peer-0")
                .with_file_name(self.peer())
                .join(format!("db_checkpoints/{checkpoint}")),
        )
    }

    fn peer(&self) -> String {
        let text = fs::read_to_string(self.path().join("local.json")).expect("the guardian has a local.json");
        let local: Value = serde_json::from_str(&text).expect("JSON");
        format!("peer-{}", local["identity"])
    }

    /// Returns the guard, if there is one.
    pub fn guard(&self) -> Option<Value> {
        let text = fs::read_to_string(self.path().join("equivocation-guard.json")).ok()?;
        Some(serde_json::from_str(&text).expect("the guard is JSON"))
    }

    /// Returns the step of a restore, from its journal.
    pub fn step(&self, number: u32) -> Option<String> {
        let text = fs::read_to_string(self.path().join(format!("restore-journal/{number}.json"))).ok()?;
        let journal: Value = serde_json::from_str(&text).expect("the journal is JSON");
        Some(journal["step"].as_str().expect("a step").to_owned())
    }

    /// Returns the entries of the data directory that restores make.
    pub fn entries(&self) -> Vec<String> {
        entries(&self.path())
    }

    /// Returns the only entry with this beginning.
    pub fn entry(&self, start: &str) -> PathBuf {
        let found: Vec<_> = self.entries().into_iter().filter(|name| name.starts_with(start)).collect();
        let [name] = found.as_slice() else { panic!("{start}: {found:?}") };
        self.path().join(name)
    }
}

fn entries(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).expect("the directory can be read");
    let ours =
        |name: &String| ["database", "equivocation", "restore"].iter().any(|start| name.starts_with(start));
    let mut names: Vec<String> = names
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(ours)
        .collect();
    names.sort();
    names
}
