//! Rows in memory.

use std::collections::BTreeMap;

use crate::Row;
use crate::source::{RowSource, Rows, SourceError};

/// Sorted rows in memory, for small collections, tests and examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRows(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl FromIterator<Row> for MemoryRows {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl RowSource for MemoryRows {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        let to = to.map(<[u8]>::to_vec);
        let rows = self.0.range(from.to_vec()..);
        let within = rows.take_while(move |(key, _)| to.as_ref().is_none_or(|to| *key < to));
        Box::new(within.map(|(key, value)| Ok((key.clone(), value.clone()))))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.0.get(key).cloned())
    }
}
