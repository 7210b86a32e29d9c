//! Why an audit could not be finished. What an audit finds is not an error.

use fm_store::ErrorKind;
use std::io;
use std::path::{Path, PathBuf};

use fm_archive::ArchiveError;
use fm_eras::DetectError;
use fm_history::Hash;
use fm_rows::SourceError;
use fm_store::StoreError;
use thiserror::Error;

/// Why an audit could not be finished.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum AuditError {
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The database could not be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be opened or read.
    #[error("cannot read archive {path}")]
    Archive { path: PathBuf, source: ArchiveError },
    /// The archive is an increment: it holds only the changes since another archive.
    #[error(
        "{path} is an increment on the archive with identity {since}: it holds only what is new since then"
    )]
    Increment {
        path: PathBuf,
        /// As the metadata of the increment states it.
        since: String,
    },
    /// The archive holds the signed headers of a history, without its items.
    #[error("{path} is an archive of headers: it holds what is signed of each session, and no items")]
    Headers { path: PathBuf },
    /// The archive holds the outcome of a session in progress.
    #[error("{path} is the outcome of a session in progress: nobody signed it, and no history is in it")]
    Pending { path: PathBuf },
    /// Rows could not be read.
    #[error("cannot read the rows of {path}")]
    Rows { path: PathBuf, source: SourceError },
    /// The era could not be detected.
    #[error("cannot tell what {path} is")]
    Detect { path: PathBuf, source: DetectError },
    /// The era of an incomplete database could not be detected.
    #[error("{path} is incomplete ({reason}), and what is left does not show its layout")]
    DetectIncomplete { path: PathBuf, reason: String, source: DetectError },
    /// A file could not be read.
    #[error("cannot read {path}")]
    File { path: PathBuf, source: io::Error },
    /// The file is not a manifest.
    #[error("{path} is not a manifest of a conversion")]
    Manifest { path: PathBuf, source: serde_json::Error },
    /// The archive of a directory is not the one that its manifest names.
    #[error(
        "{path} has the identity {found}, and the manifest beside it names {stated}: one of the two is of another conversion"
    )]
    OtherArchive { path: PathBuf, found: Hash, stated: Hash },
    /// A migrated directory lacks one of the parts that a conversion writes.
    #[error("{path} is not a whole migrated directory: it has no {part}")]
    PartMissing { path: PathBuf, part: &'static str },
    /// The two histories have no common form.
    #[error(
        "{left} and {right} cannot be compared: they are of different layouts, and one hides where its items end"
    )]
    Incomparable { left: PathBuf, right: PathBuf },
    /// The operating system returned no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(getrandom::Error),
    /// The guardians of this era stored no units.
    #[error("a database of era {era} has no units: HoneyBadger epochs were not made of them")]
    NoUnits { era: &'static str },
    /// The rows of the unit table are not a backup.
    #[error("{path}: {source}")]
    Units { path: PathBuf, source: fm_units::UnitBackupError },
}

impl AuditError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Interrupted => ErrorKind::Interrupted,
            Self::OtherArchive { .. } => ErrorKind::Findings,
            Self::Increment { .. } | Self::Headers { .. } | Self::Pending { .. } | Self::NoUnits { .. } => {
                ErrorKind::Usage
            }
            _ => ErrorKind::CannotLook,
        }
    }
}

impl AuditError {
    /// Returns the error for rows of a source that could not be read.
    pub fn rows(path: &Path, source: SourceError) -> Self {
        Self::Rows { path: path.to_owned(), source }
    }
}
