//! A file that is made beside its final name and appears there whole or not at all.
//!
//! Invariants: nothing under the final name is overwritten unless the caller asks for it; a leftover is
//! recognised by its first bytes and replaced, anything else in the way is refused; two runs on one target
//! exclude each other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::directory_sync::sync_name;
use crate::lock::lock_whole;
use crate::movable::{rename_error, rename_failed};
use crate::partial::{is_there, partial_path};
use crate::{Inheritance, StoreError};

/// A file named `<target>.partial`, removed on drop unless it was published.
pub struct PartialFile {
    path: PathBuf,
    target: PathBuf,
    // Holds the lock until the file is closed.
    file: File,
    published: bool,
}

impl PartialFile {
    /// Starts an empty file for `target`. `is_ours` decides by the first 64 bytes of a file in the way
    /// whether an interrupted run left it.
    ///
    /// # Errors
    /// If the file cannot be made, another run works on it, or a foreign file is in the way.
    pub fn create(target: &Path, is_ours: impl FnOnce(&[u8]) -> bool) -> Result<Self, StoreError> {
        let partial = Self::resume(target, is_ours)?;
        partial.file.set_len(0).map_err(|source| StoreError::io(&partial.path, source))?;
        Ok(partial)
    }

    /// Starts a file like [`Self::create`], but keeps what an interrupted run left in it.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn resume(target: &Path, is_ours: impl FnOnce(&[u8]) -> bool) -> Result<Self, StoreError> {
        let path = partial_path(target);
        // A link would redirect what is written here to another place.
        if path.is_symlink() || path.is_dir() {
            return Err(StoreError::ForeignPartial { path });
        }
        let at = |source| StoreError::io(&path, source);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(at)?;
        lock_whole(&file, &path)?;
        let mut start = Vec::new();
        (&mut file).take(64).read_to_end(&mut start).map_err(at)?;
        if !start.is_empty() && !is_ours(&start) {
            return Err(StoreError::ForeignPartial { path });
        }
        io::Seek::rewind(&mut file).map_err(at)?;
        Ok(Self { path, target: target.to_owned(), file, published: false })
    }

    /// Returns the file, for reading or writing from its start.
    ///
    /// # Errors
    /// If the system refuses a second handle.
    pub fn handle(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(|source| StoreError::io(&self.path, source))
    }

    /// Returns the path of the file until it is published.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the file and renames it to its final name, which must be free.
    ///
    /// # Errors
    /// If something has the name, or the file cannot be synced or renamed.
    pub fn publish(mut self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|source| StoreError::io(&self.path, source))?;
        rename_to_new(&self.path, &self.target)?;
        self.published = true;
        sync_name(&self.target)
    }
}

impl PartialFile {
    /// Syncs the file and renames it over the one with its final name, if there is one, with that one's owner
    /// and mode.
    ///
    /// # Errors
    /// If the file cannot be synced or renamed; then the other one is unchanged.
    pub fn publish_over(mut self) -> Result<(), StoreError> {
        if is_there(&self.target) {
            let inherited = Inheritance::replacing(&self.target)?.give_to(&self.file);
            inherited.map_err(|source| StoreError::io(&self.path, source))?;
        }
        self.file.sync_all().map_err(|source| StoreError::io(&self.path, source))?;
        fs::rename(&self.path, &self.target).map_err(|source| StoreError::io(&self.target, source))?;
        self.published = true;
        sync_name(&self.target)
    }
}

/// Replaces a file that the user named by `bytes`, whole or not at all. What is in the way under the name of the
/// unfinished file is left alone unless it begins with `start`, as everything of this kind does.
///
/// # Errors
/// If the file cannot be written; the old one is then unchanged.
pub fn replace_named_file(target: &Path, start: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
    let mut partial = PartialFile::create(target, |found| found.starts_with(start))?;
    partial.file.write_all(bytes).map_err(|source| StoreError::io(&partial.path, source))?;
    partial.publish_over()
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: the next run replaces a leftover.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Renames a file or directory to a name that is not in use.
///
/// # Errors
/// If something has the name, or the system refuses.
pub fn rename_to_new(from: &Path, to: &Path) -> Result<(), StoreError> {
    let exists = || StoreError::AlreadyExists { path: to.to_owned() };
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => Err(exists()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            if is_there(to) {
                return Err(exists());
            }
            fs::rename(from, to).map_err(|source| rename_failed(from, source))
        }
        Err(error) => Err(rename_error(from, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn it_appears_whole_and_overwrites_nothing() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("file");
        let partial = PartialFile::create(&target, |_| false).unwrap();
        partial.handle().unwrap().write_all(b"whole").unwrap();
        assert!(!target.exists());
        assert!(matches!(PartialFile::create(&target, |_| true), Err(StoreError::Locked { .. })));
        partial.publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        let second = PartialFile::create(&target, |_| false).unwrap();
        assert!(matches!(second.publish(), Err(StoreError::AlreadyExists { .. })));
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        assert!(!partial_path(&target).exists());
    }

    #[test]
    fn it_takes_the_place_of_another_only_when_told_to() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("file");
        for text in [b"first", b"other"] {
            let partial = PartialFile::create(&target, |_| false).unwrap();
            partial.handle().unwrap().write_all(text).unwrap();
            partial.publish_over().unwrap();
            assert_eq!(fs::read(&target).unwrap(), text);
        }
        drop(PartialFile::create(&target, |_| false).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"other");
    }

    #[test]
    fn a_leftover_is_replaced_and_a_foreign_file_is_not() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("file");
        let partial = partial_path(&target);
        fs::write(&partial, b"ours, much longer than what comes").unwrap();
        let replaced = PartialFile::create(&target, |start| start.starts_with(b"ours")).unwrap();
        replaced.handle().unwrap().write_all(b"new").unwrap();
        replaced.publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        fs::write(&partial, b"theirs").unwrap();
        let refused = PartialFile::create(&target, |start| start.starts_with(b"ours"));
        assert!(matches!(refused, Err(StoreError::ForeignPartial { .. })));
        assert_eq!(fs::read(&partial).unwrap(), b"theirs");
    }
}
