//! Detects whether a server has a database open, and keeps servers from opening one.
//!
//! Two locks are checked: RocksDB's own `LOCK` in the database, and `<database>.db.lock` beside it, which
//! servers from v0.7 on hold.
//!
//! Invariant: no file is made. When the process closes any handle of `LOCK`, the system drops the process's
//! lock on that file: the holder of a [`DatabaseLock`] must not open the database in any other way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use crate::StoreError;
use crate::around::real_path;
use crate::open::check_lock;
use crate::regular::open_regular;

/// Ending of the file that servers from v0.7 on lock, in place of the database's own.
/// Source: fedimint-db-locked 0.13.0, src/lib.rs.
const SERVER_LOCK: &str = "db.lock";

/// The locks of a database, as far as their files exist.
pub struct DatabaseLock {
    _files: Vec<File>,
}

impl DatabaseLock {
    /// Refuses a database that a process has open.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or if a lock cannot be examined.
    pub fn check(database: &Path) -> Result<(), StoreError> {
        lock_of_server(database)?;
        check_lock(database)
    }

    /// Takes the locks: while this value lives, no server opens the database.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or if a lock cannot be taken.
    pub fn take(database: &Path) -> Result<Self, StoreError> {
        let mut files: Vec<File> = lock_of_server(database)?.into_iter().collect();
        check_lock(database)?;
        let path = database.join("LOCK");
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => {
                fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
                    Errno::AGAIN | Errno::ACCESS => {
                        StoreError::Locked { path: database.to_owned(), pid: None }
                    }
                    error => StoreError::lock(&path, error.into()),
                })?;
                files.push(file);
            }
            Err(source) if source.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::io(&path, source)),
        }
        Ok(Self { _files: files })
    }
}

fn lock_of_server(database: &Path) -> Result<Option<File>, StoreError> {
    // A path like `.` has no name to append the ending to.
    let path = match database.file_name() {
        Some(_) => database.with_extension(SERVER_LOCK),
        None => real_path(database).with_extension(SERVER_LOCK),
    };
    let file = match open_regular(&path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::io(&path, source)),
    };
    lock_whole(&file, database)?;
    Ok(Some(file))
}

/// Locks a file or directory while it is open, without waiting; `path` is what the lock protects.
///
/// # Errors
/// [`StoreError::Locked`], or if the file system has no locks.
pub fn lock_whole(file: &File, path: &Path) -> Result<(), StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned(), pid: None }),
        Err(TryLockError::Error(source)) => Err(StoreError::lock(path, source)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_server_holds_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let database = home.path().join("database");
        fs::create_dir(&database).unwrap();
        DatabaseLock::check(&database).unwrap();
        drop(DatabaseLock::take(&database).unwrap());
        assert!(!database.join("LOCK").exists(), "no file is made");
        let server = File::create(home.path().join("database.db.lock")).unwrap();
        server.lock().unwrap();
        assert!(matches!(DatabaseLock::check(&database), Err(StoreError::Locked { .. })));
        assert!(matches!(DatabaseLock::take(&database), Err(StoreError::Locked { .. })));
        drop(server);
        let taken = DatabaseLock::take(&database).unwrap();
        assert!(matches!(DatabaseLock::check(&database), Err(StoreError::Locked { .. })));
        drop(taken);
        DatabaseLock::check(&database).unwrap();
    }
}
