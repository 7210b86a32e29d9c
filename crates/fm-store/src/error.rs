//! Everything that can go wrong with a database as a thing of files and bytes.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a database could not be opened, read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Nothing is at the path.
    #[error("{path} does not exist")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A file is at the path.
    #[error("{path} is a file, not a RocksDB directory")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// A directory without RocksDB's `CURRENT` file.
    #[error("{path} is a directory, but no RocksDB database: it has no CURRENT file")]
    NotADatabase {
        /// The path.
        path: PathBuf,
    },
    /// A symbolic link where a directory is to be replaced.
    #[error("{path} is a symbolic link; put the directory that it leads to in its place")]
    Linked {
        /// The link.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("{path} is in use by {}", holder(*.pid))]
    Locked {
        /// The database.
        path: PathBuf,
        /// The process that holds the lock, where the system says it.
        pid: Option<u32>,
    },
    /// A file that the database's own list of files names is not there.
    #[error("{path} is incomplete: {file} is missing")]
    FileMissing {
        /// The database.
        path: PathBuf,
        /// Name of the missing file.
        file: String,
    },
    /// RocksDB refuses the files.
    #[error("{path} is damaged: {message}")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// RocksDB's own words.
        message: String,
    },
    /// Column families that no Fedimint version uses.
    #[error("{path} has column families that no Fedimint version writes: {}", names.join(", "))]
    ForeignColumns {
        /// The database.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// The operating system refused.
    #[error("cannot access {path}")]
    Io {
        /// What was accessed.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The medium is full.
    #[error("no space left while writing {path}")]
    OutOfSpace {
        /// What was written.
        path: PathBuf,
    },
    /// The target of a write is already there.
    #[error("{path} already exists")]
    AlreadyExists {
        /// The path.
        path: PathBuf,
    },
    /// A target left by something else than this toolkit.
    #[error("{path} is in the way and was not made by this tool")]
    ForeignPartial {
        /// The path.
        path: PathBuf,
    },
    /// RocksDB failed to write.
    #[error("cannot write {path}: {message}")]
    Write {
        /// The database.
        path: PathBuf,
        /// RocksDB's own words.
        message: String,
    },
    /// A sorted run was given keys out of order.
    #[error("keys of the sorted run into {path} are not ascending")]
    Unsorted {
        /// The database.
        path: PathBuf,
    },
}

impl StoreError {
    /// An error of the operating system at a path.
    pub fn io(path: &Path, source: io::Error) -> Self {
        if is_out_of_space(&source) {
            return Self::OutOfSpace { path: path.to_owned() };
        }
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path, error: &rocksdb::Error) -> Self {
        let message = error.to_string();
        // RocksDB passes the operating system's error on as text only.
        if ["No space left", "File too large", "Disk quota"].iter().any(|text| message.contains(text)) {
            return Self::OutOfSpace { path: path.to_owned() };
        }
        Self::Write { path: path.to_owned(), message }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Whether an error means that the medium, the quota or the allowed file size is used up.
fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
