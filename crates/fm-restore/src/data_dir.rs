//! A guardian's data directory: what in it is what, and who may work on it.
//!
//! Invariants: every name that a restore makes or moves is a plain entry of the data directory itself; a database that is a
//! link is refused, for the link would be moved and not the database.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use fm_datadir::{
    CHECKPOINTS_NAME, CONSENSUS, DATABASE_NAME, GUARD_NAME, JOURNAL_NAME, MOVED_NAME, Moved, broken_name,
    check_not_moved, incoming_name, is_kept_database, undone_name,
};
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

/// A data directory that other restores are kept out of.
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
    /// A directory with a database, or with what remains of one.
    ///
    /// # Errors
    /// If it is no directory, or its database is a link or a file.
    pub fn open(path: &Path) -> Result<Self, RestoreError> {
        let dir = Self::find(path)?;
        check_not_moved(&dir.path)?;
        dir.check_kinds()?;
        Ok(dir)
    }

    /// A directory whose guardian may have been moved away: then a file has the database's name.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_to_move(path: &Path) -> Result<Self, RestoreError> {
        let dir = Self::find(path)?;
        if dir.marker()?.is_none() {
            dir.check_kinds()?;
        }
        Ok(dir)
    }

    /// What says that its guardian was moved away, if it was.
    ///
    /// # Errors
    /// If the marker is there and cannot be read.
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

    /// Refuses links and files where directories have to be.
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

    /// Keeps other restores out for as long as the lock lives. The system drops it with the process.
    ///
    /// # Errors
    /// If another restore works here.
    pub fn lock(self) -> Result<LockedDir, RestoreError> {
        let directory = File::open(&self.path).map_err(|source| StoreError::io(&self.path, source))?;
        match lock_whole(&directory, &self.path) {
            Ok(()) => Ok(LockedDir { dir: self, _directory: directory }),
            Err(StoreError::Locked { path, .. }) => Err(RestoreError::Busy { path }),
            Err(error) => Err(error.into()),
        }
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its database is, or was.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE_NAME)
    }

    /// Where a checkpoint is.
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.path.join(CHECKPOINTS_NAME).join(name)
    }

    /// Where the equivocation guard is.
    pub fn guard(&self) -> PathBuf {
        self.path.join(GUARD_NAME)
    }

    /// Where its checkpoints are.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS_NAME)
    }

    /// The guardian's number, as `local.json` has it.
    pub fn own_peer(&self) -> Option<u16> {
        fm_backup::guardian_of(&self.path)
    }

    /// Refuses while a server runs.
    pub(crate) fn check_stopped(&self) -> Result<(), RestoreError> {
        Ok(DatabaseLock::check(&self.database())?)
    }

    /// Refuses a directory in which a restore could not write, or whose database cannot change its name.
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

    /// What owner, group or mode the database in place, or the guard, has that it should not have, in a sentence.
    pub fn owner_lacking(&self, journal: &Journal) -> Option<String> {
        let inside = Inheritance::inside(&self.path).ok()?;
        let of_database = match journal.step {
            // The old database is in its place again, as it was.
            Step::Undone => None,
            _ if journal.had_database => {
                Inheritance::replacing(&self.broken(journal)).ok()?.lacking(&self.database())
            }
            _ => inside.lacking(&self.database()),
        };
        of_database.or_else(|| inside.lacking(&self.guard()))
    }

    /// Whether nothing has that name.
    pub(crate) fn is_free(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_err()
    }

    /// Where the new database of a restore is made.
    pub(crate) fn incoming(&self, journal: &Journal) -> PathBuf {
        self.path.join(incoming_name(journal.number))
    }

    /// What the old database is called after a restore.
    pub fn broken(&self, journal: &Journal) -> PathBuf {
        self.path.join(broken_name(&journal.began))
    }

    /// Databases that restores left here, by name: old ones, restored ones that were taken back, unfinished ones.
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

    /// What the restored database is called after the way back.
    pub fn undone(&self, journal: &Journal) -> PathBuf {
        let began = journal.undo_began.as_deref().unwrap_or(&journal.began);
        self.path.join(undone_name(began))
    }
}

/// What a directory is if it is no data directory, and which path may have been meant.
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

/// Whether a directory has what only a guardian's data directory has.
fn is_data_dir(path: &Path) -> bool {
    let is_inside = |name: &str| path.join(name).is_dir();
    path.join(CONSENSUS).is_file() || is_inside(DATABASE_NAME) || is_inside(CHECKPOINTS_NAME)
}
