//! What a new file or directory inherits from what it replaces, or from the directory that it is put in:
//! owner, group and mode.
//!
//! A job that runs as root must not leave files that the node's user cannot open.
//!
//! Invariants: no symbolic link is followed; a file with a second name is left unchanged, because the other
//! name may belong to a source; a change that the system does not permit is not a failure, and
//! [`Inheritance::lacking`] reports afterwards what differs.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use crate::StoreError;
use crate::around::directory_of;

/// Bits of a mode that are inherited: all but the write permission for all users and the sticky bit.
const HANDED_DOWN: u32 = 0o2775;
/// The sticky bit, set on directories that many users share, such as `/tmp`.
const STICKY: u32 = 0o1000;

/// Returns the user and group of a directory that is not root's, if this process runs as root. That user
/// cannot continue with what this process makes there.
///
/// # Errors
/// If the directory cannot be examined.
pub fn owner_unlike_root(directory: &Path) -> Result<Option<(u32, u32)>, StoreError> {
    let found = fs::metadata(directory).map_err(|source| StoreError::io(directory, source))?;
    let is_anothers = rustix::process::geteuid().is_root() && found.uid() != 0;
    Ok(is_anothers.then(|| (found.uid(), found.gid())))
}

/// Owner, group and mode for something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inheritance {
    /// User and group; `None` leaves them as the process makes them.
    owner: Option<(u32, u32)>,
    /// Modes of directories and files; `None` leaves them as the process makes them.
    modes: Option<(u32, u32)>,
}

impl Inheritance {
    /// Leaves everything as the process makes it.
    const NOTHING: Self = Self { owner: None, modes: None };

