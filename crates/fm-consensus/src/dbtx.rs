//! Changes that are not written yet, over the rows that they change.
//!
//! Invariants: reads see the changes; a rollback to a savepoint undoes exactly what came after it; nothing
//! reaches the storage before [`DbTransaction::commit`].

use std::collections::BTreeMap;

use fm_rows::{Row, SourceError};
use fm_store::{Durability, prefix_end};

use crate::storage::{Changes, Storage};

/// A set of uncommitted changes.
pub struct DbTransaction<'a> {
    base: &'a dyn Storage,
    changes: Changes,
    /// The changes to undo, oldest first.
    undo: Vec<Undo>,
}

/// A changed key and its earlier entry: a change, or no entry.
struct Undo {
    key: Vec<u8>,
    before: Option<Option<Vec<u8>>>,
}

/// A state of a [`DbTransaction`] to roll back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(usize);

impl<'a> DbTransaction<'a> {
    /// Creates an empty set of changes over the rows of a storage.
    pub fn new(base: &'a dyn Storage) -> Self {
        Self { base, changes: Changes::new(), undo: Vec::new() }
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    /// Returns the rows whose keys start with `prefix`, in order.
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

    /// Sets the value of a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.change(key, Some(value));
    }

    /// Removes a key, if it exists.
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

    /// Returns the keys changed since the savepoint, each with its value at that time.
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
    /// If the changes cannot be written; then nothing is written.
    pub fn commit(self, durability: Durability) -> Result<(), SourceError> {
        if self.changes.is_empty() { Ok(()) } else { self.base.write(&self.changes, durability) }
    }
}
