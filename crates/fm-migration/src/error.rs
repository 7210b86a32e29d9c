//! Why a job of this crate fails.

use fm_store::ErrorKind;
use std::io;
use std::path::PathBuf;

use fm_archive::ArchiveError;
use fm_audit::AuditError;
use fm_eras::block::Version;
use fm_store::StoreError;
use thiserror::Error;

use crate::SealError;

/// Why a job ended without its result.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The audit could not be finished.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The target could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sessions were not signed, or signatures were not accepted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The provenance archive could not be written.
    #[error("cannot write {path}")]
    WriteArchive { path: PathBuf, source: ArchiveError },
    /// The manifest could not be written.
    #[error("cannot write {path}")]
    WriteFile { path: PathBuf, source: io::Error },
    /// The history is not proven.
    #[error("the history is not proven: {errors} error(s), the first: {first}")]
    NotProven {
        errors: u64,
        /// With its place.
        first: String,
    },
    /// The source database is incomplete.
    #[error("the database is not whole: {what}")]
    Incomplete { what: String },
    /// The layout hides data that the rule needs.
    #[error(
        "a history of layout {layout} cannot be converted: its module values carry no length, so its \
         transactions cannot be separated without the modules' own decoders"
    )]
    Opaque { layout: &'static str },
    /// The history ends early: newer epochs were signed, and this database has lost their signatures.
    #[error(
        "this database has lost the signature of epoch {epoch}: the shares in the epoch after it combine to one, \
         and the last signature here is that of epoch {signed}"
    )]
    SignatureLost {
        /// The last epoch whose signature is lost.
        epoch: u64,
        signed: u64,
    },
    /// A provenance archive cannot hold one of the rows.
    #[error("the provenance archive cannot hold the row with key {key}")]
    NotArchivable {
        /// The first bytes of its key, in hex.
        key: String,
        source: ArchiveError,
    },
    /// `--until` would cut a history that is copied unchanged.
    #[error(
        "a history of sessions is copied whole, up to session {last}: its index and modules are of its end"
    )]
    CopiedWhole { last: u64 },
    /// The target version of the server would not start with the result.
    #[error("a server of version {version} does not read what is in this database: {records}")]
    NotForTarget {
        version: Version,
        /// Tables or records, with their numbers.
        records: String,
    },
    /// A history that is copied unchanged has no map.
    #[error("nothing is anywhere else: every session, item and transaction id is what it was")]
    NothingMoved,
    /// `--until` names an epoch that no signature covers.
    #[error(
        "{until}, the end asked for, is neither signed nor covered by a later signature: the last signed one is {signed}"
    )]
    NotAnchored { until: u64, signed: u64 },
    /// The archive was not made by a conversion from an old database.
    #[error(
        "{path} is not a provenance archive, according to its own header ({what}): its records are not the rows of a database"
    )]
    NotProvenance { path: PathBuf, what: String },
    /// The target exists and is not the result of this job.
    #[error("{path} already exists, and is not this conversion: {difference}")]
    OtherTarget { path: PathBuf, difference: String },
    /// The written data do not read back as written.
    #[error("what was written is not what was read: {what}")]
    ReadBack { what: String },
}

impl MigrationError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Audit(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Seal(error) => error.kind(),
            Self::NotProven { .. }
            | Self::Incomplete { .. }
            | Self::Opaque { .. }
            | Self::SignatureLost { .. }
            | Self::NotForTarget { .. }
            | Self::NotArchivable { .. }
            | Self::NotAnchored { .. } => ErrorKind::Findings,
            Self::OtherTarget { .. }
            | Self::CopiedWhole { .. }
            | Self::NothingMoved
            | Self::NotProvenance { .. } => ErrorKind::Usage,
            Self::WriteArchive { .. } | Self::WriteFile { .. } | Self::ReadBack { .. } => {
                ErrorKind::CannotLook
            }
        }
    }
}
