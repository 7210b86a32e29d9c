//! The reasons that a node cannot start, or stops.

use fm_store::ErrorKind;
use std::path::PathBuf;

use fm_aleph::AlephError;
use fm_audit::AuditError;
use fm_consensus::EngineError;
use fm_datadir::{GuardError, MovedAway, SignedError};
use fm_eras::DetectError;
use fm_peers::PeersError;
use fm_store::StoreError;

use crate::config::NodeConfigError;

/// The reason that a node cannot start, or stops by itself.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its files are not usable.
    #[error(transparent)]
    Config(#[from] NodeConfigError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The guardian was moved to another place.
    #[error(transparent)]
    MovedAway(#[from] MovedAway),
    /// There is no database.
    #[error("there is no database at {}", path.display())]
    NoDatabase { path: PathBuf },
    /// The database has lost rows.
    #[error("{} is not whole: {what}", path.display())]
    NotWhole { path: PathBuf, what: String },
    /// The database is of an era without sessions.
    #[error("{} is a history of era {era}, and this program runs sessions of v0.4 and later", path.display())]
    OtherEra { path: PathBuf, era: &'static str },
    /// The form of the database's rows is unknown.
    #[error("{} cannot be understood", path.display())]
    Layout { path: PathBuf, source: DetectError },
    /// The units of the open session cannot be read.
    #[error(transparent)]
    Units(#[from] AuditError),
    /// The node's record of its newest session cannot be used.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// It is not known up to which session the guardian made units.
    #[error(
        "it is not known up to which session this guardian has signed units ({why}): at least {at_least}"
    )]
    GuardUnknown { at_least: u64, why: String },
    /// The requested guard is too low.
    #[error("--guard-until {given} is too low: {why}, so it is {at_least} at least")]
    GuardTooLow { given: u64, at_least: u64, why: String },
    /// The guard of a restored database cannot be read.
    #[error("{} cannot be read", path.display())]
    Guard { path: PathBuf, source: GuardError },
    /// Servers of the federation run another module under the same name.
    #[error(
        "module {instance} is of kind {kind}, and servers of {servers} run another module under that name: they would accept \
         other items than this node"
    )]
    OtherModule {
        instance: u16,
        kind: String,
        /// The name of the servers' version.
        servers: &'static str,
    },
    /// The machine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The federation agreed on another outcome.
    #[error("{failure}; what is known of it is in {}", bundle.display())]
    ConsensusFailure { failure: Box<fm_consensus::ConsensusFailure>, bundle: PathBuf },
    /// The node cannot connect to the other guardians.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// Sessions cannot be ordered.
    #[error(transparent)]
    Aleph(#[from] AlephError),
    /// The number of rounds per session is not valid.
    #[error("consensus.json: {rounds} rounds per session cannot be counted")]
    Rounds { rounds: u16 },
    /// Units, files or sockets failed.
    #[error("{what}")]
    Io { what: String, source: std::io::Error },
}

impl NodeError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Config(NodeConfigError::Files(error)) if error.is_wrong_password() => ErrorKind::WrongKey,
            Self::MovedAway(_) | Self::ConsensusFailure { .. } => ErrorKind::Findings,
            Self::GuardUnknown { .. }
            | Self::GuardTooLow { .. }
            | Self::OtherModule { .. }
            | Self::Aleph(_)
            | Self::Rounds { .. } => ErrorKind::Usage,
            _ => ErrorKind::CannotLook,
        }
    }
}
