//! Why a node cannot start, or stops.

use std::path::PathBuf;

use fm_aleph::AlephError;
use fm_consensus::{EngineError, GuardError};
use fm_peers::PeersError;
use fm_store::StoreError;

use crate::config::NodeConfigError;

/// Why a node cannot start, or stops by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its files are not usable.
    #[error(transparent)]
    Config(#[from] NodeConfigError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no database.
    #[error("there is no database at {}", path.display())]
    NoDatabase {
        /// Where it should be.
        path: PathBuf,
    },
    /// The guard of a restored database cannot be read.
    #[error("{} cannot be read", path.display())]
    Guard {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GuardError,
    },
    /// The machine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The federation agreed on something else.
    #[error("{failure}; what is known of it is in {}", bundle.display())]
    ConsensusFailure {
        /// The failure.
        failure: Box<fm_consensus::ConsensusFailure>,
        /// The file that tells all.
        bundle: PathBuf,
    },
    /// The other guardians cannot be linked to.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// Sessions cannot be ordered.
    #[error(transparent)]
    Aleph(#[from] AlephError),
    /// Rounds per session that cannot be counted.
    #[error("consensus.json: {rounds} rounds per session cannot be counted")]
    Rounds {
        /// The number.
        rounds: u16,
    },
    /// Units, files or sockets.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it did not work.
        source: std::io::Error,
    },
}
