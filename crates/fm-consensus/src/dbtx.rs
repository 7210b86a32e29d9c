//! Changes that are not written yet, over the rows they change.
//!
//! Invariants: reading sees the changes; going back to a savepoint undoes exactly what came after it; nothing reaches
//! the storage before [`DbTransaction::commit`].

use std::collections::BTreeMap;

use fm_rows::{Row, SourceError};
use fm_store::{Durability, prefix_end};

use crate::storage::{Changes, Storage};

/// A set of changes in the making.
pub struct DbTransaction<'a> {
    base: &'a dyn Storage,
    changes: Changes,
    /// What to take back, oldest first.
    undo: Vec<Undo>,
}

/// A key that was changed, and what was said of it before: a change, or nothing.
struct Undo {
    key: Vec<u8>,
    before: Option<Option<Vec<u8>>>,
}

/// A state of a [`DbTransaction`] to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(usize);

impl<'a> DbTransaction<'a> {
    /// No changes over the rows of a storage.
    pub fn new(base: &'a dyn Storage) -> Self {
        Self { base, changes: Changes::new(), undo: Vec::new() }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    /// The rows whose keys start with `prefix`, in order.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Result<Vec<Row>, SourceError> {
        let mut rows = BTreeMap::new();
        for row in self.base.scan_range(prefix, prefix_end(prefix).as_deref()) {
            let (key, value) = row?;
            rows.insert(key, value);
        }
        let changes = self.changes.range(prefix.to_vec()..);
        for (key, value) in changes.take_while(|(key, _)| key.starts_with(prefix)) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    /// Gives a key a value.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.change(key, Some(value));
    }

    /// Removes a key, if it is there.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.change(key, None);
    }

    fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let before = self.changes.insert(key.clone(), value);
        self.undo.push(Undo { key, before });
    }

    /// Marks the present state.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Undoes every change since the savepoint.
    pub fn rollback(&mut self, to: Savepoint) {
        while self.undo.len() > to.0 {
            if let Some(Undo { key, before }) = self.undo.pop() {
                match before {
                    Some(value) => self.changes.insert(key, value),
                    None => self.changes.remove(&key),
                };
            }
        }
    }

    /// The keys changed since the savepoint, each with its value at that time.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub(crate) fn changed_since(
        &self,
        savepoint: Savepoint,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<BTreeMap<&[u8], Option<Vec<u8>>>, SourceError> {
        let mut keys = BTreeMap::new();
        for Undo { key, before } in &self.undo[savepoint.0..] {
            if !keys.contains_key(key.as_slice()) && wanted(key) {
                let value = match before {
                    Some(value) => value.clone(),
                    None => self.base.get(key)?,
                };
                keys.insert(key.as_slice(), value);
            }
        }
        Ok(keys)
    }

    /// Writes all changes at once. Without changes nothing is written.
    ///
    /// # Errors
    /// If they cannot be written; then none is.
    pub fn commit(self, durability: Durability) -> Result<(), SourceError> {
        if self.changes.is_empty() { Ok(()) } else { self.base.write(&self.changes, durability) }
    }
}
