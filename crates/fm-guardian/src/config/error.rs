//! The reasons that a guardian's files are not usable.

use std::path::PathBuf;

use fm_config::FilesError;
use fm_crypto::{ConfigError, SessionKeyError};

/// The reason that a guardian's files are not usable.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum NodeConfigError {
    /// A file cannot be read, or is not valid.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file is not valid JSON of its form.
    #[error("{} cannot be understood", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    /// `consensus.json` has a field that cannot be read.
    #[error("consensus.json: {0}")]
    Consensus(#[from] ConfigError),
    /// The keys are not a valid key set.
    #[error("consensus.json: {0}")]
    Keys(#[from] SessionKeyError),
    /// The files do not belong together.
    #[error("{what}")]
    Mismatch { what: String },
}

impl NodeConfigError {
    pub(crate) fn mismatch(what: impl Into<String>) -> Self {
        Self::Mismatch { what: what.into() }
    }
}
