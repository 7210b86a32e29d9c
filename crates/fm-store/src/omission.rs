//! What RocksDB leaves out of a database without an error.
//!
//! Invariant: whatever of a directory is not read, and RocksDB does not mention, is an [`Omission`]. Two things
//! leave no mark: a log cut exactly between two batches cannot be told from one that was never longer, nor an
//! older log that is missing among several from one that was never there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rocksdb::DB;
use rocksdb::properties::MIN_LOG_NUMBER_TO_KEEP;

use crate::StoreError;
use crate::manifest::torn_at;
use crate::open::explain;

/// Why part of a database is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OmissionKind {
    /// The newest write-ahead log is torn at its end, as a crash leaves it. Writes are batches, so what is dropped
    /// is dropped whole, and only the newest.
    TornLogTail,
    /// A write-ahead log is missing, or an older one is torn: rows are gone that newer ones may build on.
    MissingLog,
    /// The list of files (`MANIFEST`) is torn: tables named behind the tear are not read.
    TornFileList,
    /// Tables that the list of files does not name: what a crash while writing them leaves, or the sign of a list
    /// that is cut.
    UnnamedTables,
}

impl OmissionKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::TornLogTail, Self::MissingLog, Self::TornFileList, Self::UnnamedTables];
}

/// A part of a database that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// Why not.
    pub kind: OmissionKind,
    /// Which part, in a sentence; files by their names in the database.
    pub message: String,
}

/// Everything that RocksDB does not read and would not mention; `torn_log` is what its strict recovery said.
pub(crate) fn omissions(db: &DB, path: &Path, torn_log: Option<String>) -> Result<Vec<Omission>, StoreError> {
    let names = file_names(path)?;
    let logs = needed_logs(db, path, &names)?;
    let torn_log = torn_log.map(|message| torn_log_at(path, &logs.names, message)).transpose()?;
    let all = [torn_log, missing_log(&logs), torn_list(path)?, unnamed_tables(db, path, &names)?];
    Ok(all.into_iter().flatten().collect())
}

/// The write-ahead logs whose rows are in no table yet.
struct Logs {
    /// The number from which on they are needed.
    least: u64,
    /// Their names, oldest first.
    names: Vec<String>,
}

fn needed_logs(db: &DB, path: &Path, names: &[String]) -> Result<Logs, StoreError> {
    let least = db
        .property_int_value(MIN_LOG_NUMBER_TO_KEEP)
        .map_err(|error| explain(path, &error))?
        .unwrap_or_default();
    let number = |name: &str| name.strip_suffix(".log").and_then(|number| number.parse::<u64>().ok());
    let mut numbered: Vec<(u64, &String)> = names
        .iter()
        .filter_map(|name| number(name).map(|number| (number, name)))
        .filter(|(number, _)| *number >= least)
        .collect();
    numbered.sort();
    Ok(Logs { least, names: numbered.into_iter().map(|(_, name)| name.clone()).collect() })
}

/// RocksDB drops the torn end of any log and goes on with the next; only that of the newest is what a crash leaves.
fn torn_log_at(path: &Path, logs: &[String], message: String) -> Result<Omission, StoreError> {
    let older = logs.len().saturating_sub(1);
    for name in &logs[..older] {
        let file = path.join(name);
        let log = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
        if let Some(at) = torn_at(&log) {
            let message =
                format!("{name} is torn at byte {at}, and a newer write-ahead log goes on behind it");
            return Ok(Omission { kind: OmissionKind::MissingLog, message });
        }
    }
    Ok(Omission { kind: OmissionKind::TornLogTail, message })
}

/// RocksDB keeps a log at all times, be it an empty one, and takes a database without one for one whose log is
/// empty: the rows that were only there are gone without a word.
fn missing_log(logs: &Logs) -> Option<Omission> {
    let least = logs.least;
    logs.names.is_empty().then(|| Omission {
        kind: OmissionKind::MissingLog,
        message: format!("the write-ahead log is missing: there is no file {least:06}.log or later"),
    })
}

/// The list of files is read up to where it is torn, and the tables named behind that are not.
fn torn_list(path: &Path) -> Result<Option<Omission>, StoreError> {
    let current = path.join("CURRENT");
    let name = fs::read_to_string(&current).map_err(|source| StoreError::io(&current, source))?;
    let file = path.join(name.trim_end());
    let list = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
    Ok(torn_at(&list).map(|at| Omission {
        kind: OmissionKind::TornFileList,
        message: format!("the list of files, {}, is torn at byte {at}", name.trim_end()),
    }))
}

fn unnamed_tables(db: &DB, path: &Path, names: &[String]) -> Result<Option<Omission>, StoreError> {
    let named: BTreeSet<String> = db
        .live_files()
        .map_err(|error| explain(path, &error))?
        .into_iter()
        .map(|file| file.name.trim_start_matches('/').to_owned())
        .collect();
    let mut unnamed: Vec<&str> = names.iter().map(String::as_str).collect();
    unnamed.retain(|name| name.ends_with(".sst") && !named.contains(*name));
    unnamed.sort_unstable();
    Ok((!unnamed.is_empty()).then(|| Omission {
        kind: OmissionKind::UnnamedTables,
        message: format!("the list of files does not name {}, so it is not read", unnamed.join(", ")),
    }))
}

fn file_names(path: &Path) -> Result<Vec<String>, StoreError> {
    let at = |source| StoreError::io(path, source);
    let names = fs::read_dir(path).map_err(at)?.map(|entry| Ok(entry.map_err(at)?.file_name()));
    // RocksDB's own names are ASCII; others are none of its files.
    names.filter_map(|name| name.map(|name| name.into_string().ok()).transpose()).collect()
}
