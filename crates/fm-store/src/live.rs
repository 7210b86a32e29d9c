//! Our own database, open for reading and writing.
//!
//! Invariants: a write is applied whole or not at all, also across a crash; what was written with
//! [`Durability::Synced`] stays written, and with it everything before it; what is on disk is readable by
//! RocksDB 8.10.

use std::fs::File;
use std::path::{Path, PathBuf};

use fm_rows::Row;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, Options, ReadOptions, WriteBatch,
    WriteOptions,
};

use crate::directory_sync::sync_name;
use crate::obstacle::{Obstacle, system_error};
use crate::omission::absent_log;
use crate::open::{check_columns, check_directory, check_lock, check_logs, check_text, explain, open};
use crate::partial::{PartialDir, sync_tree};
use crate::read::{last_of_prefix, prefix_end, scan_range};
use crate::write::TABLE_FORMAT;
use crate::{Scan, StoreError};

/// The size in bytes up to which rows are kept in memory, beside the log.
const WRITE_BUFFER_BYTES: usize = 4 << 20;
/// Memory for the blocks of tables being read, indexes included.
const BLOCK_CACHE_BYTES: usize = 16 << 20;
/// Table files held open at a time.
const OPEN_FILES: i32 = 256;

/// When a write reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the call returns.
    Synced,
    /// With the next synced write; a crash of the machine may undo it, and everything after it.
    Deferred,
}

/// A database opened for reading and writing; no other process has it open at the same time.
pub struct LiveStore {
    db: DB,
    path: PathBuf,
}

impl LiveStore {
    /// Opens the existing database at `path`. Drops a record that a crash cut off at the end of the log: it
    /// was never confirmed.
    ///
    /// # Errors
    /// If nothing is there, another process has it open, or it is damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        check_directory(path)?;
        check_logs(path)?;
        check_columns(path)?;
        Self::open_with(path, &options())
    }

    /// Makes a new database in the new directory `path`, whole or not at all. Replaces what a crash left of
    /// it.
    ///
    /// # Errors
    /// If something is there already, or it cannot be made.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        check_text(path)?;
        let partial = PartialDir::create(path)?;
        let mut options = options();
        options.create_if_missing(true);
        options.set_error_if_exists(true);
        drop(Self::open_with(partial.path(), &options)?);
        partial.publish()?;
        Self::open(path)
    }

    fn open_with(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let db = DB::open(options, path).map_err(|error| {
            // RocksDB reports locks as text only. Nothing here may open the file before: when the process
            // closes any handle of it, the system drops the process's lock on it.
            let text = error.to_string();
            if text.contains("lock hold by current process") {
                return StoreError::Locked { path: path.to_owned(), pid: Some(std::process::id()) };
            }
            if text.contains("While lock file") {
                // `EAGAIN` or `EACCES` is how a system reports that another process has the lock.
                let source = system_error(&error);
                if let Some(source) = source.filter(|source| {
                    Obstacle::of(source)
                        .is_some_and(|obstacle| !matches!(obstacle, Obstacle::Threads | Obstacle::Permission))
                }) {
                    return StoreError::lock(path, source);
                }
                return check_lock(path)
                    .err()
                    .unwrap_or(StoreError::Locked { path: path.to_owned(), pid: None });
            }
            explain(path, &error)
        })?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// If the database is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(key).map_err(|error| explain(&self.path, &error))
    }

    /// Returns the number of bytes of a key's value.
    ///
    /// # Errors
    /// If the database is damaged.
    pub fn value_bytes(&self, key: &[u8]) -> Result<Option<usize>, StoreError> {
        let value = self.db.get_pinned(key).map_err(|error| explain(&self.path, &error))?;
        Ok(value.map(|value| value.len()))
    }

    /// Returns the rows from the key `from` up to but excluding the key `to`, as they are now.
    pub fn scan_range(&self, from: &[u8], to: Option<&[u8]>) -> Scan<'_> {
        scan_range(&self.db, &self.path, ReadOptions::default(), from, to)
    }

    /// Returns the rows whose keys start with `prefix`, as they are now.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Scan<'_> {
        self.scan_range(prefix, prefix_end(prefix).as_deref())
    }

    /// Returns the row with the greatest key among those that start with `prefix`.
    ///
    /// # Errors
    /// If the database is damaged.
    pub fn last_of_prefix(&self, prefix: &[u8]) -> Result<Option<Row>, StoreError> {
        last_of_prefix(&self.db, &self.path, prefix)
    }

    /// Writes all changes at once: a value replaces the one of its key, `None` removes the key.
    ///
    /// # Errors
    /// If the changes cannot be written; then nothing is written.
    pub fn write<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        self.db.write_opt(batch, &options).map_err(|error| StoreError::write(&self.path, &error))
    }

    /// Makes a database of the present state in the new directory `to`, and syncs it. The two share table
    /// files where the file system allows.
    ///
    /// # Errors
    /// If something is at `to`, or it cannot be written.
    pub fn checkpoint(&self, to: &Path) -> Result<(), StoreError> {
        if to.exists() {
            return Err(StoreError::AlreadyExists { path: to.to_owned() });
        }
        let failed = |error: rocksdb::Error| StoreError::write(to, &error);
        Checkpoint::new(&self.db).map_err(failed)?.create_checkpoint(to).map_err(failed)?;
        add_empty_log(to)?;
        sync_tree(to)?;
        sync_name(to)
    }
}

/// Restores the log that RocksDB left out of a checkpoint because it was empty. Without it the checkpoint
/// looks like a database that lost its log.
///
/// # Errors
/// If the checkpoint cannot be opened or written.
pub fn add_empty_log(checkpoint: &Path) -> Result<(), StoreError> {
    let opened = open(checkpoint)?;
    let Some(name) = absent_log(&opened.db, checkpoint)? else { return Ok(()) };
    let path = checkpoint.join(name);
    File::create_new(&path).and_then(|log| log.sync_all()).map_err(|source| StoreError::io(&path, source))
}

fn options() -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_format_version(TABLE_FORMAT);
    blocks.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    blocks.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_compression_type(DBCompressionType::Snappy);
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_open_files(OPEN_FILES);
    options.set_keep_log_file_num(4);
    options
}
