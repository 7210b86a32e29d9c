//! The storage of the machine's rows: a sorted map that takes changes completely or not at all.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use fm_rows::{RowSource, Rows, SourceError};
use fm_store::{Durability, LiveStore};

/// The changes of a write: a value replaces the one of its key, `None` removes the key.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Rows that several threads can read and change at the same time.
pub trait Storage: RowSource + Send {
    /// Writes all changes or none.
    ///
    /// # Errors
    /// If they cannot be written.
    fn write(&self, changes: &Changes, durability: Durability) -> Result<(), SourceError>;
}

impl Storage for LiveStore {
    fn write(&self, changes: &Changes, durability: Durability) -> Result<(), SourceError> {
        let changes = changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        Ok(Self::write(self, changes, durability)?)
    }
}

/// Rows in memory, for simulations and tests.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    rows: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryStorage {
    /// Returns all rows.
    pub fn rows(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RowSource for MemoryStorage {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let range = rows.range(from.to_vec()..);
        let range = range.take_while(|(key, _)| to.is_none_or(|to| key.as_slice() < to));
        let rows: Vec<_> = range.map(|(key, value)| Ok((key.clone(), value.clone()))).collect();
        Box::new(rows.into_iter())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.rows.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }
}

impl Storage for MemoryStorage {
    fn write(&self, changes: &Changes, _: Durability) -> Result<(), SourceError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }
}
