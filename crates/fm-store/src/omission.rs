//! What RocksDB leaves out of a database without an error.
//!
//! Invariant: every part of a directory that is not read, and that RocksDB does not mention, is an
//! [`Omission`]. One case leaves no trace: a log cut exactly between two batches looks like one that was
//! never longer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rocksdb::DB;
use rocksdb::properties::MIN_LOG_NUMBER_TO_KEEP;

use crate::StoreError;
use crate::log::{changes, last_change, torn_at};
use crate::open::explain;

/// The sequence number of the first change ever made to a database.
const FIRST_CHANGE: u64 = 1;

/// Why part of a database is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OmissionKind {
    /// The newest write-ahead log is torn at its end, as after a crash. Writes are batches, so only the
    /// newest are dropped, each of them whole.
    TornLogTail,
    /// A write-ahead log is missing, or an older one is torn: rows are lost that newer ones may build on.
    MissingLog,
    /// There is no write-ahead log, and the files are those of a checkpoint. RocksDB leaves an empty log out
    /// of a checkpoint. A database that lost its log looks the same if it also lost the files that a
    /// checkpoint does not have.
    UnknownLog,
    /// There is no write-ahead log, and the rows also show that this is a checkpoint whose log was empty.
    EmptyLog,
    /// The list of files (`MANIFEST`) is torn: tables named after the tear are not read.
    TornFileList,
    /// The list of files does not name some tables, and the logs that would have their rows are not all
    /// there: the sign of a truncated list.
    UnnamedTables,
    /// The same, but the logs are all there: a crash interrupted the writing of the tables, and their rows
    /// are in the logs or in the tables that they were to replace.
    UnfinishedTables,
}

impl OmissionKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::TornLogTail,
        Self::MissingLog,
        Self::UnknownLog,
        Self::EmptyLog,
        Self::TornFileList,
        Self::UnnamedTables,
        Self::UnfinishedTables,
    ];

    /// Returns whether rows are lost, or may be.
    pub fn loses_rows(self) -> bool {
        !matches!(self, Self::UnfinishedTables | Self::EmptyLog)
    }
}

/// A part of a database that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// Why the part is not read.
    pub kind: OmissionKind,
    /// The part, in a sentence; it names files by their names in the database.
    pub message: String,
}

/// Returns everything that RocksDB does not read and would not mention; `torn_log` is the error of its strict
/// recovery.
pub(crate) fn omissions(db: &DB, path: &Path, torn_log: Option<String>) -> Result<Vec<Omission>, StoreError> {
    let names = file_names(path)?;
    let logs = needed_logs(db, path, &names)?;
    let torn_log = torn_log.map(|message| torn_log_at(path, &logs.names, message)).transpose()?;
    let missing = match (missing_log(&logs, &names), &torn_log) {
        (None, None) => gap(path, &logs.names)?,
        (missing, _) => missing,
    };
    let torn_list = torn_list(path)?;
    let mut omissions: Vec<Omission> = [torn_log, missing, torn_list].into_iter().flatten().collect();
    // The torn end of the newest log is later than everything that was being written to a table.
    let logs_are_whole = omissions.iter().all(|omission| omission.kind == OmissionKind::TornLogTail);
    let unnamed = unnamed_tables(db, path, &names)?;
    if let Some(first) = unnamed.first() {
        let has_all = logs.has_least() || logs.begin_where_tables_end(path, first)?;
        let kind = match has_all && logs_are_whole {
            true => OmissionKind::UnfinishedTables,
            false => OmissionKind::UnnamedTables,
        };
        let message = format!("the list of files does not name {}, so it is not read", unnamed.join(", "));
        omissions.push(Omission { kind, message });
    }
    Ok(omissions)
}

/// The write-ahead logs whose rows are in no table yet.
struct Logs {
    /// The number of the first log that is needed.
    least: u64,
    /// The names of the logs, oldest first.
    names: Vec<String>,
}

impl Logs {
    /// Returns whether the oldest needed log is there. It is removed first, once all its rows are in tables
    /// that the list of files names.
    ///
    /// If it is there, no table was finished since: otherwise the list of files would name the table, and
    /// would need only later logs.
    fn has_least(&self) -> bool {
        self.names.first().is_some_and(|name| number(name) == Some(self.least))
    }

