//! A restore of a checkpoint of the real guardian, and its undo, judged by what they leave.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_rows::Row;

use crate::{Fault, Restorable, Run, digest, rows, run_with_fault};

/// Changes inside the new database are many and alike; paths that contain this do not count.
pub const NEW_DATABASE: &str = ".partial/";

/// A guardian that is restored to its checkpoint 24.
pub struct Restoring {
    /// The guardian's data directory.
    pub guardian: Restorable,
    /// The rows of its database.
    pub old: Vec<Row>,
    /// The rows of the checkpoint.
    pub new: Vec<Row>,
    before: String,
}

impl Restoring {
    /// Wraps an untouched guardian.
    pub fn new(guardian: Restorable) -> Self {
        let (old, new) = (rows(&guardian.database()), guardian.checkpoint_rows(24));
        assert!(old != new);
        let before = digest(&guardian.database());
        Self { guardian, old, new, before }
    }

    /// Returns the words of the restore.
    pub fn restore(&self) -> Vec<OsString> {
        self.guardian.words("restore", &["--checkpoint", "24", "--yes"])
    }

    /// Returns the words of the undo.
    pub fn undo(&self) -> Vec<OsString> {
        self.guardian.words("undo", &["--yes"])
    }

    /// Runs one of them with a fault.
    pub fn faulty(&self, words: &[OsString], skip: &str, fault: Fault) -> Run {
        run_with_fault("fm-checkpoint", words, &self.guardian.path(), skip, fault)
    }

    /// Checks that a whole database is in place at every moment, and returns whether it is the new one.
    pub fn is_new(&self) -> bool {
        let found = rows(&self.guardian.database());
        assert!(found == self.old || found == self.new, "neither the old database nor the new one");
        found == self.new
    }

    /// Checks the new state, with the old database kept.
    pub fn check_restored(&self, context: &str) {
        assert!(self.is_new(), "{context}");
        assert!(rows(&self.guardian.entry("database.broken-")) == self.old, "{context}");
        let names = self.guardian.entries();
        assert_eq!(names.len(), 4, "{context}: {names:?}");
        assert_eq!(self.guardian.guard().expect("a guard")["until_session"], 26, "{context}");
        let status = self.guardian.run("status", &["--json"]).exits(0).verdict();
        assert_eq!((status["verdict"].as_str(), status["step"].as_str()), (Some("restored"), Some("done")));
    }

    /// Checks the old state: bytes and times of the database as they were, and no guard.
    pub fn check_undone(&self, context: &str) {
        assert!(!self.is_new(), "{context}");
        assert_eq!(digest(&self.guardian.database()), self.before, "{context}");
        assert_eq!(self.guardian.guard(), None, "{context}");
        let left: Vec<String> = self.guardian.entries();
        let ours = |name: &&String| !["database", "restore-journal"].contains(&name.as_str());
        let more: Vec<&String> = left.iter().filter(ours).collect();
        assert!(more.iter().all(|name| name.starts_with("database.undone-")), "{context}: {left:?}");
        let status = self.guardian.run("status", &["--json"]).exits(0).verdict();
        assert_eq!(status["verdict"], "none", "{context}");
    }

    /// Undoes the restore, if it had begun.
    pub fn undone_or_nothing(&self) {
        let run = Run::of("fm-checkpoint", &self.undo());
        // It ended before the journal existed: nothing had begun.
        assert!(
            run.exit == 0 || (run.exit == 2 && run.stderr.contains("is there to undo")),
            "{}",
            run.stderr
        );
    }
}

/// Sets the times of a copy's files to those of the original; otherwise the old state could not be
/// distinguished from one that was written again.
pub fn keep_times(from: &Path, to: &Path) {
    for name in crate::file_list(from) {
        let time = fs::metadata(from.join(&name)).and_then(|file| file.modified()).expect("a time");
        let file = fs::File::open(to.join(&name)).expect("the file");
        file.set_modified(time).expect("the time can be set");
    }
}
