//! The interface of every source of sorted rows.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::Row;

/// An error of the medium that rows come from.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// Rows in ascending key order.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, SourceError>> + 'a>;

/// Keys in ascending order.
pub type Keys<'a> = Box<dyn Iterator<Item = Result<Vec<u8>, SourceError>> + 'a>;

/// Called with key and value of each row; returns when to stop.
pub type OnRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// A sorted collection of rows.
///
/// Several threads can read at a time; every scan starts from its own beginning.
pub trait RowSource: Sync {
    /// Returns the rows with keys from `from` up to, but not including, `to`.
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a>;

    /// Visits the rows of a range one by one, without a copy of each row if the source allows it.
    ///
    /// # Errors
    /// Fails if the source cannot be read.
    fn visit(&self, from: &[u8], to: Option<&[u8]>, on: OnRow<'_>) -> Result<(), SourceError> {
        visit_rows(self.scan_range(from, to), on)
    }

    /// Returns the keys from `from` up to, but not including, `to`, without their values if the source allows
    /// it.
    fn keys<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Keys<'a> {
        Box::new(self.scan_range(from, to).map(|row| row.map(|(key, _)| key)))
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// Fails if the source cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError>;

    /// Returns the rows whose keys start with the byte `prefix`.
    fn scan_prefix<'a>(&'a self, prefix: u8) -> Rows<'a> {
        match prefix.checked_add(1) {
            Some(end) => self.scan_range(&[prefix], Some(&[end])),
            None => self.scan_range(&[prefix], None),
        }
    }
}

/// A source that several owners share.
impl<T: RowSource + Send + ?Sized> RowSource for Arc<T> {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        self.as_ref().scan_range(from, to)
    }

    fn visit(&self, from: &[u8], to: Option<&[u8]>, on: OnRow<'_>) -> Result<(), SourceError> {
        self.as_ref().visit(from, to, on)
    }

    fn keys<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Keys<'a> {
        self.as_ref().keys(from, to)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        self.as_ref().get(key)
    }
}

/// Visits rows one by one.
///
/// # Errors
/// Fails with the first error of the rows.
pub fn visit_rows(rows: Rows<'_>, on: OnRow<'_>) -> Result<(), SourceError> {
    for row in rows {
        let (key, value) = row?;
        if on(&key, &value).is_break() {
            break;
        }
    }
    Ok(())
}
