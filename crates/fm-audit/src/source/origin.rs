//! The origin of a history: its rows, and those of their keys that name no record.

use std::path::Path;

use fm_eras::Layout;
use fm_history::{Code, Finding, Place};
use fm_rows::{RowSource, SourceError};

use crate::error::AuditError;

/// The largest number of keys that are listed one by one.
const MOST_STRAY_KEYS: usize = 1000;
/// The largest number of bytes in these keys.
const MOST_STRAY_BYTES: usize = 1 << 20;

/// The rows that a history is read from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The rows.
    pub rows: &'a dyn RowSource,
    /// The name of the source, for errors.
    pub path: &'a Path,
    /// The layout of its records.
    pub layout: Layout,
}

impl Origin<'_> {
    /// Returns the error for rows of this source that cannot be read.
    pub fn unreadable(&self, source: SourceError) -> AuditError {
        AuditError::rows(self.path, source)
    }
}

/// Records by ascending number.
pub type NumberedRecords<'a> = Box<dyn Iterator<Item = Result<(u64, Vec<u8>), AuditError>> + 'a>;

/// Keys of the history table that name no epoch or session.
#[derive(Clone, Debug, Default)]
pub struct MalformedKeys {
    /// The first of them.
    pub first: Vec<Vec<u8>>,
    /// The number of all such keys.
    pub count: u64,
    bytes: usize,
}

impl MalformedKeys {
    /// Returns the keys as findings: the first keys one by one, the rest as a count.
    pub(crate) fn findings(&self, prefix: u8, what: &str) -> Vec<Finding> {
        let finding = |key: &[u8], message| Finding::new(Code::RecordUndecodable, Place::key(key), message);
        let named = self.first.iter().map(|key| finding(key, format!("the key names no {what}")));
        let rest = self.count - self.first.len() as u64;
        let rest =
            (rest > 0).then(|| finding(&[prefix], format!("{rest} more keys of the history name no {what}")));
        named.chain(rest).collect()
    }

    pub(crate) fn add(&mut self, key: Vec<u8>) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(key.len());
        if self.first.len() < MOST_STRAY_KEYS && self.bytes <= MOST_STRAY_BYTES {
            self.first.push(key);
        }
    }
}