    /// Returns what a replacement of `path` inherits; if nothing is there, what a new entry of the directory
    /// around it does.
    ///
    /// # Errors
    /// If neither can be examined.
    pub fn replacing(path: &Path) -> Result<Self, StoreError> {
        match fs::symlink_metadata(path) {
            Ok(old) if old.is_symlink() => Self::inside(directory_of(path)),
            Ok(old) if old.is_dir() => Ok(Self::of_directory(path, &old)),
            Ok(old) => {
                let mode = old.mode() & 0o777;
                Ok(Self { owner: Some((old.uid(), old.gid())), modes: Some((mode, mode)) })
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => Self::inside(directory_of(path)),
            Err(source) => Err(StoreError::io(path, source)),
        }
    }

    /// Returns what a copy or replacement of the database at `path` inherits.
    fn of_directory(path: &Path, directory: &Metadata) -> Self {
        let mode = directory.mode() & 0o2777;
        // RocksDB's files have a mode of their own, which the directory does not show.
        let files = fs::symlink_metadata(path.join("CURRENT")).ok().filter(Metadata::is_file);
        let of_files = files.map_or(mode & 0o666, |file| file.mode() & 0o777);
        Self { owner: Some((directory.uid(), directory.gid())), modes: Some((mode, of_files)) }
    }

    /// Returns what a new entry of a guardian's directory inherits: its owner, group and mode. A directory
    /// that many users share passes nothing on.
    ///
    /// # Errors
    /// If the directory cannot be examined.
    pub fn inside(directory: &Path) -> Result<Self, StoreError> {
        let found = fs::metadata(directory).map_err(|source| StoreError::io(directory, source))?;
        if found.mode() & STICKY != 0 {
            return Ok(Self::NOTHING);
        }
        let mode = found.mode() & HANDED_DOWN;
        Ok(Self { owner: Some((found.uid(), found.gid())), modes: Some((mode, mode & 0o666)) })
    }

    /// Returns what a new directory at a place chosen by the user inherits. It gets the owner of the
    /// directory around it only if the process may change owners; its mode is the one that the process makes.
    ///
    /// # Errors
    /// If the directory around it cannot be examined.
    pub fn at(target: &Path) -> Result<Self, StoreError> {
        let is_root = rustix::process::geteuid().is_root();
        Ok(if is_root { Self { modes: None, ..Self::inside(directory_of(target))? } } else { Self::NOTHING })
    }

    /// Returns what a whole guardian inherits: the owner of the empty directory that it replaces, or as in
    /// [`at`](Self::at). Its modes are those that the process makes.
    ///
    /// # Errors
    /// If neither can be examined.
    pub fn owner_at(target: &Path) -> Result<Self, StoreError> {
        match fs::metadata(target) {
            Ok(found) => Ok(Self { owner: Some((found.uid(), found.gid())), modes: None }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Self::at(target),
            Err(source) => Err(StoreError::io(target, source)),
        }
    }

    /// Applies it to a file, or to a directory and everything in it, and syncs what it changes. No database
    /// may be open in the directory: when a file is closed here, the system drops this process's locks on it.
    ///
    /// # Errors
    /// If something cannot be opened or synced. A missing permission is not an error.
    pub fn give(&self, path: &Path) -> Result<(), StoreError> {
        let found = fs::symlink_metadata(path).map_err(|source| StoreError::io(path, source))?;
        if found.is_dir() {
            for entry in fs::read_dir(path).map_err(|source| StoreError::io(path, source))? {
                self.give(&entry.map_err(|source| StoreError::io(path, source))?.path())?;
            }
        } else if !found.is_file() || found.nlink() > 1 {
            return Ok(());
        }
        if self.differs_from(&found) {
            let file = File::open(path).map_err(|source| StoreError::io(path, source))?;
            self.give_to(&file).map_err(|source| StoreError::io(path, source))?;
            crate::directory_sync::sync_opened(path, &file, found.is_dir())?;
        }
        Ok(())
    }

    /// Applies it to one open file.
    ///
    /// # Errors
    /// If the file cannot be examined, or the change fails for a reason other than a missing permission.
    pub fn give_to(&self, file: &File) -> io::Result<()> {
        let found = file.metadata()?;
        if let Some((owner, group)) = self.owner.filter(|owner| *owner != (found.uid(), found.gid())) {
            // One at a time: users may assign their own files to a group that they are in.
            permitted(fchown(file, Some(owner), None))?;
            permitted(fchown(file, None, Some(group)))?;
        }
        match self.mode_of(&found) {
            Some(mode) => permitted(file.set_permissions(Permissions::from_mode(mode))),
            None => Ok(()),
        }
    }

    fn mode_of(&self, found: &Metadata) -> Option<u32> {
        self.modes.map(|(directory, file)| if found.is_dir() { directory } else { file })
    }

    fn differs_from(&self, found: &Metadata) -> bool {
        self.owner.is_some_and(|owner| owner != (found.uid(), found.gid()))
            || self.mode_of(found).is_some_and(|mode| mode != found.mode() & 0o7777)
    }

    /// Returns in a sentence how a path differs from what it should have; `None` if nothing differs.
    pub fn lacking(&self, path: &Path) -> Option<String> {
        let found = fs::symlink_metadata(path).ok().filter(|found| self.differs_from(found))?;
        let mode = self.mode_of(&found).unwrap_or(found.mode()) & 0o7777;
        let (owner, group) = self.owner.unwrap_or((found.uid(), found.gid()));
        Some(format!(
            "{} belongs to user {} and group {} with mode {:04o}, and should belong to {owner} and {group} with mode {mode:04o}",
            path.display(),
            found.uid(),
            found.gid(),
            found.mode() & 0o7777
        ))
    }
}

/// Ignores a missing permission and a file system without owners: `lacking` reports them.
fn permitted(done: io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match done {
        Err(error) if matches!(error.kind(), PermissionDenied | Unsupported | InvalidInput) => Ok(()),
        done => done,
    }
}

/// Makes everything that this process creates private to its user, until inheritance is applied.
pub fn keep_private() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Makes a directory inside another one, with that one's owner, group and mode; returns false if it exists.
///
/// # Errors
/// If it cannot be made.
pub fn make_directory(path: &Path) -> Result<bool, StoreError> {
    match fs::create_dir(path) {
        Ok(()) => {
            Inheritance::inside(directory_of(path))?.give(path)?;
            crate::sync_name(path)?;
            Ok(true)
        }
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
            crate::sync_name(path)?;
            Ok(false)
        }
        Err(source) => Err(StoreError::io(path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_replaces_a_database_has_its_modes() {
        let home = tempfile::tempdir().unwrap();
        let (old, new) = (home.path().join("old"), home.path().join("new"));
        for directory in [&old, &new] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("CURRENT"), "").unwrap();
        }
        set_mode(&old, 0o750);
        set_mode(&old.join("CURRENT"), 0o640);
        let inheritance = Inheritance::replacing(&old).unwrap();
        assert!(inheritance.lacking(&new).is_some());
        inheritance.give(&new).unwrap();
        assert_eq!((mode(&new), mode(&new.join("CURRENT"))), (0o750, 0o640));
        assert_eq!(inheritance.lacking(&new), None);
    }

    #[test]
    fn what_is_new_has_the_mode_of_the_directory_around_it() {
        let home = tempfile::tempdir().unwrap();
        set_mode(home.path(), 0o777);
        let directory = home.path().join("new");
        assert!(make_directory(&directory).unwrap());
        assert!(!make_directory(&directory).unwrap());
        assert_eq!(mode(&directory), 0o775, "never for all users to write");
        set_mode(home.path(), 0o1777);
        assert_eq!(Inheritance::inside(home.path()).unwrap(), Inheritance::NOTHING);
    }

    /// The other name may be that of a source, which is never written.
    #[test]
    fn a_file_with_a_second_name_is_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let (source, copy) = (home.path().join("source"), home.path().join("copy"));
        fs::create_dir(&copy).unwrap();
        fs::write(&source, "").unwrap();
        set_mode(&source, 0o644);
        fs::hard_link(&source, copy.join("table.sst")).unwrap();
        std::os::unix::fs::symlink(&source, copy.join("link")).unwrap();
        set_mode(home.path(), 0o700);
        Inheritance::inside(home.path()).unwrap().give(&copy).unwrap();
        assert_eq!((mode(&copy), mode(&source)), (0o700, 0o644));
    }
}
