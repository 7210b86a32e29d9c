//! A copy of a database's files, as of when it was opened.
//!
//! Invariants: the source's files are only read (a hard link adds a name to a table file, whose bytes RocksDB
//! never changes); the log and the lists are always copied, because a server continues to write them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::properties::MIN_LOG_NUMBER_TO_KEEP;

use crate::directory_sync::sync_directory;
use crate::open::{check_lock, explain};
use crate::{ReadStore, StoreError};

/// Returns whether a file has one of the names that RocksDB uses. They include the names under which it
/// writes a file before moving it into place (`000012.dbtmp`, `OPTIONS-000012.dbtmp`) and those under which
/// it removes one (`000012.sst.trash`), because a killed process leaves such files.
pub fn is_file_of_rocksdb(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = name.strip_suffix(".trash").unwrap_or(name);
    let numbered = |start: &str| {
        let number = name.strip_prefix(start);
        number.is_some_and(|number| is_number(number.strip_suffix(".dbtmp").unwrap_or(number)))
    };
    matches!(name, "CURRENT" | "IDENTITY" | "LOCK" | "LOG")
        || ["MANIFEST-", "OPTIONS-", "LOG.old."].into_iter().any(numbered)
        || [".sst", ".log", ".dbtmp"].into_iter().any(|end| name.strip_suffix(end).is_some_and(is_number))
}

/// Returns the number of bytes that the file system of `path` has free for unprivileged users.
///
/// # Errors
/// If the system does not report it.
pub fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let stat = rustix::fs::statvfs(path).map_err(|error| StoreError::io(path, error.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl ReadStore {
    /// Copies every file that holds the rows to the existing directory `to`, and syncs them. With `link`,
    /// table files get a second name instead of a copy if both directories are on one file system.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a server was started on the database meanwhile.
    pub fn copy_files(&self, to: &Path, link: bool) -> Result<(), StoreError> {
        for name in self.live_files()? {
            let (source, target) = (self.path().join(&name), to.join(&name));
            if link && name.ends_with(".sst") && is_linked(&source, &target)? {
                continue;
            }
            copy(&source, &target)?;
        }
        check_lock(self.path())?;
        sync_directory(to)
    }

    /// Returns the names of the files that make up the database: tables, logs and its lists.
    fn live_files(&self) -> Result<Vec<String>, StoreError> {
        let failed = |error| explain(self.path(), &error);
        let tables = self.db().live_files().map_err(failed)?;
        let mut files: Vec<String> =
            tables.into_iter().map(|file| file.name.trim_start_matches('/').to_owned()).collect();
        let least = self.db().property_int_value(MIN_LOG_NUMBER_TO_KEEP).map_err(failed)?.unwrap_or(0);
        let mut options = None;
        for name in names(self.path())? {
            let number = |number: Option<&str>| number.and_then(|number| number.parse::<u64>().ok());
            if number(name.strip_suffix(".log")).is_some_and(|number| number >= least) {
                files.push(name);
            } else if let Some(number) = number(name.strip_prefix("OPTIONS-")) {
                options = options.max(Some((number, name)));
            } else if name == "IDENTITY" {
                files.push(name);
            }
        }
        files.extend(options.map(|(_, name)| name));
        let current = self.path().join("CURRENT");
        let list = fs::read_to_string(&current).map_err(|source| StoreError::io(&current, source))?;
        files.extend([list.trim_end().to_owned(), "CURRENT".to_owned()]);
        Ok(files)
    }
}

fn names(path: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::io(path, source);
    let entries = fs::read_dir(path).map_err(failed)?;
    let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect()
}

/// Adds a second name to a file; returns false if the two names are on file systems that cannot share it.
fn is_linked(source: &Path, target: &PathBuf) -> Result<bool, StoreError> {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    match fs::hard_link(source, target) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(error.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported) =>
        {
            Ok(false)
        }
        Err(error) => Err(StoreError::io(target, error)),
    }
}

fn copy(source: &Path, target: &Path) -> Result<(), StoreError> {
    let reading = |error| StoreError::io(source, error);
    let writing = |error| StoreError::io(target, error);
    let mut from = File::open(source).map_err(reading)?;
    let mut to = File::create_new(target).map_err(writing)?;
    io::copy(&mut from, &mut to).map_err(writing)?;
    to.sync_all().map_err(writing)
}

#[cfg(test)]
mod tests {
    use super::is_file_of_rocksdb;

    #[test]
    fn rocksdbs_names_are_known_and_no_others() {
        for name in [
            "CURRENT",
            "LOG.old.1700000000000000",
            "000012.sst",
            "000012.log",
            "MANIFEST-000005",
            "OPTIONS-000007",
            "000012.dbtmp",
            "OPTIONS-000012.dbtmp",
            "000012.sst.trash",
        ] {
            assert!(is_file_of_rocksdb(name), "{name}");
        }
        for name in
            ["", ".dbtmp", "x.dbtmp", "12.dbtmp.x", "OPTIONS-.dbtmp", "12.txt", ".trash", "notes.trash"]
        {
            assert!(!is_file_of_rocksdb(name), "{name}");
        }
    }
}