    /// Returns whether the oldest log is older than a table, and begins with the change after the last one
    /// that the list of files records, or with the very first change of the database. Then a server that was
    /// killed while it wrote the table has lost nothing.
    ///
    /// The list of files asks for a log number that no log has in two cases: no table was ever finished, or a
    /// recovery made the list. A recovery asks for logs after the last one that it read, and its next log has
    /// a later number than that.
    fn begin_where_tables_end(&self, path: &Path, table: &str) -> Result<bool, StoreError> {
        let Some(oldest) = self.names.first() else { return Ok(false) };
        let table = table.strip_suffix(".sst").and_then(|number| number.parse::<u64>().ok());
        if number(oldest).zip(table).is_none_or(|(log, table)| log > table) {
            return Ok(false);
        }
        let next = last_change(&list_of_files(path)?.1).and_then(|last| last.checked_add(1));
        for name in &self.names {
            let file = path.join(name);
            let log = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
            if let Some(changes) = changes(&log) {
                return Ok(changes.start <= FIRST_CHANGE || Some(changes.start) == next);
            }
        }
        Ok(false)
    }
}

fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}

fn needed_logs(db: &DB, path: &Path, names: &[String]) -> Result<Logs, StoreError> {
    let least = db
        .property_int_value(MIN_LOG_NUMBER_TO_KEEP)
        .map_err(|error| explain(path, &error))?
        .unwrap_or_default();
    let mut numbered: Vec<(u64, &String)> = names
        .iter()
        .filter_map(|name| number(name).map(|number| (number, name)))
        .filter(|(number, _)| *number >= least)
        .collect();
    numbered.sort();
    Ok(Logs { least, names: numbered.into_iter().map(|(_, name)| name.clone()).collect() })
}

/// Returns the name of the log that a database without logs would continue with; `None` if the database has a
/// log.
pub(crate) fn absent_log(db: &DB, path: &Path) -> Result<Option<String>, StoreError> {
    let logs = needed_logs(db, path, &file_names(path)?)?;
    Ok(logs.names.is_empty().then(|| log_name(logs.least)))
}

fn log_name(number: u64) -> String {
    format!("{number:06}.log")
}

/// Returns the omission for a torn log. RocksDB drops the torn end of any log and continues with the next; a
/// crash tears only the newest.
fn torn_log_at(path: &Path, logs: &[String], message: String) -> Result<Omission, StoreError> {
    let older = newest_written(path, logs)?;
    for name in &logs[..older] {
        let file = path.join(name);
        let log = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
        if let Some(at) = torn_at(&log) {
            let message = format!("{name} is torn at byte {at}, and a newer write-ahead log follows it");
            return Ok(Omission { kind: OmissionKind::MissingLog, message });
        }
    }
    let newest = logs.get(older).map_or("the newest write-ahead log", String::as_str);
    let message = format!("the end of {newest} is torn, and the newest rows are not read ({message})");
    Ok(Omission { kind: OmissionKind::TornLogTail, message })
}

/// Returns the index of the newest log that holds anything.
///
/// A server that recovers from a crash makes a new log before the list of files records that the torn one is
/// no longer needed. If the server is killed in between, logs without a change follow the torn one, and
/// nothing builds on what it lost.
fn newest_written(path: &Path, logs: &[String]) -> Result<usize, StoreError> {
    for (place, name) in logs.iter().enumerate().rev() {
        let file = path.join(name);
        let log = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
        if changes(&log).is_some() || torn_at(&log).is_some() {
            return Ok(place);
        }
    }
    Ok(0)
}

