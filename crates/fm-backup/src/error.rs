//! Why a job on checkpoints or archives could not be done.

use std::path::{Path, PathBuf};

use fm_archive::ArchiveError;
use fm_audit::AuditError;
use fm_store::StoreError;
use thiserror::Error;

/// Why a job on checkpoints or archives could not be done.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The source could not be read, or the job was interrupted.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A database or a file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be read.
    #[error("cannot read archive {path}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: ArchiveError,
    },
    /// An address that this program does not reach.
    #[error("{text:?} is no place that this program reaches")]
    Unreachable {
        /// What was given.
        text: String,
    },
}

impl BackupError {
    /// The archive at `path` could not be read.
    pub fn archive(path: &Path) -> impl FnOnce(ArchiveError) -> Self + '_ {
        |source| Self::Archive { path: path.to_owned(), source }
    }
}
