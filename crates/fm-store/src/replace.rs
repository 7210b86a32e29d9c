//! A directory that replaces another one, whole or not at all.
//!
//! Invariants: at every moment the old or the new directory is whole under the target's name. Where the
//! system cannot exchange two names at once, the old one may instead wait in the partial directory, and the
//! next run restores it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::directory_sync::{sync_directory, sync_name};
use crate::movable::{check_movable, rename_failed};
use crate::partial::{PartialDir, clear, is_there, partial_path};
use crate::{Inheritance, StoreError};

/// The name of the new directory inside the partial one.
const NEW: &str = "new";
/// The name of the old directory inside the partial one, while it has no other.
const OLD: &str = "old";

/// The new directory for a target that exists. Drop removes the directory that is no longer wanted: the new
/// one, or, after the exchange, the old one.
pub struct Replacement {
    target: PathBuf,
    partial: PartialDir,
}

impl Replacement {
    /// Restores what an interrupted run moved away, and removes what it left.
    ///
    /// # Errors
    /// If another run works on the target, or something else is in the way.
    pub fn recover(target: &Path) -> Result<(), StoreError> {
        if is_there(&partial_path(target)) {
            Self::create(target).map(drop)?;
        }
        // A killed run may have exchanged the two without syncing that.
        sync_name(target)
    }

    /// Starts the replacement of `target`; restores or removes what an interrupted run left.
    ///
    /// # Errors
    /// If another run works on the target, or something else is in the way.
    pub fn create(target: &Path) -> Result<Self, StoreError> {
        // The link would be replaced, and the directory that it leads to would stay unchanged.
        if target.is_symlink() {
            return Err(StoreError::Linked { path: target.to_owned() });
        }
        check_movable(target)?;
        let partial = PartialDir::claim(target)?;
        let old = partial.path().join(OLD);
        if !is_there(target) && is_there(&old) {
            fs::rename(&old, target).map_err(|source| StoreError::io(target, source))?;
            sync_name(target)?;
        }
        clear(partial.path())?;
        Ok(Self { target: target.to_owned(), partial })
    }

    /// Returns the path to write to; nothing is there.
    pub fn path(&self) -> PathBuf {
        self.partial.path().join(NEW)
    }

    /// Puts the new directory, which must be synced, in the place of the old one, with its owner and modes,
    /// and removes the old one.
    ///
    /// # Errors
    /// If the names cannot be exchanged; the old directory is then where it was.
    pub fn exchange(self) -> Result<(), StoreError> {
        Inheritance::replacing(&self.target)?.give(&self.path())?;
        sync_directory(self.partial.path())?;
        let failed = |source| rename_failed(&self.target, source);
        match renameat_with(CWD, self.path(), CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                self.exchange_in_two_steps().map_err(failed)?;
            }
            Err(error) => return Err(failed(error.into())),
        }
        sync_name(&self.target)?;
        sync_directory(self.partial.path())
    }

    fn exchange_in_two_steps(&self) -> io::Result<()> {
        let old = self.partial.path().join(OLD);
        fs::rename(&self.target, &old)?;
        fs::rename(self.path(), &self.target).inspect_err(|_| {
            // If this fails as well, the next run repairs it.
            let _ = fs::rename(&old, &self.target);
        })
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Drop of the partial directory removes what is in it, so the old directory must not stay there.
        let old = self.partial.path().join(OLD);
        if !is_there(&self.target) && is_there(&old) && fs::rename(&old, &self.target).is_err() {
            self.partial.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(directory: &Path, text: &str) {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("file"), text).unwrap();
    }

    fn text(directory: &Path) -> String {
        fs::read_to_string(directory.join("file")).unwrap()
    }

    fn started() -> (tempfile::TempDir, PathBuf, Replacement) {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("database");
        with_file(&target, "old");
        let replacement = Replacement::create(&target).unwrap();
        with_file(&replacement.path(), "new");
        (home, target, replacement)
    }

    #[test]
    fn the_new_one_takes_the_place() {
        let (_home, target, replacement) = started();
        replacement.exchange().unwrap();
        assert_eq!(text(&target), "new");
        assert!(!partial_path(&target).exists());
    }

    #[test]
    fn in_two_steps_as_well() {
        let (_home, target, replacement) = started();
        replacement.exchange_in_two_steps().unwrap();
        drop(replacement);
        assert_eq!(text(&target), "new");
        assert!(!partial_path(&target).exists());
    }

    #[test]
    fn given_up_the_old_one_stays() {
        let (_home, target, replacement) = started();
        drop(replacement);
        assert_eq!(text(&target), "old");
        assert!(!partial_path(&target).exists());
    }

    #[test]
    fn killed_between_the_two_steps_the_old_one_is_put_back() {
        let (_home, target, replacement) = started();
        let partial = partial_path(&target);
        fs::rename(&target, partial.join(OLD)).unwrap();
        // The state that a killed process leaves: the lock is released, and drop did not run.
        let copy = target.with_file_name("copy");
        fs::rename(&partial, &copy).unwrap();
        drop(replacement);
        fs::rename(&copy, &partial).unwrap();
        assert!(!target.exists());
        Replacement::recover(&target).unwrap();
        assert_eq!(text(&target), "old");
        assert!(!partial.exists());
        Replacement::recover(&target).unwrap();
        assert_eq!(text(&target), "old");
    }

    #[test]
    fn a_link_is_not_replaced() {
        let (_home, target, replacement) = started();
        drop(replacement);
        let elsewhere = target.with_file_name("elsewhere");
        fs::rename(&target, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &target).unwrap();
        assert!(matches!(Replacement::create(&target), Err(StoreError::Linked { .. })));
        assert!(target.is_symlink() && !partial_path(&target).exists());
        assert_eq!(text(&elsewhere), "old");
    }

    #[test]
    fn two_at_a_time_exclude_each_other_and_foreign_work_is_left_alone() {
        let (_home, target, replacement) = started();
        assert!(matches!(Replacement::create(&target), Err(StoreError::Locked { .. })));
        drop(replacement);
        with_file(&partial_path(&target), "of somebody else");
        assert!(matches!(Replacement::create(&target), Err(StoreError::ForeignPartial { .. })));
        assert_eq!(text(&partial_path(&target)), "of somebody else");
    }
}