/// Returns the omission for a database without a log. RocksDB always keeps a log, even an empty one, and
/// treats a database without one as if its log were empty: rows that were only in the log are silently
/// lost. RocksDB leaves an empty log out of a checkpoint.
fn missing_log(logs: &Logs, names: &[String]) -> Option<Omission> {
    if !logs.names.is_empty() {
        return None;
    }
    let file = log_name(logs.least);
    let of_databases = names_of_databases(names);
    // A checkpoint is made when all rows are in tables.
    let has_tables = names.iter().any(|name| name.ends_with(".sst"));
    if of_databases.is_empty() && has_tables {
        let message = format!(
            "there is no write-ahead log (no file {file} or later), and no LOCK, IDENTITY or LOG, as in a checkpoint whose \
             log was empty"
        );
        return Some(Omission { kind: OmissionKind::UnknownLog, message });
    }
    let why = match of_databases.as_slice() {
        [] => "it has no tables either".to_owned(),
        names => format!("{} show that this is not a checkpoint, which may lack them", names.join(" and ")),
    };
    let message = format!("the write-ahead log is missing: there is no file {file} or later, and {why}");
    Some(Omission { kind: OmissionKind::MissingLog, message })
}

/// Returns the files that a server makes when it opens a database, and that no checkpoint has.
fn names_of_databases(names: &[String]) -> Vec<&str> {
    let is_one = |name: &&str| matches!(*name, "LOCK" | "IDENTITY" | "LOG") || name.starts_with("LOG.old.");
    let mut found: Vec<&str> = names.iter().map(String::as_str).filter(is_one).collect();
    found.sort_unstable();
    found
}

/// Returns the omission for a log that is missing between two others. Every change has a sequence number, one
/// more than the change before it, so a missing log leaves a gap.
fn gap(path: &Path, logs: &[String]) -> Result<Option<Omission>, StoreError> {
    let mut before: Option<(u64, &str)> = None;
    // A single log is not between two others.
    for name in logs.iter().filter(|_| logs.len() > 1) {
        let file = path.join(name);
        let log = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
        let Some(numbers) = changes(&log) else { continue };
        if let Some((next, before)) = before.filter(|(next, _)| numbers.start > *next) {
            let message = format!(
                "a write-ahead log is missing between {before} and {name}: changes {next} to {} are in none",
                numbers.start - 1
            );
            return Ok(Some(Omission { kind: OmissionKind::MissingLog, message }));
        }
        before = Some((numbers.end, name));
    }
    Ok(None)
}

/// Returns the name and the bytes of the list of files.
fn list_of_files(path: &Path) -> Result<(String, Vec<u8>), StoreError> {
    let current = path.join("CURRENT");
    let name = fs::read_to_string(&current).map_err(|source| StoreError::io(&current, source))?;
    let file = path.join(name.trim_end());
    let list = fs::read(&file).map_err(|source| StoreError::io(&file, source))?;
    Ok((name.trim_end().to_owned(), list))
}

/// Returns the omission for a torn list of files: RocksDB does not read the tables that are named after the
/// tear.
fn torn_list(path: &Path) -> Result<Option<Omission>, StoreError> {
    let (name, list) = list_of_files(path)?;
    Ok(torn_at(&list).map(|at| Omission {
        kind: OmissionKind::TornFileList,
        message: format!("the list of files, {name}, is torn at byte {at}"),
    }))
}

/// Returns the tables that the list of files does not name, oldest first.
fn unnamed_tables<'a>(db: &DB, path: &Path, names: &'a [String]) -> Result<Vec<&'a str>, StoreError> {
    let named: BTreeSet<String> = db
        .live_files()
        .map_err(|error| explain(path, &error))?
        .into_iter()
        .map(|file| file.name.trim_start_matches('/').to_owned())
        .collect();
    let mut unnamed: Vec<&str> = names.iter().map(String::as_str).collect();
    unnamed.retain(|name| name.ends_with(".sst") && !named.contains(*name));
    unnamed.sort_unstable();
    Ok(unnamed)
}

fn file_names(path: &Path) -> Result<Vec<String>, StoreError> {
    let at = |source| StoreError::io(path, source);
    let names = fs::read_dir(path).map_err(at)?.map(|entry| Ok(entry.map_err(at)?.file_name()));
    // RocksDB's own file names are ASCII; a file with any other name is not RocksDB's.
    names.filter_map(|name| name.map(|name| name.into_string().ok()).transpose()).collect()
}
