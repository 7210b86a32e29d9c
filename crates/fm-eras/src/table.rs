//! Counts a store's rows by table.

use std::collections::BTreeMap;

use fm_rows::{RowSource, SourceError};

/// The size of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableCount {
    /// The number of rows.
    pub records: u64,
    /// Bytes of all keys.
    pub key_bytes: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
}

/// A store's rows by key prefix: one byte, and for module space (`FF`) the module's id as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Counts by prefix.
    pub counts: BTreeMap<Vec<u8>, TableCount>,
}

impl Tables {
    /// Counts every row of a source; `prefix` says which table a key belongs to.
    ///
    /// # Errors
    /// Fails if the source cannot be read.
    pub fn count(
        source: &dyn RowSource,
        prefix: impl Fn(&[u8]) -> Vec<u8>,
        mut on_row: impl FnMut(&[u8], &[u8]),
    ) -> Result<Self, SourceError> {
        let mut tables = Self::default();
        for row in source.scan_range(&[], None) {
            let (key, value) = row?;
            let count = tables.counts.entry(prefix(&key)).or_default();
            count.records += 1;
            count.key_bytes += key.len() as u64;
            count.value_bytes += value.len() as u64;
            on_row(&key, &value);
        }
        Ok(tables)
    }
}
