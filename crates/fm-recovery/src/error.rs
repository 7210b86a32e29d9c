//! Why a recovery ends without results. All of them can be run again.

use fm_audit::AuditError;
use fm_store::{ErrorKind, StoreError};

/// Why a recovery ends without results.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A session before the end is missing.
    #[error("session {session} is missing")]
    Gap { session: u64 },
    /// The source has fewer sessions than are needed.
    #[error("the source has {has} sessions, and {needed} are needed")]
    Lagging { has: u64, needed: u64 },
    /// A session is not proven.
    #[error("session {session} is not proven: {reason}")]
    BadSignature { session: u64, reason: String },
    /// A session, or something of the module in it, cannot be read.
    #[error("session {session} cannot be read: {reason}")]
    Undecodable { session: u64, reason: String },
    /// The session that was open at the start was not finished in time.
    #[error("session {session} was not finished within {seconds} seconds")]
    Stalled { session: u64, seconds: u64 },
    /// The source is another history than the one that was recovered from so far.
    #[error("the source has another session {session} than the one that was recovered from")]
    OtherHistory { session: u64 },
    /// The state is of other modules, or cannot be read.
    #[error("the state cannot be continued: {reason}")]
    State { reason: String },
    /// What a module does before the end failed.
    #[error("{module} cannot be finished: {reason}")]
    Finalise { module: String, reason: String },
    /// The source cannot be read, or the job was interrupted.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The state cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RecoveryError {
    /// Returns the kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Gap { .. } | Self::BadSignature { .. } | Self::Undecodable { .. } => ErrorKind::Findings,
            Self::OtherHistory { .. } => ErrorKind::Findings,
            Self::State { .. } => ErrorKind::Usage,
            Self::Lagging { .. } | Self::Stalled { .. } | Self::Finalise { .. } => ErrorKind::CannotLook,
            Self::Audit(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }
}
