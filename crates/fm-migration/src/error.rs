//! Why a history is not carried over.

use std::io;
use std::path::PathBuf;

use fm_archive::ArchiveError;
use fm_audit::AuditError;
use fm_eras::block::Version;
use fm_store::StoreError;
use thiserror::Error;

use crate::SealError;

/// Why a job ended without its result.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The audit could not be finished.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The target could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sessions were not signed, or signatures not taken.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The provenance archive could not be written.
    #[error("cannot write {path}")]
    WriteArchive {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: ArchiveError,
    },
    /// The manifest could not be written.
    #[error("cannot write {path}")]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The history is not sound.
    #[error("the history is not proven: {errors} error(s), the first: {first}")]
    NotProven {
        /// Number of errors.
        errors: u64,
        /// The first one, with its place.
        first: String,
    },
    /// The source has lost files.
    #[error("the database is not whole: {what}")]
    Incomplete {
        /// What is missing.
        what: String,
    },
    /// The layout hides what the rule needs.
    #[error(
        "a history of layout {layout} cannot be converted: its module values carry no length, so its \
         transactions cannot be separated without the modules' own decoders"
    )]
    Opaque {
        /// The layout's name.
        layout: &'static str,
    },
    /// The history ends early: newer epochs were signed, and this database has lost their signatures.
    #[error(
        "this database has lost the signature of epoch {epoch}: the shares in the epoch after it combine to one, \
         and the last signature here is that of epoch {signed}"
    )]
    SignatureLost {
        /// The last epoch whose signature is lost.
        epoch: u64,
        /// The last signed epoch.
        signed: u64,
    },
    /// A row that no provenance archive can hold.
    #[error("the provenance archive cannot hold the row with key {key}")]
    NotArchivable {
        /// Its key in hex, as far as it is shown.
        key: String,
        /// Why not.
        source: ArchiveError,
    },
    /// `--until` would cut a history that is copied as it is.
    #[error(
        "a history of sessions is copied whole, up to session {last}: its index and modules are of its end"
    )]
    CopiedWhole {
        /// The last session.
        last: u64,
    },
    /// The target version of the server would not start on the result.
    #[error("a server of version {version} does not read what is in this database: {records}")]
    NotForTarget {
        /// The version.
        version: Version,
        /// Tables or records, with their numbers.
        records: String,
    },
    /// A map of a history that is copied as it is.
    #[error("nothing is anywhere else: every session, item and transaction id is what it was")]
    NothingMoved,
    /// `--until` names an epoch that nothing proves.
    #[error(
        "{until}, the end asked for, is neither signed nor covered by a later signature: the last signed one is {signed}"
    )]
    NotAnchored {
        /// The epoch asked for.
        until: u64,
        /// The last signed epoch.
        signed: u64,
    },
    /// An archive that no conversion made of an old database.
    #[error(
        "{path} is no provenance archive, by its own word ({what}): its records are not the rows of a database"
    )]
    NotProvenance {
        /// The archive.
        path: PathBuf,
        /// What it says of itself.
        what: String,
    },
    /// The target exists and is something else.
    #[error("{path} already exists, and is not this conversion: {difference}")]
    OtherTarget {
        /// The target.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// An era whose guardians stored no units.
    #[error("a database of era {era} has no units: HoneyBadger epochs were not made of them")]
    NoUnits {
        /// The era.
        era: &'static str,
    },
    /// The rows of the unit backup are none.
    #[error("{path}: {source}")]
    Units {
        /// The database.
        path: PathBuf,
        /// What is wrong with them.
        source: fm_units::UnitBackupError,
    },
    /// What was written does not read back as it should.
    #[error("what was written is not what was read: {what}")]
    ReadBack {
        /// What differs.
        what: String,
    },
}
