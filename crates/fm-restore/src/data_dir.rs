//! A guardian's data directory: the names in it, and the lock that one job at a time holds.
//!
//! Invariants: every name that a restore makes or moves is a plain entry of the data directory itself. A
//! database that is a link is refused, because a rename would move the link and not the database.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use fm_datadir::{
    CHECKPOINTS_NAME, CONSENSUS, DATABASE_NAME, GUARD_NAME, JOURNAL_NAME, MOVED_NAME, Moved, broken_name,
    check_not_moved, incoming_name, is_kept_database, undone_name,
};
use fm_history::PeerId;
use fm_store::{
    DatabaseLock, Inheritance, StoreError, check_movable, check_writable, directories_around, directory_of,
    lock_whole,
};

use crate::RestoreError;
use crate::journal::{Journal, Step};

/// A guardian's data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// A data directory with the lock that excludes other restores.
pub struct LockedDir {
    dir: DataDir,
    // Held for its lock.
    _directory: File,
}

impl Deref for LockedDir {
    type Target = DataDir;

    fn deref(&self) -> &DataDir {
        &self.dir
    }
}

impl DataDir {
    /// Opens a directory with a database, or with the remains of one.
    ///
    /// # Errors
    /// Fails if it is not a directory, or if its database is a link or a file.
    pub fn open(path: &Path) -> Result<Self, RestoreError> {
        let dir = Self::find(path)?;
        check_not_moved(&dir.path)?;
        dir.check_kinds()?;
        Ok(dir)
    }

    /// Opens a directory whose guardian may have been moved away: a file then has the database's name.
    ///
    /// # Errors
    /// Fails as [`open`](Self::open) does.
    pub fn open_to_move(path: &Path) -> Result<Self, RestoreError> {
        let dir = Self::find(path)?;
        if dir.marker()?.is_none() {
            dir.check_kinds()?;
        }
        Ok(dir)
    }

    /// Returns the marker of a move, if the guardian was moved away.
    ///
    /// # Errors
    /// Fails if the marker exists but cannot be read.
    pub fn marker(&self) -> Result<Option<Moved>, RestoreError> {
        Moved::read(&self.path)
            .map_err(|what| RestoreError::NotOurs { path: self.path.join(MOVED_NAME), what })
    }

