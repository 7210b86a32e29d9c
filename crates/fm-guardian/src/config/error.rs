//! Why a guardian's files are not usable.

use std::path::PathBuf;

use fm_config::FilesError;
use fm_crypto::{ConfigError, SessionKeyError};

/// Why a guardian's files are not usable.
#[derive(Debug, thiserror::Error)]
pub enum NodeConfigError {
    /// A file cannot be read, or is not what it should be.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file is not what it should be.
    #[error("{} cannot be understood", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// `consensus.json` has a field that cannot be read.
    #[error("consensus.json: {0}")]
    Consensus(#[from] ConfigError),
    /// The keys are no key set.
    #[error("consensus.json: {0}")]
    Keys(#[from] SessionKeyError),
    /// The files do not belong together.
    #[error("{what}")]
    Mismatch {
        /// What does not fit.
        what: String,
    },
}

impl NodeConfigError {
    pub(crate) fn mismatch(what: impl Into<String>) -> Self {
        Self::Mismatch { what: what.into() }
    }
}
