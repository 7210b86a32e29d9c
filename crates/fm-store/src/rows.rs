//! Databases as sources of rows.

use fm_rows::{OnRow, RowSource, Rows, SourceError};

use crate::{LiveStore, ReadStore};

impl RowSource for ReadStore {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        Box::new(Self::scan_range(self, from, to).map(|row| row.map_err(SourceError::from)))
    }

    fn visit(&self, from: &[u8], to: Option<&[u8]>, on: OnRow<'_>) -> Result<(), SourceError> {
        let mut rows = Self::scan_range(self, from, to);
        while let Some(row) = rows.next_row() {
            let (key, value) = row?;
            if on(key, value).is_break() {
                break;
            }
        }
        Ok(())
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