    fn find(path: &Path) -> Result<Self, RestoreError> {
        let real = fs::canonicalize(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => StoreError::Missing { path: path.to_owned() },
            _ => StoreError::io(path, source),
        })?;
        if !real.is_dir() {
            return Err(RestoreError::NotADataDir { path: real, what: "it is a file".to_owned() });
        }
        match other_than_data_dir(&real) {
            Some(what) => Err(RestoreError::NotADataDir { path: real, what }),
            None => Ok(Self { path: real }),
        }
    }

    /// Refuses links and files in places of directories.
    fn check_kinds(&self) -> Result<(), RestoreError> {
        for name in [DATABASE_NAME, JOURNAL_NAME] {
            let path = self.path.join(name);
            match fs::symlink_metadata(&path) {
                Ok(entry) if entry.is_symlink() => return Err(RestoreError::Link { path }),
                Ok(entry) if !entry.is_dir() => return Err(StoreError::NotADirectory { path }.into()),
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::io(&path, source).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Excludes other restores while the lock lives. The system releases it with the process.
    ///
    /// # Errors
    /// Fails if another restore is running here.
    pub fn lock(self) -> Result<LockedDir, RestoreError> {
        let directory = File::open(&self.path).map_err(|source| StoreError::io(&self.path, source))?;
        match lock_whole(&directory, &self.path) {
            Ok(()) => Ok(LockedDir { dir: self, _directory: directory }),
            Err(StoreError::Locked { path, .. }) => Err(RestoreError::Busy { path }),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns its path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of its database, whether it exists or not.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE_NAME)
    }

    /// Returns the path of a checkpoint.
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.path.join(CHECKPOINTS_NAME).join(name)
    }

    /// Returns the path of the equivocation guard.
    pub fn guard(&self) -> PathBuf {
        self.path.join(GUARD_NAME)
    }

    /// Returns the path of its checkpoints.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS_NAME)
    }

    /// Returns the guardian's number, as recorded in `local.json`.
    pub fn own_peer(&self) -> Option<PeerId> {
        fm_backup::guardian_of(&self.path)
    }

    /// Refuses if a server is running.
    pub(crate) fn check_stopped(&self) -> Result<(), RestoreError> {
        Ok(DatabaseLock::check(&self.database())?)
    }

    /// Refuses a directory in which a restore could not write, or whose database cannot be renamed.
    pub(crate) fn check_changeable(&self) -> Result<(), RestoreError> {
        self.check_changeable_around()?;
        let journals = self.path.join(JOURNAL_NAME);
        if journals.is_dir() {
            check_writable(&journals)?;
        }
        Ok(check_movable(&self.database())?)
    }

    /// Refuses a directory in which nothing can be written.
    pub(crate) fn check_changeable_around(&self) -> Result<(), RestoreError> {
        Ok(check_writable(&self.path)?)
    }

    /// Describes a wrong owner, group or mode of the database in place, or of the guard.
    pub fn owner_lacking(&self, journal: &Journal) -> Option<String> {
        let inside = Inheritance::inside(&self.path).ok()?;
        let of_database = match journal.step {
            // The old database is back in its place, unchanged.
            Step::Undone => None,
            _ if journal.had_database => {
                Inheritance::replacing(&self.broken(journal)).ok()?.lacking(&self.database())
            }
            _ => inside.lacking(&self.database()),
        };
        of_database.or_else(|| inside.lacking(&self.guard()))
    }

    /// Returns whether the name is unused.
    pub(crate) fn is_free(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_err()
    }

    /// Returns the path at which a restore makes the new database.
    pub(crate) fn incoming(&self, journal: &Journal) -> PathBuf {
        self.path.join(incoming_name(journal.number))
    }

    /// Returns the path of the old database after a restore.
    pub fn broken(&self, journal: &Journal) -> PathBuf {
        self.path.join(broken_name(&journal.began))
    }

    /// Returns the databases that restores left here, by name: old ones, undone ones, unfinished ones.
    pub fn kept(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let mut kept: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_str().is_some_and(is_kept_database))
            .map(|entry| entry.path())
            .collect();
        kept.sort();
        kept
    }

    /// Returns the path of the restored database after an undo.
    pub fn undone(&self, journal: &Journal) -> PathBuf {
        let began = journal.undo_began.as_deref().unwrap_or(&journal.began);
        self.path.join(undone_name(began))
    }
}

/// Describes a directory that is not a data directory, and names the path that may have been meant.
fn other_than_data_dir(path: &Path) -> Option<String> {
    if path.join("CURRENT").exists() {
        let home = directories_around(path, 2).find(|directory| is_data_dir(directory));
        let meant = home.map(|home| format!("; the data directory is {}", home.display()));
        return Some(format!("it is a database itself{}", meant.unwrap_or_default()));
    }
    if is_data_dir(path) || path.join(JOURNAL_NAME).is_dir() || path.join(MOVED_NAME).exists() {
        return None;
    }
    if path.file_name().is_some_and(|name| name == CHECKPOINTS_NAME)
        && let Some(home) = Some(directory_of(path)).filter(|home| is_data_dir(home))
    {
        let home = home.display();
        return Some(format!("it holds the checkpoints of a guardian, whose data directory is {home}"));
    }
    let entries = fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut inner: Vec<_> = entries.filter(|entry| is_data_dir(entry)).collect();
    inner.sort();
    match inner.as_slice() {
        [] => None,
        [one] => Some(format!("{} in it is one", one.display())),
        many => {
            let names = many.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
            let names = names.collect::<Vec<_>>().join(", ");
            Some(format!("it holds those of {} guardians ({names}), and one of them is meant", many.len()))
        }
    }
}

/// Returns whether a directory contains what only a guardian's data directory contains.
fn is_data_dir(path: &Path) -> bool {
    let is_inside = |name: &str| path.join(name).is_dir();
    path.join(CONSENSUS).is_file() || is_inside(DATABASE_NAME) || is_inside(CHECKPOINTS_NAME)
}
