//! The rows of a backup, joined in the order of their numbers.
//!
//! Invariants: a row that is not a byte string, and a missing number, are kept as such. Memory is bounded by
//! [`MAX_BACKUP_BYTES`].

use std::ops::Range;

use fm_codec::{Dialect, Reader};
use fm_history::{Hash, sha256};
use thiserror::Error;

/// The most bytes of units that are read of one guardian: several times the largest session.
pub const MAX_BACKUP_BYTES: usize = 1 << 30;

/// The most rows that are read of one guardian; a session of a hundred guardians has half as many.
pub const MAX_ROWS: usize = 1 << 20;

/// The place where a database keeps its units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitTable {
    /// First byte of the keys.
    pub prefix: u8,
    /// Whether the key contains the session, before the row's number.
    pub session_in_key: bool,
    /// The encoding of keys and values.
    pub dialect: Dialect,
}

/// The reason that a backup is not read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnitBackupError {
    /// A key does not belong to the table.
    #[error("the key {key} is not a key of a unit backup")]
    Key {
        /// The key, in hex.
        key: String,
    },
    /// The rows are not in the order of their numbers.
    #[error("the row {key} does not follow the one before it")]
    Unordered {
        /// The key, in hex.
        key: String,
    },
    /// The backup has more than [`MAX_BACKUP_BYTES`] or [`MAX_ROWS`].
    #[error("the unit backup has more than {MAX_BACKUP_BYTES} bytes, or more than {MAX_ROWS} rows")]
    TooLarge,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the session.
    pub number: u64,
    /// Its key.
    pub key: Vec<u8>,
    /// Its bytes in the stream.
    pub range: Range<usize>,
    /// Why its value is not a byte string; such a row adds nothing to the stream.
    pub fault: Option<String>,
    /// Length of the value.
    pub value_bytes: usize,
}

/// Numbers that are missing between two rows, or before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The missing numbers.
    pub missing: Range<u64>,
    /// Position, in [`Backup::rows`], of the first row after them.
    pub behind: usize,
}

/// One guardian's backup of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// The session, if the keys contain it.
    pub session: Option<u64>,
    /// The rows, by number.
    pub rows: Vec<Row>,
    /// Their bytes, concatenated.
    pub stream: Vec<u8>,
}

impl UnitTable {
    /// Joins the rows of a table: one backup for every session that the keys name.
    ///
    /// # Errors
    /// Fails if a key does not belong to this table, the rows are not in order, or there are too many bytes
    /// or rows.
    pub fn join<'r>(
        &self,
        rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
    ) -> Result<Vec<Backup>, UnitBackupError> {
        let mut backups = Joined::new(*self);
        for (key, value) in rows {
            backups.push(key, value)?;
        }
        Ok(backups.finish())
    }

    fn numbers(&self, key: &[u8]) -> Option<(Option<u64>, u64)> {
        let mut reader = Reader::new(key, self.dialect);
        let prefix = reader.u8().ok()?;
        let session = if self.session_in_key { Some(reader.u64().ok()?) } else { None };
        let number = reader.u64().ok()?;
        (prefix == self.prefix && reader.finish().is_ok()).then_some((session, number))
    }
}

/// Joins rows into backups, one row at a time.
#[derive(Debug)]
pub struct Joined {
    table: UnitTable,
    backups: Vec<Backup>,
    rows: usize,
    bytes: usize,
}

impl Joined {
    /// Returns a value without rows.
    pub fn new(table: UnitTable) -> Self {
        Self { table, backups: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Takes the next row, in key order.
    ///
    /// # Errors
    /// Fails as [`UnitTable::join`] does.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), UnitBackupError> {
        let name = || hex::encode(key);
        let (session, number) =
            self.table.numbers(key).ok_or_else(|| UnitBackupError::Key { key: name() })?;
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.rows += 1;
        if self.bytes > MAX_BACKUP_BYTES || self.rows > MAX_ROWS {
            return Err(UnitBackupError::TooLarge);
        }
        if self.backups.last().is_none_or(|last| last.session != session) {
            self.backups.push(Backup { session, ..Backup::default() });
        }
        let Some(backup) = self.backups.last_mut() else { return Ok(()) };
        if backup.rows.last().is_some_and(|last| last.number >= number) {
            return Err(UnitBackupError::Unordered { key: name() });
        }
        let mut reader = Reader::new(value, self.table.dialect);
        let (chunk, fault) = match reader.bytes().and_then(|chunk| reader.finish().map(|()| chunk)) {
            Ok(chunk) => (chunk, None),
            Err(error) => (&[] as &[u8], Some(error.to_string())),
        };
        let start = backup.stream.len();
        backup.stream.extend_from_slice(chunk);
        let range = start..backup.stream.len();
        backup.rows.push(Row { number, key: key.to_vec(), range, fault, value_bytes: value.len() });
        Ok(())
    }

    /// Returns the backups.
    pub fn finish(self) -> Vec<Backup> {
        self.backups
    }
}

impl Backup {
    /// Returns the numbers that are missing.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut next = 0;
        let mut gaps = Vec::new();
        for (behind, row) in self.rows.iter().enumerate() {
            if row.number > next {
                gaps.push(Gap { missing: next..row.number, behind });
            }
            next = row.number.saturating_add(1);
        }
        gaps
    }

    /// Returns the SHA-256 of the stream.
    pub fn digest(&self) -> Hash {
        sha256(&[&self.stream])
    }
}
