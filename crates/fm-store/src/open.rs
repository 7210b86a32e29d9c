//! Opening a foreign database, and telling apart the ways in which that can fail.
//!
//! Invariant: nothing here opens a file for writing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use rocksdb::properties::MIN_LOG_NUMBER_TO_KEEP;
use rocksdb::{BlockBasedOptions, Cache, DB, DBRecoveryMode, Options};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::StoreError;
use crate::manifest::torn_at;

/// Memory for the blocks of tables being read, indexes included.
const BLOCK_CACHE_BYTES: usize = 4 << 20;
/// Table files held open at a time.
const OPEN_FILES: i32 = 256;

/// An open database, and what RocksDB had to leave out to open it.
pub(crate) struct Opened {
    pub(crate) db: DB,
    /// What it left out, if anything.
    pub(crate) torn_tail: Option<String>,
}

pub(crate) fn open(path: &Path) -> Result<Opened, StoreError> {
    check_directory(path)?;
    check_lock(path)?;
    check_columns(path)?;
    // The library's default recovery drops a torn tail silently, so the strict one goes first.
    let strict = match DB::open_for_read_only(&options(DBRecoveryMode::AbsoluteConsistency), path, false) {
        Ok(db) => {
            return Ok(Opened { torn_tail: left_out(&db, path, None)?, db });
        }
        Err(error) => explain(path, &error),
    };
    let StoreError::Damaged { message, .. } = strict else {
        return Err(strict);
    };
    match DB::open_for_read_only(&options(DBRecoveryMode::TolerateCorruptedTailRecords), path, false) {
        Ok(db) => Ok(Opened { torn_tail: left_out(&db, path, Some(message))?, db }),
        Err(error) => Err(explain(path, &error)),
    }
}

/// Everything that RocksDB does not read and would not mention.
fn left_out(db: &DB, path: &Path, torn_log: Option<String>) -> Result<Option<String>, StoreError> {
    let all = [torn_log, missing_log(db, path)?, torn_list(path)?, unnamed_tables(db, path)?];
    let all: Vec<String> = all.into_iter().flatten().collect();
    Ok(if all.is_empty() { None } else { Some(all.join("; ")) })
}

fn check_directory(path: &Path) -> Result<(), StoreError> {
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => StoreError::Missing { path: path.to_owned() },
        _ => StoreError::io(path, source),
    })?;
    if !metadata.is_dir() {
        return Err(StoreError::NotADirectory { path: path.to_owned() });
    }
    let current = path.join("CURRENT");
    match fs::read_to_string(&current) {
        Ok(manifest) => {
            let name = manifest.trim_end();
            let well_formed = name.starts_with("MANIFEST-") && !name.contains('/');
            if well_formed && !path.join(name).exists() {
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

/// RocksDB keeps a log at all times, be it an empty one, and takes a database without one for one whose log is
/// empty: the rows that were only there are gone without a word.
fn missing_log(db: &DB, path: &Path) -> Result<Option<String>, StoreError> {
    let least = db
        .property_int_value(MIN_LOG_NUMBER_TO_KEEP)
        .map_err(|error| explain(path, &error))?
        .unwrap_or_default();
    let is_needed = |name: &String| {
        name.strip_suffix(".log")
            .and_then(|number| number.parse().ok())
            .is_some_and(|number: u64| number >= least)
    };
    if file_names(path)?.iter().any(is_needed) {
        return Ok(None);
    }
    Ok(Some(format!("the write-ahead log is missing: there is no file {least:06}.log or later")))
}

/// The list of files is read up to where it is torn, and the tables named behind that are not.
fn torn_list(path: &Path) -> Result<Option<String>, StoreError> {
    let current = path.join("CURRENT");
    let name = fs::read_to_string(&current).map_err(|source| StoreError::io(&current, source))?;
    let file = path.join(name.trim_end());
    let list = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
    Ok(torn_at(&list).map(|at| format!("the list of files, {}, is torn at byte {at}", name.trim_end())))
}

/// Tables that the list of files does not name: what a crash leaves, or the sign of a list that is cut.
fn unnamed_tables(db: &DB, path: &Path) -> Result<Option<String>, StoreError> {
    let named: BTreeSet<String> = db
        .live_files()
        .map_err(|error| explain(path, &error))?
        .into_iter()
        .map(|file| file.name.trim_start_matches('/').to_owned())
        .collect();
    let mut unnamed = file_names(path)?;
    unnamed.retain(|name| name.ends_with(".sst") && !named.contains(name));
    unnamed.sort();
    Ok(if unnamed.is_empty() {
        None
    } else {
        Some(format!("the list of files does not name {}, so it is not read", unnamed.join(", ")))
    })
}

fn file_names(path: &Path) -> Result<Vec<String>, StoreError> {
    let at = |source| StoreError::io(path, source);
    let names = fs::read_dir(path).map_err(at)?.map(|entry| Ok(entry.map_err(at)?.file_name()));
    // RocksDB's own names are ASCII; others are none of its files.
    names.filter_map(|name| name.map(|name| name.into_string().ok()).transpose()).collect()
}

/// A read-only open takes no lock, and the files of a running server vanish under it.
fn check_lock(path: &Path) -> Result<(), StoreError> {
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
            let pid = held.pid.map_or(0, |pid| pid.as_raw_nonzero().get());
            Err(StoreError::Locked { path: path.to_owned(), pid })
        }
        Err(error) => Err(StoreError::io(&lock, error.into())),
    }
}

fn check_columns(path: &Path) -> Result<(), StoreError> {
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

/// Turns RocksDB's text into an error that says which file is missing, if one is.
pub(crate) fn explain(path: &Path, error: &rocksdb::Error) -> StoreError {
    let message = error.to_string();
    let named = message
        .split(|c: char| c == '/' || c == ':' || c.is_whitespace())
        .find(|word| is_file_of_database(word) && !path.join(word).exists());
    match named {
        Some(file) => StoreError::FileMissing { path: path.to_owned(), file: file.to_owned() },
        None => StoreError::Damaged { path: path.to_owned(), message },
    }
}

fn is_file_of_database(word: &str) -> bool {
    word.ends_with(".sst") || word.ends_with(".log") || word.starts_with("MANIFEST-")
}
