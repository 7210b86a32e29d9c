//! Errors of a guardian's files.

use fm_store::ErrorKind;
use std::io;
use std::path::PathBuf;

use fm_crypto::{BackupTarError, ConfigError, PrivateFieldError, PrivateFileError};

/// Why a guardian's files cannot be used.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file is larger than any valid one.
    #[error("{place} has more than {most} bytes: it is not a guardian's")]
    TooLong { place: String, most: u64 },
    /// A text file is not text.
    #[error("{place} is not text")]
    NotText { place: String },
    /// The path is neither a directory nor a backup.
    #[error("{} is neither a guardian's data directory nor its backup (tar)", path.display())]
    NeitherOne { path: PathBuf },
    /// A file encrypted with age, as `fm-checkpoint export --with-config` writes a configuration.
    #[error(
        "{path} is encrypted with age, as `fm-checkpoint export --with-config` writes a guardian's configuration; decrypt it \
         first: `age -d -i KEY.txt {quoted} > guardian.tar`, and remove guardian.tar afterwards",
        path = path.display(), quoted = fm_store::quoted(path)
    )]
    Encrypted { path: PathBuf },
    /// A backup that cannot be used.
    #[error("{} is not a guardian's whole backup", path.display())]
    Tar { path: PathBuf, source: BackupTarError },
    /// The public configuration cannot be used.
    #[error("{place}")]
    Consensus { place: String, source: ConfigError },
    /// The local configuration cannot be used.
    #[error("{place}: {what}")]
    Local { place: String, what: &'static str },
    /// There are no secrets.
    #[error("{} has neither private.json nor private.encrypt, which hold a guardian's keys", path.display())]
    NoPrivate {
        /// A directory or a backup.
        path: PathBuf,
    },
    /// The secrets are encrypted, and no password was given.
    #[error("{place} is encrypted, and no password was given")]
    NoPassword { place: String },
    /// The password does not open the secrets, or they are damaged: the two cases cannot be distinguished.
    #[error("{place}: wrong password, or the file or private.salt is damaged{beside}")]
    WrongPassword {
        place: String,
        /// Files beside it that may help, as the rest of the sentence.
        beside: String,
    },
    /// The secrets cannot be opened with any password.
    #[error("{place}")]
    Sealed { place: String, source: PrivateFileError },
    /// The secrets do not have the expected form.
    #[error("{place} is not a private configuration")]
    Private { place: String, source: PrivateFieldError },
    /// The files are of different guardians, or of different federations.
    #[error("{what}")]
    Mixed { what: String },
}

impl FilesError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoPassword { .. } => ErrorKind::Usage,
            _ if self.is_of_secrets() => ErrorKind::WrongKey,
            Self::Read { .. } | Self::NoPrivate { .. } | Self::Sealed { .. } => ErrorKind::CannotLook,
            _ => ErrorKind::Usage,
        }
    }
}

impl FilesError {
    /// Returns whether another password could open the files.
    pub fn is_wrong_password(&self) -> bool {
        matches!(self, Self::WrongPassword { .. })
    }

    /// Returns whether the error concerns the secrets.
    pub fn is_of_secrets(&self) -> bool {
        matches!(self, Self::WrongPassword { .. } | Self::Private { .. } | Self::Mixed { .. })
    }
}
