//! A foreign database, open for reading.
//!
//! Invariant: a scan yields every row of its range in ascending key order, or an error; it never ends early.

use std::path::{Path, PathBuf};

use fm_rows::{Row, RowRef};
use rocksdb::{DB, DBRawIterator, ReadOptions};

use crate::open::{explain, open};
use crate::{Omission, OmissionKind, StoreError};

/// Bytes read ahead by a scan.
const READAHEAD_BYTES: usize = 128 << 10;

/// A database opened read-only.
pub struct ReadStore {
    db: DB,
    path: PathBuf,
    omissions: Vec<Omission>,
}

impl ReadStore {
    /// Opens the RocksDB directory at `path` without changing anything in it.
    ///
    /// # Errors
    /// If there is no database at `path`, a server has it open, or it cannot be read or is damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = open(path)?;
        Ok(Self { db: opened.db, path: path.to_owned(), omissions: opened.omissions })
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the parts of the database that are not read, although RocksDB opens it without an error; empty
    /// if everything is read.
    pub fn omissions(&self) -> &[Omission] {
        &self.omissions
    }

    /// Replaces an [`OmissionKind::UnknownLog`] by what the rows show, which this crate cannot know.
    pub fn settle_log(&mut self, kind: OmissionKind, message: String) {
        let unknown = self.omissions.iter_mut().find(|omission| omission.kind == OmissionKind::UnknownLog);
        unknown.into_iter().for_each(|omission| *omission = Omission { kind, message: message.clone() });
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// If the database cannot be read or is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(key).map_err(|error| explain(&self.path, &error))
    }

    /// Returns all rows.
    pub fn scan(&self) -> Scan<'_> {
        self.scan_range(&[], None)
    }

    /// Returns the rows whose keys start with `prefix`.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Scan<'_> {
        self.scan_range(prefix, prefix_end(prefix).as_deref())
    }

    /// Returns the rows from the key `from` up to but excluding the key `to`.
    pub fn scan_range(&self, from: &[u8], to: Option<&[u8]>) -> Scan<'_> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_BYTES);
        scan_range(&self.db, &self.path, options, from, to)
    }

    /// Returns the row with the greatest key among those that start with `prefix`.
    ///
    /// # Errors
    /// If the database cannot be read or is damaged.
    pub fn last_of_prefix(&self, prefix: &[u8]) -> Result<Option<Row>, StoreError> {
        last_of_prefix(&self.db, &self.path, prefix)
    }
}

pub(crate) fn scan_range<'a>(
    db: &'a DB,
    path: &'a Path,
    mut options: ReadOptions,
    from: &[u8],
    to: Option<&[u8]>,
) -> Scan<'a> {
    options.set_verify_checksums(true);
    options.set_iterate_range(Bounds { from: from.to_vec(), to: to.map(<[u8]>::to_vec) });
    let mut rows = db.raw_iterator_opt(options);
    rows.seek_to_first();
    Scan { rows, path, started: false, failed: false }
}

pub(crate) fn last_of_prefix(db: &DB, path: &Path, prefix: &[u8]) -> Result<Option<Row>, StoreError> {
    let mut options = ReadOptions::default();
    options.set_iterate_range(Bounds { from: prefix.to_vec(), to: prefix_end(prefix) });
    let mut rows = db.raw_iterator_opt(options);
    rows.seek_to_last();
    rows.status().map_err(|error| explain(path, &error))?;
    Ok(rows.item().map(|(key, value)| (key.to_vec(), value.to_vec())))
}

/// Returns the least key that is greater than every key with the prefix; `None` if there is no such key.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

struct Bounds {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl rocksdb::IterateBounds for Bounds {
    fn into_bounds(self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        (Some(self.from), self.to)
    }
}

/// Rows in ascending key order.
pub struct Scan<'a> {
    rows: DBRawIterator<'a>,
    path: &'a Path,
    started: bool,
    failed: bool,
}

impl Scan<'_> {
    /// Returns the next row, without copying it.
    pub fn next_row(&mut self) -> Option<Result<RowRef<'_>, StoreError>> {
        if self.failed {
            return None;
        }
        if self.started && self.rows.valid() {
            self.rows.next();
        }
        self.started = true;
        if let Err(error) = self.rows.status() {
            self.failed = true;
            return Some(Err(explain(self.path, &error)));
        }
        self.rows.item().map(Ok)
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next_row()?;
        Some(row.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }
}
