//! Rows from anywhere: a database and an archive look the same to a room.

use std::error::Error;

use fm_store::{LiveStore, ReadStore, Row};

/// An error of the medium that rows come from.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// Rows in ascending key order.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, SourceError>> + 'a>;

/// A sorted collection of rows.
///
/// Readable from several threads at a time; every scan starts anew.
pub trait RowSource: Sync {
    /// The rows with keys from `from` on, up to but without `to`.
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a>;

    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError>;

    /// The rows whose keys start with the byte `prefix`.
    fn scan_prefix<'a>(&'a self, prefix: u8) -> Rows<'a> {
        match prefix.checked_add(1) {
            Some(end) => self.scan_range(&[prefix], Some(&[end])),
            None => self.scan_range(&[prefix], None),
        }
    }
}

impl RowSource for ReadStore {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        Box::new(Self::scan_range(self, from, to).map(|row| row.map_err(SourceError::from)))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(Self::get(self, key)?)
    }
}

impl RowSource for LiveStore {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        Box::new(Self::scan_range(self, from, to).map(|row| row.map_err(SourceError::from)))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(Self::get(self, key)?)
    }
}
