//! The one interface of all that has sorted rows.

use std::error::Error;
use std::ops::ControlFlow;

use crate::Row;

/// An error of the medium that rows come from.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// Rows in ascending key order.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, SourceError>> + 'a>;

/// Who is shown key and value of each row, and says when it has seen enough.
pub type OnRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// A sorted collection of rows.
///
/// Readable from several threads at a time; every scan starts anew.
pub trait RowSource: Sync {
    /// The rows with keys from `from` on, up to but without `to`.
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a>;

    /// Shows the rows of a range one by one, without a copy of each where the source can do without.
    ///
    /// # Errors
    /// If the source cannot be read.
    fn visit(&self, from: &[u8], to: Option<&[u8]>, on: OnRow<'_>) -> Result<(), SourceError> {
        visit_rows(self.scan_range(from, to), on)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// If the source cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError>;

    /// The rows whose keys start with the byte `prefix`.
    fn scan_prefix<'a>(&'a self, prefix: u8) -> Rows<'a> {
        match prefix.checked_add(1) {
            Some(end) => self.scan_range(&[prefix], Some(&[end])),
            None => self.scan_range(&[prefix], None),
        }
    }
}

/// Shows rows one by one.
///
/// # Errors
/// The first one of the rows.
pub fn visit_rows(rows: Rows<'_>, on: OnRow<'_>) -> Result<(), SourceError> {
    for row in rows {
        let (key, value) = row?;
        if on(&key, &value).is_break() {
            break;
        }
    }
    Ok(())
}
