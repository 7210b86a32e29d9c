//! Why a guardian's files are of no use.

use std::io;
use std::path::PathBuf;

use fm_crypto::{BackupTarError, ConfigError, PrivateFieldError, PrivateFileError};

/// Why a guardian's files are of no use.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than any such file.
    #[error("{place} has more than {most} bytes: it is no guardian's")]
    TooLong {
        /// The file.
        place: String,
        /// The most that is read.
        most: u64,
    },
    /// A text file is none.
    #[error("{place} is not text")]
    NotText {
        /// The file.
        place: String,
    },
    /// It is neither a directory nor a backup.
    #[error("{} is neither a guardian's data directory nor its backup (tar)", path.display())]
    NeitherOne {
        /// What it is.
        path: PathBuf,
    },
    /// Something that is encrypted, as `fm-checkpoint export --with-config` writes a configuration.
    #[error(
        "{path} is encrypted with age, as `fm-checkpoint export --with-config` writes a guardian's configuration; decrypt it \
         first: `age -d -i KEY.txt {quoted} > guardian.tar`, and remove guardian.tar afterwards",
        path = path.display(), quoted = fm_store::quoted(path)
    )]
    Encrypted {
        /// What is encrypted.
        path: PathBuf,
    },
    /// A backup that cannot be used.
    #[error("{} is not a guardian's whole backup", path.display())]
    Tar {
        /// The backup.
        path: PathBuf,
        /// Why.
        source: BackupTarError,
    },
    /// The public configuration cannot be used.
    #[error("{place}")]
    Consensus {
        /// The file.
        place: String,
        /// Why.
        source: ConfigError,
    },
    /// The local configuration cannot be used.
    #[error("{place}: {what}")]
    Local {
        /// The file.
        place: String,
        /// Why.
        what: &'static str,
    },
    /// There are no secrets.
    #[error("{} has neither private.json nor private.encrypt, which hold a guardian's keys", path.display())]
    NoPrivate {
        /// Where they are not.
        path: PathBuf,
    },
    /// The secrets are encrypted, and no password was given.
    #[error("{place} is encrypted, and no password was given")]
    NoPassword {
        /// The file.
        place: String,
    },
    /// The password does not open the secrets, or they are damaged: the two cannot be told apart.
    #[error("{place}: wrong password, or the file or private.salt is damaged{beside}")]
    WrongPassword {
        /// The file.
        place: String,
        /// What lies beside it and may be of use, as the rest of the sentence.
        beside: String,
    },
    /// The secrets cannot be opened with any password.
    #[error("{place}")]
    Sealed {
        /// The file.
        place: String,
        /// Why.
        source: PrivateFileError,
    },
    /// The secrets are not what they should be.
    #[error("{place} is no private configuration")]
    Private {
        /// The file.
        place: String,
        /// Why.
        source: PrivateFieldError,
    },
    /// The files are of different guardians, or of different federations.
    #[error("{what}")]
    Mixed {
        /// What does not fit.
        what: String,
    },
}

impl FilesError {
    /// Whether another password could open the files.
    pub fn is_wrong_password(&self) -> bool {
        matches!(self, Self::WrongPassword { .. })
    }

    /// Whether it is the secrets that are not right.
    pub fn is_of_secrets(&self) -> bool {
        matches!(self, Self::WrongPassword { .. } | Self::Private { .. } | Self::Mixed { .. })
    }
}
