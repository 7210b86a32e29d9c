//! Small files that record the progress of a job. They are replaced whole or not at all, and are on the disk
//! when the call returns.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::directory_sync::sync_name;
use crate::{Inheritance, StoreError};

/// Replaces the file at `path` by `bytes` in one step; nothing else is ever visible under that name. The new
/// file has the owner, group and mode of the old one, or of the directory around it.
///
/// # Errors
/// If the file cannot be written; the old file, if there was one, is then unchanged.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let new = unfinished(path);
    // Removed and made again, so that a link in the way is not followed.
    remove_if_there(&new)?;
    let inheritance = Inheritance::replacing(path)?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            inheritance.give_to(&file)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|source| {
        // Best effort: the next write removes it.
        let _ = fs::remove_file(&new);
        StoreError::io(path, source)
    })?;
    sync_name(path)
}

/// Returns the path of a new file until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// Removes a file, if it exists, and what an interrupted [`replace_file`] left of it.
///
/// # Errors
/// If the file cannot be removed.
pub fn remove_file(path: &Path) -> Result<(), StoreError> {
    remove_if_there(path)?;
    remove_if_there(&unfinished(path))?;
    sync_name(path)
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(StoreError::io(path, source)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn it_replaces_and_follows_no_link() {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("file"), home.path().join("other"));
        fs::write(&other, "mine").unwrap();
        symlink(&other, home.path().join("file.new")).unwrap();
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&other).unwrap()),
            (b"two".to_vec(), b"mine".to_vec())
        );
        assert!(!home.path().join("file.new").exists());
        fs::write(home.path().join("file.new"), "half").unwrap();
        remove_file(&path).unwrap();
        remove_file(&path).unwrap();
        assert!(!path.exists() && !home.path().join("file.new").exists());
    }
}
