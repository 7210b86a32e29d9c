//! The guardian whose data directory is at hand, asked from a program that does nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fm_crypto::{ConfigError, ConsensusConfig};
use serde_json::Value;
use tokio::runtime::Builder;

/// Why a data directory does not name an interface.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no JSON.
    #[error("{} cannot be understood", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is JSON, and not what it should be.
    #[error("{}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// It says nothing of whose it is.
    #[error("{} has no identity, which is the guardian's number", path.display())]
    NoIdentity {
        /// The file.
        path: PathBuf,
    },
    /// It names no such guardian.
    #[error("{} does not name guardian {peer}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: u16,
    },
    /// The guardian is not reached over WebSocket.
    #[error("guardian {peer} is reached over iroh alone ({url}), which this program does not speak")]
    OverIroh {
        /// The guardian.
        peer: u16,
        /// Its address.
        url: String,
    },
}

/// The address of the interface of the guardian with that data directory.
///
/// # Errors
/// If its files do not name it, or it is not reached over WebSocket.
pub fn own_address(directory: &Path) -> Result<String, AddressError> {
    let path = directory.join("local.json");
    let failed = |source| AddressError::Json { path: path.clone(), source };
    let local: Value = serde_json::from_str(&read(&path)?).map_err(failed)?;
    let me = local["identity"].as_u64().and_then(|me| u16::try_from(me).ok());
    address_of(directory, me.ok_or_else(|| AddressError::NoIdentity { path: path.clone() })?)
}

/// The address of the interface of a guardian of the federation that a data directory is of.
///
/// # Errors
/// If its files do not name it, or it is not reached over WebSocket.
pub fn address_of(directory: &Path, peer: u16) -> Result<String, AddressError> {
    let path = directory.join("consensus.json");
    let failed = |source| AddressError::Config { path: path.clone(), source };
    let config = ConsensusConfig::parse(&read(&path)?).map_err(failed)?;
    match config.guardians.get(&peer) {
        None => Err(AddressError::Missing { path, peer }),
        Some(guardian) if guardian.is_over_iroh() => {
            Err(AddressError::OverIroh { peer, url: guardian.url.clone() })
        }
        Some(guardian) => Ok(guardian.url.clone()),
    }
}

fn read(path: &Path) -> Result<String, AddressError> {
    fs::read_to_string(path).map_err(|source| AddressError::Read { path: path.to_owned(), source })
}

/// Waits for an answer where nothing else is to be done meanwhile.
///
/// # Errors
/// If the system gives no means to wait.
pub fn wait_for<T>(answer: impl Future<Output = T>) -> io::Result<T> {
    Ok(Builder::new_current_thread().enable_all().build()?.block_on(answer))
}
