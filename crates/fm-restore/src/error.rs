//! The reasons that a restore is refused or cannot be finished.

use fm_store::ErrorKind;
use std::path::PathBuf;

use fm_audit::AuditError;
use fm_backup::BackupError;
use fm_config::FilesError;
use fm_datadir::{MovedAway, SignedError};
use fm_store::StoreError;
use thiserror::Error;

/// The reason that a restore is refused or cannot be finished.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Data could not be read, or the job was interrupted.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A file or directory could not be read, written or renamed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source could not be opened, or could not be written as a database.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The guardian's files cannot be used, or do not belong together.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The node's record of its newest session cannot be used.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The guardian of the data directory was moved away.
    #[error(transparent)]
    MovedAway(#[from] MovedAway),
    /// The data directory does not contain the guardian's number.
    #[error("{path} does not say which guardian it is of: its local.json has no number of one in the keys")]
    NoNumber { path: PathBuf },
    /// A move to another archive has begun.
    #[error("the move of {path} to {archive} was begun and is not another one")]
    OtherMove { path: PathBuf, archive: PathBuf },
    /// An undo of a move has begun.
    #[error("the way back from the move of {path} was begun and is not finished")]
    MovingBack { path: PathBuf },
    /// There is no move to undo.
    #[error("the guardian of {path} was not moved")]
    NothingMoved { path: PathBuf },
    /// The move was finished, and the user does not state whether the guardian ran at the new place.
    #[error(
        "the guardian of {path} may have run at the new place, and what it signed there is not here: session {at_least} at \
         least"
    )]
    MayHaveRun {
        path: PathBuf,
        /// The session that was open when it was moved.
        at_least: u64,
    },
    /// A move that an earlier run began could not be finished.
    #[error("{what}; nothing starts at the old place")]
    StaysSealed {
        what: String,
        /// Whether the user interrupted it.
        is_interrupted: bool,
    },
    /// The directory of a new guardian is a mount point.
    #[error("{path} is a mount point, and a whole guardian takes its place in one step")]
    Mounted { path: PathBuf },
    /// The directory of a new guardian exists and is not empty.
    #[error("{path} is there and is not empty: {what}")]
    NotEmpty { path: PathBuf, what: String },
    /// The path is not a guardian's data directory.
    #[error("{path} is not a guardian's data directory: {what}")]
    NotADataDir { path: PathBuf, what: String },
    /// A link in the place of a directory.
    #[error("{path} is a symbolic link, and a restore exchanges directories by their names")]
    Link { path: PathBuf },
    /// Another restore is running.
    #[error("another restore works on {path}")]
    Busy { path: PathBuf },
    /// A file has one of our names, but these tools did not write it.
    #[error("{path} is not what these tools write: {what}")]
    NotOurs { path: PathBuf, what: String },
    /// A file has a newer version.
    #[error("{path} is of version {version} of its format, and this program knows {known}")]
    Newer { path: PathBuf, version: u64, known: u64 },
    /// The source does not hold sessions.
    #[error("{path} is a history of era {era}: restored are databases of v0.2 and later")]
    OtherEra { path: PathBuf, era: &'static str },
    /// The source is the output of a conversion.
    #[error("{path} is the work of a conversion, not a state of a guardian")]
    Migrated { path: PathBuf },
    /// An archive does not hold a guardian's full state.
    #[error("{path} is not an archive of a guardian's full state: {what}")]
    NotFull {
        path: PathBuf,
        /// The content that it states.
        what: String,
    },
    /// The source is of another federation.
    #[error("{path} is of federation {stated}, this guardian's is {known}")]
    OtherFederation {
        path: PathBuf,
        stated: String,
        /// The federation of the config.
        known: String,
    },
    /// The archive is not proven to be of this guardian.
    #[error("{path} is the state of guardian {stated} by its own word, and this is guardian {own}")]
    OtherGuardian { path: PathBuf, stated: String, own: String },
    /// The source has lost files or rows.
    #[error("{path} is not whole: {what}")]
    NotWhole { path: PathBuf, what: String },
    /// The source's history is not proven.
    #[error("{path} is not proven: {errors} error(s), the first: {first}")]
    NotProven { path: PathBuf, errors: u64, first: String },
    /// The keys, or the source, belong to another federation.
    #[error("{path} is not signed with these keys: {what}")]
    WrongKeys { path: PathBuf, what: String },
    /// The name is not a checkpoint's.
    #[error("{name:?} is not the name of a checkpoint: {what}")]
    NoCheckpointName { name: String, what: &'static str },
    /// A checkpoint has the number of another session.
    #[error("{path} ends with session {last}, not with session {named}")]
    OtherSession {
        path: PathBuf,
        /// The session in its name.
        named: u64,
        last: u64,
    },
    /// The other guardians have another history.
    #[error(
        "{path} has another history than most: {against} of {voters} differ from it at the common end, as first {first}"
    )]
    Disagree {
        path: PathBuf,
        against: usize,
        /// Including the source.
        voters: usize,
        first: PathBuf,
    },
    /// It is not known up to which session the guardian made units.
    #[error(
        "it is not known up to which session this guardian has signed units ({why}): at least {at_least}"
    )]
    GuardUnknown { at_least: u64, why: String },
    /// The requested guard is too low.
    #[error("--guard-until {given} is too low: {why}, so it is {at_least} at least")]
    GuardTooLow { given: u64, at_least: u64, why: String },
    /// A federation of one guardian would lose data for which there is no other source.
    #[error("with {path}, this federation of one guardian loses for ever: {what}")]
    PermanentLoss { path: PathBuf, what: String },
    /// A restore of something else has begun.
    #[error("a restore of {chosen} was begun here and is not finished (step {step})")]
    UnderWay {
        chosen: String,
        /// The last finished step.
        step: &'static str,
    },
    /// An undo has begun.
    #[error("the way back from the restore of {chosen} was begun and is not finished")]
    Undoing { chosen: String },
    /// There is nothing to undo.
    #[error("no restore of {path} is there to undo")]
    NothingToUndo { path: PathBuf },
    /// Rows were written to the restored database.
    #[error("{path} was written to since it was restored: {what}")]
    Written { path: PathBuf, what: String },
    /// A needed name is taken.
    #[error("{path} is in the way")]
    InTheWay { path: PathBuf },
    /// Written data does not read back correctly.
    #[error("what was written is not what was read: {what}")]
    ReadBack { what: String },
    /// The new database failed its proof in its place, and the old one was put back.
    #[error("the restored database did not prove itself in its place, and the old one was put back: {what}")]
    PutBack { what: String },
    /// The database in place is not the restored one.
    #[error("{path} is in its place and does not prove itself: {what}")]
    NotItself { path: PathBuf, what: String },
    /// The job failed or was interrupted after the databases had changed places.
    #[error("{what}; the restored database is in its place, its last proof is not finished")]
    AfterSwap {
        what: String,
        /// Whether the user interrupted it.
        interrupted: bool,
    },
}

impl RestoreError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Audit(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Backup(error) => error.kind(),
            Self::Files(error) => error.kind(),
            Self::Busy { .. } => ErrorKind::Locked,
            Self::StaysSealed { is_interrupted: true, .. } | Self::AfterSwap { interrupted: true, .. } => {
                ErrorKind::Interrupted
            }
            Self::MovedAway(_)
            | Self::OtherFederation { .. }
            | Self::OtherGuardian { .. }
            | Self::NotWhole { .. }
            | Self::NotProven { .. }
            | Self::WrongKeys { .. }
            | Self::OtherSession { .. }
            | Self::Disagree { .. }
            | Self::Written { .. } => ErrorKind::Findings,
            Self::Signed(_)
            | Self::StaysSealed { .. }
            | Self::AfterSwap { .. }
            | Self::NotOurs { .. }
            | Self::Newer { .. }
            | Self::ReadBack { .. }
            | Self::PutBack { .. }
            | Self::NotItself { .. } => ErrorKind::CannotLook,
            _ => ErrorKind::Usage,
        }
    }
}
