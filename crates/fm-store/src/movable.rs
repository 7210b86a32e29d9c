//! Checks before any work whether a directory can change its name, and whether it may be written to.
//!
//! Invariant: nothing that was there before is changed. On an overlay, a directory is made beside the one in
//! question and removed again: there is no other way to find out whether the latter is in the lower layer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::StoreError;
use crate::around::directory_of;
use crate::partial::is_there;

/// `f_type` of an overlay.
const OVERLAY: u64 = 0x794c_7630;
/// The name of the directory that is made on an overlay, and of the file in it.
const PROBE: &str = ".fm-rename-probe";

/// Refuses a directory that cannot change its name: a mount point, or one that comes from the lower layer of
/// an overlay. Accepts a path where nothing is.
///
/// # Errors
/// [`StoreError::Pinned`], or if the path cannot be examined.
pub fn check_movable(path: &Path) -> Result<(), StoreError> {
    if !is_there(path) {
        return Ok(());
    }
    if is_mount_point(path)? {
        return Err(rename_error(path, Errno::BUSY));
    }
    let system = rustix::fs::statfs(path).map_err(|error| StoreError::io(path, error.into()))?;
    if u64::try_from(system.f_type).is_ok_and(|kind| kind == OVERLAY) { try_rename(path) } else { Ok(()) }
}

/// Refuses a directory in which this process may not make and rename files.
///
/// # Errors
/// If the process may not, or the file system is read-only.
pub fn check_writable(directory: &Path) -> Result<(), StoreError> {
    let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, directory, wanted, AtFlags::EACCESS)
        .map_err(|error| StoreError::io(directory, error.into()))
}

fn is_mount_point(path: &Path) -> Result<bool, StoreError> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| {
        fs::symlink_metadata(path).map(|found| found.dev()).map_err(|source| StoreError::io(path, source))
    };
    if device(path)? != device(directory_of(path))? {
        return Ok(true);
    }
    Ok(is_bind_mount(path))
}

/// Returns whether a directory is a mount point of its own file system. Old kernels do not report that; then
/// the rename fails.
#[cfg(target_os = "linux")]
fn is_bind_mount(path: &Path) -> bool {
    use rustix::fs::{StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_bind_mount(_path: &Path) -> bool {
    false
}

/// Tries to rename a directory to one that is not empty, which can never succeed: the attempt changes
/// nothing, and its error shows whether the system would rename it.
fn try_rename(path: &Path) -> Result<(), StoreError> {
    let probe = Probe::make(path)?;
    match fs::rename(path, &probe.path) {
        Err(error) if matches!(errno(&error), Some(Errno::NOTEMPTY | Errno::EXIST)) => Ok(()),
        Err(error) => Err(rename_failed(path, error)),
        Ok(()) => {
            let source = io::Error::other("the file system replaced a directory that is not empty");
            Err(StoreError::Io { path: probe.path.clone(), source })
        }
    }
}

struct Probe {
    path: PathBuf,
}

impl Probe {
    fn make(path: &Path) -> Result<Self, StoreError> {
        let probe = Self { path: path.with_file_name(PROBE) };
        let made = match fs::create_dir(&probe.path) {
            // A killed run left it.
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        };
        made.and_then(|()| fs::write(probe.file(), ""))
            .map_err(|source| StoreError::io(&probe.path, source))?;
        Ok(probe)
    }

    fn file(&self) -> PathBuf {
        self.path.join(PROBE)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Best effort. Removes only what was made here, never a directory with something else in it.
        let _ = fs::remove_file(self.file());
        let _ = fs::remove_dir(&self.path);
    }
}

/// Returns the error for a failed rename.
pub(crate) fn rename_failed(path: &Path, error: io::Error) -> StoreError {
    match errno(&error) {
        Some(errno) => rename_error(path, errno),
        None => StoreError::io(path, error),
    }
}

pub(crate) fn rename_error(path: &Path, errno: Errno) -> StoreError {
    let pinned = |why| StoreError::Pinned { path: path.to_owned(), why };
    match errno {
        Errno::BUSY => pinned("a mount point"),
        Errno::XDEV => pinned("on another file system, or in a lower layer of an overlay"),
        errno => StoreError::io(path, errno.into()),
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_directory_can_be_renamed_and_written_to() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("database");
        check_movable(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "mine").unwrap();
        check_movable(&path).unwrap();
        check_writable(home.path()).unwrap();
        // The same as on an overlay.
        try_rename(&path).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "mine");
    }

    #[test]
    fn a_mount_point_cannot_be_renamed() {
        assert!(matches!(check_movable(Path::new("/proc")), Err(StoreError::Pinned { .. })));
        assert!(check_writable(Path::new("/proc/self/fd/none")).is_err());
    }
}
