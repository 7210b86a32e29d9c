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
    NoDatabase {
        /// The expected path.
        path: PathBuf,
    },
    /// The database has lost rows.
    #[error("{} is not whole: {what}", path.display())]
    NotWhole {
        /// The database.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The database is of an era without sessions.
    #[error("{} is a history of era {era}, and this program runs sessions of v0.4 and later", path.display())]
    OtherEra {
        /// The database.
        path: PathBuf,
        /// Its era.
        era: &'static str,
    },
    /// The form of the database's rows is unknown.
    #[error("{} cannot be understood", path.display())]
    Layout {
        /// The database.
        path: PathBuf,
        /// The reason.
        source: DetectError,
    },
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
    GuardUnknown {
        /// The lowest possible session.
        at_least: u64,
        /// The reason.
        why: String,
    },
    /// The requested guard is too low.
    #[error("--guard-until {given} is too low: {why}, so it is {at_least} at least")]
    GuardTooLow {
        /// The session given.
        given: u64,
        /// The lowest possible session.
        at_least: u64,
        /// The reason.
        why: String,
    },
    /// The guard of a restored database cannot be read.
    #[error("{} cannot be read", path.display())]
    Guard {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: GuardError,
    },
    /// Servers of the federation run another module under the same name.
    #[error(
        "module {instance} is of kind {kind}, and servers of {servers} run another module under that name: they would accept \
         other items than this node"
    )]
    OtherModule {
        /// The module.
        instance: u16,
        /// Its kind.
        kind: String,
        /// The name of the servers' version.
        servers: &'static str,
    },
    /// The machine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The federation agreed on another outcome.
    #[error("{failure}; what is known of it is in {}", bundle.display())]
    ConsensusFailure {
        /// The failure.
        failure: Box<fm_consensus::ConsensusFailure>,
        /// The file with all evidence.
        bundle: PathBuf,
    },
    /// The node cannot connect to the other guardians.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// Sessions cannot be ordered.
    #[error(transparent)]
    Aleph(#[from] AlephError),
    /// The number of rounds per session is not valid.
    #[error("consensus.json: {rounds} rounds per session cannot be counted")]
    Rounds {
        /// The number.
        rounds: u16,
    },
    /// Units, files or sockets failed.
    #[error("{what}")]
    Io {
        /// The operation.
        what: String,
        /// The reason.
        source: std::io::Error,
    },
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
