//! Errors of jobs on checkpoints or archives.

use fm_store::ErrorKind;
use std::io;
use std::path::{Path, PathBuf};

use fm_archive::ArchiveError;
use fm_audit::AuditError;
use fm_config::FilesError;
use fm_history::Hash;
use fm_store::StoreError;
use thiserror::Error;

use crate::Unfit;

/// Why a job on checkpoints or archives could not be done.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
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
    Archive { path: PathBuf, source: ArchiveError },
    /// The archive could not be written.
    #[error("cannot write archive {path}")]
    WriteArchive { path: PathBuf, source: ArchiveError },
    /// A store of objects refused a request or failed.
    #[error("cannot work with {path}")]
    Remote {
        /// The name of the object.
        path: PathBuf,
        source: io::Error,
    },
    /// An address that this program cannot reach.
    #[error("{text:?} is not a place that this program reaches")]
    Unreachable { text: String },
    /// The records of the source are not proven by its signatures.
    #[error("{path} is not proven: {errors} error(s), {warnings} warning(s)")]
    NotProven { path: PathBuf, errors: u64, warnings: u64 },
    /// A directory that is empty or not a data directory.
    #[error("{path} holds no database and no checkpoint: {what}")]
    NothingThere { path: PathBuf, what: String },
    /// No checkpoint is known to be good.
    #[error("none of the {count} checkpoint(s) of {path} is known to be good; of the newest: {first}")]
    NoneGood { path: PathBuf, count: usize, first: String },
    /// A part of a history was requested, but nothing of it can be written.
    #[error("{path} has no history from 0 on up to a last epoch or session, so there is nothing to write")]
    NoHistory { path: PathBuf },
    /// A record holds a secret of the guardian.
    #[error("the record {key} of {path} holds {what}, and no archive holds a secret")]
    Secret {
        path: PathBuf,
        /// In hex.
        key: String,
        /// The kind of secret; never the secret itself.
        what: String,
    },
    /// An archive, database or directory that does not suit the job.
    #[error("{path} {why}")]
    NotFit { path: PathBuf, why: Unfit },
    /// An increment without the archive that it builds on.
    #[error("{path} is an increment on the archive with identity {since}, which is not given")]
    NeedsBase { path: PathBuf, since: String },
    /// The given archive is not the one that the increment builds on.
    #[error("{base} has identity {found}, the increment {path} continues {since}")]
    OtherBase { path: PathBuf, base: PathBuf, found: Hash, since: String },
    /// Something else is at the target.
    #[error("{path} is there already and is something else: {difference}")]
    OtherTarget { path: PathBuf, difference: String },
    /// What was read back differs from what was written.
    #[error("{path} does not read back as what was written: {what}")]
    ReadBack { path: PathBuf, what: String },
    /// An encrypted archive without a key.
    #[error("{path} is encrypted")]
    Encrypted { path: PathBuf },
    /// An encrypted archive, and keys that do not open it.
    #[error("{path} is encrypted to other keys than those given")]
    WrongKey { path: PathBuf },
    /// An encrypted archive whose wrapped key can no longer be read.
    #[error("{path}: the header of its encryption is damaged, and with it the key to all of it")]
    SealDamaged { path: PathBuf },
    /// A text that is not a secret key.
    #[error("a file of secret keys holds a line that is not an age key")]
    NotAKey,
    /// A text that is not a public key.
    #[error("{text} is not a public key to encrypt to")]
    NotARecipient {
        /// Never a secret.
        text: String,
    },
    /// A configuration that would be written unencrypted.
    #[error("{path} would hold private keys in clear")]
    InClear { path: PathBuf },
    /// A file cannot be accessed.
    #[error("cannot read {path}")]
    File { path: PathBuf, source: io::Error },
}

impl BackupError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Audit(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Files(error) => error.kind(),
            Self::Remote { source, .. } if source.kind() == std::io::ErrorKind::ResourceBusy => {
                ErrorKind::Locked
            }
            Self::NotProven { .. } | Self::NoHistory { .. } | Self::Secret { .. } => ErrorKind::Findings,
            Self::Encrypted { .. } | Self::WrongKey { .. } | Self::NotAKey => ErrorKind::WrongKey,
            Self::Unreachable { .. }
            | Self::NotFit { .. }
            | Self::NeedsBase { .. }
            | Self::OtherBase { .. }
            | Self::OtherTarget { .. }
            | Self::NotARecipient { .. }
            | Self::InClear { .. } => ErrorKind::Usage,
            Self::Archive { .. }
            | Self::WriteArchive { .. }
            | Self::Remote { .. }
            | Self::NothingThere { .. }
            | Self::NoneGood { .. }
            | Self::ReadBack { .. }
            | Self::SealDamaged { .. }
            | Self::File { .. } => ErrorKind::CannotLook,
        }
    }
}

impl BackupError {
    /// Makes the error for an archive at `path` that could not be read.
    pub fn archive(path: &Path) -> impl Fn(ArchiveError) -> Self + '_ {
        |source| Self::Archive { path: path.to_owned(), source }
    }

    /// Makes the error for a failing store of the object at `path`.
    pub fn remote(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Remote { path: path.to_owned(), source }
    }

    pub(crate) fn not_fit(path: &Path, why: Unfit) -> Self {
        Self::NotFit { path: path.to_owned(), why }
    }

    /// Makes the error for an archive at `path` that could not be written; a full disk is reported as such.
    pub(crate) fn writing(path: &Path) -> impl Fn(ArchiveError) -> Self + '_ {
        |source| match source {
            ArchiveError::Io { source, .. } => StoreError::io(path, source).into(),
            source => Self::WriteArchive { path: path.to_owned(), source },
        }
    }
}
