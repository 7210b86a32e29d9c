//! Why a job on checkpoints or archives could not be done.

use std::io;
use std::path::{Path, PathBuf};

use fm_archive::ArchiveError;
use fm_audit::AuditError;
use fm_config::FilesError;
use fm_history::Hash;
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
    /// A guardian's files cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The archive could not be read.
    #[error("cannot read archive {path}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: ArchiveError,
    },
    /// The archive could not be written.
    #[error("cannot write archive {path}")]
    WriteArchive {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: ArchiveError,
    },
    /// A store of objects does not do what it was asked for.
    #[error("cannot work with {path}")]
    Remote {
        /// The object.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An address that this program does not reach.
    #[error("{text:?} is no place that this program reaches")]
    Unreachable {
        /// What was given.
        text: String,
    },
    /// The source does not hold what its signatures and records promise.
    #[error("{path} is not proven: {errors} error(s), {warnings} warning(s)")]
    NotProven {
        /// The source.
        path: PathBuf,
        /// Findings that are errors.
        errors: u64,
        /// Findings that are warnings.
        warnings: u64,
    },
    /// A directory that is no data directory, or an empty one.
    #[error("{path} holds no database and no checkpoint: {what}")]
    NothingThere {
        /// The directory.
        path: PathBuf,
        /// What it is instead, if that can be told.
        what: String,
    },
    /// No checkpoint is known to be good.
    #[error("none of the {count} checkpoint(s) of {path} is known to be good; of the newest: {first}")]
    NoneGood {
        /// The data directory.
        path: PathBuf,
        /// How many checkpoints there are.
        count: usize,
        /// Why the newest is not.
        first: String,
    },
    /// A part of a history was asked for, and nothing of it can be written.
    #[error("{path} has no history from 0 on up to a last epoch or session, so there is nothing to write")]
    NoHistory {
        /// The source.
        path: PathBuf,
    },
    /// A record holds a secret of the guardian.
    #[error("the record {key} of {path} holds {what}, and no archive holds a secret")]
    Secret {
        /// The source.
        path: PathBuf,
        /// Key of the record, in hex.
        key: String,
        /// Which secret; never the secret itself.
        what: String,
    },
    /// An archive that is not the right one for the job.
    #[error("{path} {what}")]
    NotFit {
        /// The archive or database.
        path: PathBuf,
        /// What it is, or is not.
        what: String,
    },
    /// An increment without the archive that it goes on from.
    #[error("{path} is an increment on the archive with identity {since}, which is not given")]
    NeedsBase {
        /// The increment.
        path: PathBuf,
        /// Identity of the archive it is of use with.
        since: String,
    },
    /// The archive given is not the one that the increment goes on from.
    #[error("{base} has identity {found}, the increment {path} continues {since}")]
    OtherBase {
        /// The increment.
        path: PathBuf,
        /// The archive.
        base: PathBuf,
        /// Identity of the archive.
        found: Hash,
        /// Identity that the increment names.
        since: String,
    },
    /// Something else is at the target.
    #[error("{path} is there already and is something else: {difference}")]
    OtherTarget {
        /// The target.
        path: PathBuf,
        /// How it differs.
        difference: String,
    },
    /// What was written is not what was read.
    #[error("{path} does not read back as what was written: {what}")]
    ReadBack {
        /// The target.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// An encrypted archive, and no key.
    #[error("{path} is encrypted")]
    Encrypted {
        /// The archive.
        path: PathBuf,
    },
    /// An encrypted archive, and keys of others.
    #[error("{path} is encrypted to other keys than those given")]
    WrongKey {
        /// The archive.
        path: PathBuf,
    },
    /// An encrypted archive whose wrapped key cannot be read any more.
    #[error("{path}: the header of its encryption is damaged, and with it the key to all of it")]
    SealDamaged {
        /// The archive.
        path: PathBuf,
    },
    /// What was given as a secret key is none.
    #[error("a file of secret keys holds a line that is no age key")]
    NotAKey,
    /// What was given as a public key is none.
    #[error("{text} is no public key to encrypt to")]
    NotARecipient {
        /// What was given; never a secret.
        text: String,
    },
    /// A configuration that would be written in clear.
    #[error("{path} would hold private keys in clear")]
    InClear {
        /// The file.
        path: PathBuf,
    },
    /// A file of the system.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl BackupError {
    /// The archive at `path` could not be read.
    pub fn archive(path: &Path) -> impl Fn(ArchiveError) -> Self + '_ {
        |source| Self::Archive { path: path.to_owned(), source }
    }

    /// The store of the object at `path` failed.
    pub fn remote(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Remote { path: path.to_owned(), source }
    }

    pub(crate) fn not_fit(path: &Path, what: impl Into<String>) -> Self {
        Self::NotFit { path: path.to_owned(), what: what.into() }
    }

    /// The archive at `path` could not be written; a full disk is told as such.
    pub(crate) fn writing(path: &Path) -> impl Fn(ArchiveError) -> Self + '_ {
        |source| match source {
            ArchiveError::Io { source, .. } => StoreError::io(path, source).into(),
            source => Self::WriteArchive { path: path.to_owned(), source },
        }
    }
}
