//! Errors of a database's files and bytes.

use crate::ErrorKind;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use thiserror::Error;

use crate::directory_sync::is_unsupported;
use crate::obstacle::{Obstacle, system_error};

/// Why a database could not be opened, read or written.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum StoreError {
    /// Nothing is at the path.
    #[error("{path} does not exist")]
    Missing { path: PathBuf },
    /// A file is at the path.
    #[error("{path} is a file, not a RocksDB directory")]
    NotADirectory { path: PathBuf },
    /// A directory without RocksDB's `CURRENT` file.
    #[error("{path} is a directory, but no RocksDB database: it has no CURRENT file")]
    NotADatabase { path: PathBuf },
    /// A symbolic link where a directory is to be replaced.
    #[error("{path} is a symbolic link; put the directory that it leads to in its place")]
    Linked { path: PathBuf },
    /// A directory whose name cannot change, where it is to be replaced.
    #[error("{path} is {why}: its name cannot be changed")]
    Pinned { path: PathBuf, why: &'static str },
    /// A path that cannot be passed to RocksDB.
    #[error("{path:?} is not UTF-8, and RocksDB opens only paths that are")]
    PathNotText { path: PathBuf },
    /// A file system without locks, on which no other process can be kept out.
    #[error("the file system of {path} has no locks, so whether the database is in use cannot be found out")]
    NoLocks {
        /// What was to be locked.
        path: PathBuf,
    },
    /// A file system on which RocksDB cannot make a database.
    #[error("the file system of {path} cannot sync a directory, which RocksDB needs")]
    NoDirectorySync { path: PathBuf },
    /// Another process holds the lock.
    #[error("{path} is in use by {}", holder(*.pid))]
    Locked {
        path: PathBuf,
        /// The process that holds the lock, if the system reports it.
        pid: Option<u32>,
    },
    /// A file that the database's own list of files names is missing.
    #[error("{path} is incomplete: {file} is missing")]
    FileMissing { path: PathBuf, file: String },
    /// RocksDB refuses the files.
    #[error("{path} is damaged: {message}")]
    Damaged { path: PathBuf, message: String },
    /// Column families that no Fedimint version uses.
    #[error("{path} has column families that no Fedimint version writes: {}", names.join(", "))]
    ForeignColumns { path: PathBuf, names: Vec<String> },
    /// The operating system refused.
    #[error("cannot access {path}")]
    Io { path: PathBuf, source: io::Error },
    /// The medium is full.
    #[error("no space left while writing {path}")]
    OutOfSpace { path: PathBuf },
    /// The target of a write is already there.
    #[error("{path} already exists")]
    AlreadyExists { path: PathBuf },
    /// A target that was not left by this toolkit.
    #[error("{path} is in the way and was not made by this tool")]
    ForeignPartial { path: PathBuf },
    /// RocksDB failed to write.
    #[error("cannot write {path}: {message}")]
    Write { path: PathBuf, message: String },
    /// A sorted run was given keys out of order.
    #[error("keys of the sorted run into {path} are not ascending")]
    Unsorted { path: PathBuf },
}

impl StoreError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked { .. } => ErrorKind::Locked,
            Self::OutOfSpace { .. } => ErrorKind::OutOfSpace,
            Self::AlreadyExists { .. }
            | Self::Linked { .. }
            | Self::Pinned { .. }
            | Self::ForeignPartial { .. } => ErrorKind::Usage,
            Self::Missing { .. }
            | Self::NotADirectory { .. }
            | Self::NotADatabase { .. }
            | Self::FileMissing { .. }
            | Self::Damaged { .. }
            | Self::PathNotText { .. }
            | Self::NoLocks { .. }
            | Self::NoDirectorySync { .. }
            | Self::ForeignColumns { .. }
            | Self::Io { .. }
            | Self::Write { .. }
            | Self::Unsorted { .. } => ErrorKind::CannotLook,
        }
    }
}

impl StoreError {
    /// Makes an error of the operating system at a path.
    pub fn io(path: &Path, source: io::Error) -> Self {
        if is_out_of_space(&source) {
            return Self::OutOfSpace { path: path.to_owned() };
        }
        Self::Io { path: path.to_owned(), source }
    }

    /// Returns why the operating system refused, if it did.
    pub fn obstacle(&self) -> Option<Obstacle> {
        match self {
            Self::Io { source, .. } => Obstacle::of(source),
            _ => None,
        }
    }

    /// Returns whether another user, or a process with other limits, could succeed: then nothing is known
    /// about the bytes.
    pub fn is_of_process(&self) -> bool {
        use Obstacle::{Memory, NoLocks, OpenFiles, Permission, ReadOnly, Threads};
        let obstacle = self.obstacle();
        matches!(self, Self::PathNotText { .. } | Self::NoLocks { .. })
            || matches!(obstacle, Some(Permission | ReadOnly | OpenFiles | Memory | Threads | NoLocks))
    }

    /// Makes an error of the operating system while a file was being locked.
    pub(crate) fn lock(path: &Path, source: io::Error) -> Self {
        let errno = source.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) => Self::NoLocks { path: path.to_owned() },
            _ => Self::io(path, source),
        }
    }

    /// Makes the error for a write that RocksDB failed to do.
    pub(crate) fn write(path: &Path, error: &rocksdb::Error) -> Self {
        match system_error(error) {
            // RocksDB names no directory when it cannot sync one.
            Some(source) if is_unsupported(&source) && error.as_ref().contains(DIRECTORY_SYNC) => {
                Self::NoDirectorySync { path: path.to_owned() }
            }
            Some(source) => Self::io(path, source),
            None => Self::Write { path: path.to_owned(), message: error.to_string() },
        }
    }
}

/// How RocksDB reports that it was syncing a directory.
const DIRECTORY_SYNC: &str = "While fsync: a directory";

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Returns whether an error means that the medium, the quota or the allowed file size is used up.
fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
