//! Opens a foreign database, and distinguishes the ways in which that can fail.
//!
//! Invariant: nothing here opens a file for writing.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use rocksdb::{BlockBasedOptions, Cache, DB, DBRecoveryMode, Options};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::StoreError;
use crate::log::endless_at;
use crate::obstacle::system_error;
use crate::omission::{Omission, omissions};
use crate::regular;

/// Memory for the blocks of tables being read, indexes included.
const BLOCK_CACHE_BYTES: usize = 4 << 20;
/// Table files held open at a time.
const OPEN_FILES: i32 = 256;

/// An open database, and what RocksDB had to leave out to open it.
pub(crate) struct Opened {
    pub(crate) db: DB,
    /// The omissions, if any.
    pub(crate) omissions: Vec<Omission>,
}

pub(crate) fn open(path: &Path) -> Result<Opened, StoreError> {
    check_directory(path)?;
    check_lock(path)?;
    check_logs(path)?;
    check_columns(path)?;
    // The library's default recovery drops a torn tail silently, so the strict one goes first.
    let strict = match DB::open_for_read_only(&options(DBRecoveryMode::AbsoluteConsistency), path, false) {
        Ok(db) => {
            return Ok(Opened { omissions: omissions(&db, path, None)?, db });
        }
        Err(error) => explain(path, &error),
    };
    let StoreError::Damaged { message, .. } = strict else {
        return Err(strict);
    };
    match DB::open_for_read_only(&options(DBRecoveryMode::TolerateCorruptedTailRecords), path, false) {
        Ok(db) => Ok(Opened { omissions: omissions(&db, path, Some(message))?, db }),
        Err(error) => Err(explain(path, &error)),
    }
}

pub(crate) fn check_directory(path: &Path) -> Result<(), StoreError> {
    check_text(path)?;
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => StoreError::Missing { path: path.to_owned() },
        _ => StoreError::io(path, source),
    })?;
    if !metadata.is_dir() {
        return Err(StoreError::NotADirectory { path: path.to_owned() });
    }
    check_files(path)?;
    let current = path.join("CURRENT");
    match fs::read_to_string(&current) {
        Ok(manifest) => {
            let name = manifest.trim_end();
            let well_formed = name.starts_with("MANIFEST-") && !name.contains('/');
            if well_formed && is_missing(&path.join(name)) {
                return Err(StoreError::FileMissing { path: path.to_owned(), file: name.to_owned() });
            }
            Ok(())
        }
        Err(source) if source.kind() == ErrorKind::NotFound => {
            Err(StoreError::NotADatabase { path: path.to_owned() })
        }
        Err(source) if source.kind() == ErrorKind::InvalidData => {
            Err(StoreError::Damaged { path: path.to_owned(), message: "CURRENT is not text".to_owned() })
        }
        Err(source) => Err(StoreError::io(&current, source)),
    }
}

/// Refuses a path that is not UTF-8: RocksDB would get another path, and report that nothing is there.
pub(crate) fn check_text(path: &Path) -> Result<(), StoreError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(StoreError::PathNotText { path: path.to_owned() }),
    }
}

/// Refuses pipes and other special files: RocksDB opens everything that has the name of one of its files, and
/// would wait at a pipe forever.
fn check_files(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(|source| StoreError::io(path, source))? {
        let file = entry.map_err(|source| StoreError::io(path, source))?.path();
        // Opening a link shows what it leads to, or that it leads nowhere.
        let Ok(metadata) = fs::metadata(&file) else { continue };
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(StoreError::io(&file, regular::refused()));
        }
    }
    Ok(())
}

/// Refuses a database that a server has open: a read-only open takes no lock, and a running server removes
/// files.
pub(crate) fn check_lock(path: &Path) -> Result<(), StoreError> {
    let lock = path.join("LOCK");
    let file = match File::open(&lock) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(StoreError::io(&lock, source)),
    };
    let wanted = Flock::from(FlockType::WriteLock);
    match fcntl_getlk(&file, &wanted) {
        Ok(None) => Ok(()),
        Ok(Some(held)) => {
            let pid = held.pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
            Err(StoreError::Locked { path: path.to_owned(), pid })
        }
        Err(error) => Err(StoreError::lock(&lock, error.into())),
    }
}

/// Refuses logs and a list of files that RocksDB would read forever.
pub(crate) fn check_logs(path: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(path).map_err(|source| StoreError::io(path, source))?;
    for entry in entries {
        let name = entry.map_err(|source| StoreError::io(path, source))?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".log") || name.starts_with("MANIFEST-"))
        else {
            continue;
        };
        let file = path.join(name);
        let log = match fs::read(&file) {
            // A running server may remove them at any time; files that are not RocksDB's are reported
            // elsewhere.
            Err(source) if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => continue,
            log => log.map_err(|source| StoreError::io(&file, source))?,
        };
        if let Some(at) = endless_at(&log) {
            let message = format!("{name} is torn at byte {at}, and what follows cannot be read");
            return Err(StoreError::Damaged { path: path.to_owned(), message });
        }
    }
    Ok(())
}

pub(crate) fn check_columns(path: &Path) -> Result<(), StoreError> {
    let mut names = DB::list_cf(&options(DBRecoveryMode::AbsoluteConsistency), path)
        .map_err(|error| explain(path, &error))?;
    names.retain(|name| name != "default");
    if names.is_empty() { Ok(()) } else { Err(StoreError::ForeignColumns { path: path.to_owned(), names }) }
}

fn options(recovery: DBRecoveryMode) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    blocks.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.create_if_missing(false);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(recovery);
    options.set_max_open_files(OPEN_FILES);
    options.set_block_based_table_factory(&blocks);
    options
}

/// Turns RocksDB's text into an error: a missing file, a refusal by the operating system, or damage.
pub(crate) fn explain(path: &Path, error: &rocksdb::Error) -> StoreError {
    let message = error.to_string();
    let words = message.split(|c: char| c == '/' || c == ':' || c.is_whitespace());
    let mut files = words.filter(|word| is_file_of_database(word));
    if let Some(file) = files.clone().find(|file| is_missing(&path.join(file))) {
        return StoreError::FileMissing { path: path.to_owned(), file: file.to_owned() };
    }
    match system_error(error) {
        Some(source) => StoreError::io(&files.next().map_or(path.to_owned(), |file| path.join(file)), source),
        None => StoreError::Damaged { path: path.to_owned(), message },
    }
}

/// Returns whether nothing is at the path; a path that cannot be examined may have something.
fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn is_file_of_database(word: &str) -> bool {
    word.ends_with(".sst") || word.ends_with(".log") || word.starts_with("MANIFEST-")
}
