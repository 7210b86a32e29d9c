//! Writing a new database in bulk.
//!
//! Invariants: the directory is new; a duplicate key is an error in a sorted run, and elsewhere the last row
//! wins; after [`StoreWriter::finish`] every row is in table files, synced.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rocksdb::{
    BlockBasedOptions, DB, DBCompressionType, IngestExternalFileOptions, Options, SstFileWriter, WriteBatch,
    WriteOptions,
};

use crate::StoreError;
use crate::open::check_text;
use crate::partial::sync_tree;

/// The table format that RocksDB 8.10 (upstream v0.3 to v0.10) writes by default, and that older ones read.
/// Source: librocksdb-sys 0.16.0, rocksdb/include/rocksdb/table.h.
pub(crate) const TABLE_FORMAT: i32 = 5;
/// The size in bytes up to which rows in any order are buffered.
const BUFFER_BYTES: usize = 4 << 20;
/// The approximate size of the table files of a sorted run, in bytes.
const TABLE_FILE_BYTES: u64 = 64 << 20;
/// The number of bytes of a batch of unsorted rows.
const BATCH_BYTES: usize = 1 << 20;
/// The directory where table files of a sorted run wait to be ingested.
const RUN_DIRECTORY: &str = "sorted-run.tmp";
/// The options of every database written here; a table writer borrows them for as long as it lives.
static OPTIONS: LazyLock<Options> = LazyLock::new(options);

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSummary {
    /// The number of rows.
    pub rows: u64,
    /// The bytes of all keys.
    pub key_bytes: u64,
    /// The bytes of all values.
    pub value_bytes: u64,
}

/// A new database being filled.
pub struct StoreWriter {
    db: DB,
    path: PathBuf,
    batch: WriteBatch,
    run: Option<Run>,
    files: usize,
    summary: StoreSummary,
}

/// The table file of a sorted run that is being written.
struct Run {
    writer: SstFileWriter<'static>,
    file: PathBuf,
    last: Vec<u8>,
}

impl StoreWriter {
    /// Creates a database in the new directory `path`; its parent must exist, `path` itself must not.
    ///
    /// # Errors
    /// If something is at `path`, the path is not UTF-8, or the database cannot be made.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        check_text(path)?;
        fs::create_dir(path).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => StoreError::AlreadyExists { path: path.to_owned() },
            _ => StoreError::io(path, source),
        })?;
        let db = DB::open(&OPTIONS, path).map_err(|error| StoreError::write(path, &error))?;
        let directory = path.join(RUN_DIRECTORY);
        fs::create_dir(&directory).map_err(|source| StoreError::io(&directory, source))?;
        Ok(Self {
            db,
            path: path.to_owned(),
            batch: WriteBatch::default(),
            run: None,
            files: 0,
            summary: StoreSummary::default(),
        })
    }

    /// Adds a row in any order.
    ///
    /// # Errors
    /// If a batch cannot be written.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.batch.put(key, value);
        self.count(key, value);
        if self.batch.size_in_bytes() >= BATCH_BYTES {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Adds a row to the sorted run. Its key must be greater than that of the row before, and no row outside
    /// the run may have a key between those of the run.
    ///
    /// # Errors
    /// If the key is not greater than the one before it ([`StoreError::Unsorted`]), or a table file cannot be
    /// written.
    pub fn push_sorted(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if self.run.as_ref().is_some_and(|run| run.writer.file_size() >= TABLE_FILE_BYTES) {
            let last = self.end_run()?;
            self.start_run(last)?;
        }
        if self.run.is_none() {
            self.start_run(Vec::new())?;
        }
        let run = self.run.as_mut().expect("the run was started above");
        if !run.last.is_empty() && run.last.as_slice() >= key {
            return Err(StoreError::Unsorted { path: self.path.clone() });
        }
        run.writer.put(key, value).map_err(|error| StoreError::write(&run.file, &error))?;
        run.last.clear();
        run.last.extend_from_slice(key);
        self.count(key, value);
        Ok(())
    }

    fn count(&mut self, key: &[u8], value: &[u8]) {
        self.summary.rows += 1;
        self.summary.key_bytes += key.len() as u64;
        self.summary.value_bytes += value.len() as u64;
    }

    fn write_batch(&mut self) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        // Everything is flushed to tables before the database counts as written.
        options.disable_wal(true);
        let batch = std::mem::take(&mut self.batch);
        self.db.write_opt(batch, &options).map_err(|error| StoreError::write(&self.path, &error))
    }

    fn start_run(&mut self, last: Vec<u8>) -> Result<(), StoreError> {
        let file = self.path.join(RUN_DIRECTORY).join(format!("{:06}.sst", self.files));
        self.files += 1;
        let writer = SstFileWriter::create(&OPTIONS);
        writer.open(&file).map_err(|error| StoreError::write(&file, &error))?;
        self.run = Some(Run { writer, file, last });
        Ok(())
    }

    /// Ends the sorted run and returns its last key. A later run may be anywhere else in the key space.
    ///
    /// # Errors
    /// If the table file cannot be finished or moved into the database.
    pub fn end_run(&mut self) -> Result<Vec<u8>, StoreError> {
        let Some(mut run) = self.run.take() else {
            return Ok(Vec::new());
        };
        run.writer.finish().map_err(|error| StoreError::write(&run.file, &error))?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        options.set_snapshot_consistency(false);
        self.db
            .ingest_external_file_opts(&options, vec![&run.file])
            .map_err(|error| StoreError::write(&run.file, &error))?;
        if run.file.exists() {
            fs::remove_file(&run.file).map_err(|source| StoreError::io(&run.file, source))?;
        }
        Ok(run.last)
    }

    /// Puts every row into table files, closes the database and syncs all of its files.
    ///
    /// # Errors
    /// If rows or files cannot be written or synced.
    pub fn finish(mut self) -> Result<StoreSummary, StoreError> {
        self.end_run()?;
        self.write_batch()?;
        self.db.flush().map_err(|error| StoreError::write(&self.path, &error))?;
        self.db.cancel_all_background_work(true);
        let Self { db, path, summary, .. } = self;
        drop(db);
        let directory = path.join(RUN_DIRECTORY);
        fs::remove_dir(&directory).map_err(|source| StoreError::io(&directory, source))?;
        sync_tree(&path)?;
        Ok(summary)
    }
}

fn options() -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_format_version(TABLE_FORMAT);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_error_if_exists(true);
    options.set_compression_type(DBCompressionType::Snappy);
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(BUFFER_BYTES);
    options
}
