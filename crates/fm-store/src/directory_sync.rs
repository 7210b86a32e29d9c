//! Syncing the names in a directory to the disk.
//!
//! Some file systems (Windows shares, some in user space) refuse to sync a directory. That endangers a job
//! only if the power fails within seconds, so the job continues, and [`unsynced_directory`] reports
//! afterwards that there was such a directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::io::Errno;

use crate::StoreError;
use crate::around::directory_of;

/// The first directory of this process whose file system could not sync it.
static UNSYNCED: OnceLock<PathBuf> = OnceLock::new();

/// Returns the first directory that could not be synced because its file system does not sync directories.
pub fn unsynced_directory() -> Option<&'static Path> {
    UNSYNCED.get().map(PathBuf::as_path)
}

/// Syncs the names in a directory to the disk.
///
/// # Errors
/// If the directory cannot be opened, or the disk fails.
pub fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = File::open(path).map_err(|source| StoreError::io(path, source))?;
    sync_opened(path, &directory, true)
}

/// Syncs to the disk that a path has its name, or no longer has it.
///
/// # Errors
/// If the directory around the path cannot be opened, or the disk fails.
pub fn sync_name(path: &Path) -> Result<(), StoreError> {
    sync_directory(directory_of(path))
}

/// Syncs an open file or directory.
pub(crate) fn sync_opened(path: &Path, file: &File, is_directory: bool) -> Result<(), StoreError> {
    match file.sync_all() {
        Ok(()) => Ok(()),
        Err(source) if is_directory && is_unsupported(&source) => {
            UNSYNCED.get_or_init(|| path.to_owned());
            Ok(())
        }
        Err(source) => Err(StoreError::io(path, source)),
    }
}

/// Returns whether an error is the answer of a file system that does not sync directories.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    errno.is_some_and(|errno| matches!(errno, Errno::INVAL | Errno::NOTSUP | Errno::NOSYS | Errno::BADF))
}
