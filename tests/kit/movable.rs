//! Copies of real guardians that are moved to another place, and what must hold at every moment of it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fm_backup::configuration;
use tempfile::TempDir;

use crate::{Fault, Run, copy_dir, digest, fixture, keep_times, rows, run_with_fault};

/// A guardian at its old place, its server's backup, and names for what a move makes.
pub struct Movable {
    home: TempDir,
    fixture: PathBuf,
    before: String,
}

impl Movable {
    /// Makes a copy of a guardian.
    pub fn new(name: &str) -> Self {
        Self::inside(name, &std::env::temp_dir())
    }

    /// Makes the copy in a directory inside another one.
    pub fn inside(name: &str, directory: &Path) -> Self {
        let home = tempfile::tempdir_in(directory).expect("a directory");
        let fixture = fixture(name);
        let this = Self { home, fixture, before: String::new() };
        this.fresh();
        let tar = configuration(&[&this.fixture]).expect("the guardian's files").to_bytes();
        fs::write(this.backup(), &*tar).expect("it can be written");
        Self { before: digest(&this.old()), ..this }
    }

    /// Restores the guardian at its old place as it was, and removes everything else.
    pub fn fresh(&self) {
        for path in [self.old(), self.new_place()] {
            if path.exists() {
                fs::remove_dir_all(&path).expect("it can be removed");
            }
        }
        for path in [self.archive(), crate::partial_of(&self.archive())] {
            if path.exists() {
                fs::remove_file(&path).expect("it can be removed");
            }
        }
        copy_dir(&self.fixture, &self.old());
        keep_times(&self.fixture, &self.old());
    }

    /// Returns the directory around all of it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns a path beside the old place.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// Returns the old place.
    pub fn old(&self) -> PathBuf {
        self.beside("old")
    }

    /// Returns the new place, which does not exist at first.
    pub fn new_place(&self) -> PathBuf {
        self.beside("new")
    }

    /// Returns the archive that a move makes.
    pub fn archive(&self) -> PathBuf {
        self.beside("guardian.fmar")
    }

    /// Returns the backup that the guardian's server lets its operator download.
    pub fn backup(&self) -> PathBuf {
        self.beside("guardian.tar")
    }

    /// Returns the words of the move, with more options.
    pub fn moving(&self, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["move".into(), "--data-dir".into(), self.old().into()];
        words.extend(["--to".into(), self.archive().into(), "--yes".into()]);
        words.extend(more.iter().map(OsString::from));
        words
    }

    /// Returns the words of undoing the move, with more options.
    pub fn undoing(&self, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["move".into(), "--data-dir".into(), self.old().into()];
        words.extend(["--undo", "--yes"].iter().chain(more).map(OsString::from));
        words
    }

    /// Returns the words of the restore at the new place, with more options.
    pub fn restoring(&self, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["restore".into(), "--data-dir".into(), self.new_place().into()];
        words.extend(["--backup".into(), self.backup().into()]);
        words.extend(["--archive".into(), self.archive().into(), "--yes".into()]);
        words.extend(more.iter().map(OsString::from));
        words
    }

    /// Runs `fm-checkpoint`.
    pub fn run(&self, words: &[OsString]) -> Run {
        Run::of("fm-checkpoint", words)
    }

    /// Runs `fm-checkpoint` with a fault anywhere below the home.
    pub fn faulty(&self, words: &[OsString], skip: &str, fault: Fault) -> Run {
        run_with_fault("fm-checkpoint", words, self.home(), skip, fault)
    }

    /// Checks whether a server would start at the old place: it needs the private keys, and a database or
    /// room to make one. Our markers do not count, since servers do not know them.
    pub fn server_would_start(&self) -> bool {
        let database = self.old().join("database");
        let keys = self.old().join("private.json").exists()
            || ["private.encrypt", "private.salt"].iter().all(|name| self.old().join(name).exists());
        keys && (database.is_dir() || !database.exists())
    }

    /// Checks that the old place is as it was, except for archives.
    pub fn check_back(&self, context: &str) {
        assert_eq!(digest(&self.old()), self.before, "{context}");
    }

    /// Checks that nothing starts at the old place, and that the archive is there.
    pub fn check_moved(&self, context: &str) {
        assert!(!self.server_would_start() && self.archive().is_file(), "{context}");
        let node = Run::of("fm-node", &["run".into(), "--data-dir".into(), self.old().into()]).exits(1);
        assert!(node.sentence().contains("was moved away"), "{context}: {}", node.stderr);
        let (old, to) = (self.old().into_os_string(), self.beside("x.fmar").into_os_string());
        for (program, words) in [
            ("fm-checkpoint", vec!["list".into(), "--data-dir".into(), old.clone()]),
            ("fm-checkpoint", vec!["create".into(), "--data-dir".into(), old.clone()]),
            (
                "fm-checkpoint",
                ["prune", "--keep", "1", "--data-dir"]
                    .map(OsString::from)
                    .into_iter()
                    .chain([old.clone()])
                    .collect(),
            ),
            ("fm-checkpoint", vec!["export".into(), old.clone(), "--to".into(), to]),
            ("fm-checkpoint", vec!["compare".into(), old.clone(), old.clone()]),
            ("fm-migrate", vec!["inspect".into(), old.clone()]),
            ("fm-migrate", vec!["units".into(), old.clone()]),
            ("fm-verify", vec![old.clone()]),
        ] {
            let run = Run::of(program, &words).exits(1);
            assert!(
                run.sentence().contains("was moved away"),
                "{context}: {program} {words:?}: {}",
                run.stderr
            );
        }
        let status = ["status".into(), "--data-dir".into(), self.old().into(), "--json".into()];
        assert_eq!(self.run(&status).exits(0).verdict()["verdict"], "moved", "{context}");
    }

    /// Checks the same, and that no unfinished work is left.
    pub fn check_finished(&self, context: &str) {
        self.check_whole(context);
        assert!(!self.new_place().join(".partial-marker").exists(), "{context}");
        assert!(!crate::partial_of(&self.new_place()).exists(), "{context}");
    }

    /// Checks the guardian at the new place: files and rows are those of the old place, and nobody else can
    /// read them.
    pub fn check_whole(&self, context: &str) {
        let new = self.new_place();
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
        for path in [new.clone(), new.join("database")] {
            assert_eq!(mode(&path), 0o700, "{context}: {}", path.display());
        }
        let mut secrets = 0;
        for entry in fs::read_dir(&new).expect("it is there") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_owned();
            if path.is_file() {
                assert_eq!(mode(&path), 0o600, "{context}: {}", path.display());
                let original = fs::read(self.fixture.join(&name));
                if let Ok(original) = original {
                    assert!(fs::read(&path).expect("it is there") == original, "{context}: {name:?}");
                }
                secrets += usize::from(name.to_string_lossy().starts_with("private."));
            }
        }
        assert!(secrets > 0, "{context}");
        assert!(rows(&new.join("database")) == rows(&self.fixture.join("database")), "{context}");
    }
}
