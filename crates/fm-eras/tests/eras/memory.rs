//! Rows in memory, to change single ones.

use std::collections::BTreeMap;

use fm_eras::{RowSource, Rows, SourceError};
use fm_store::Row;

/// A store in memory.
#[derive(Clone)]
pub(crate) struct Memory(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl Memory {
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl RowSource for Memory {
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
