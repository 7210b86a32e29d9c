//! The guardian whose data directory is at hand, asked from a program that does nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
    /// It names no such guardian.
    #[error("{} does not name guardian {peer}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: String,
    },
}

/// The address of the interface of the guardian with that data directory.
///
/// # Errors
/// If its files do not name it.
pub fn own_address(directory: &Path) -> Result<String, AddressError> {
    let me = read_json(&directory.join("local.json"))?["identity"].to_string();
    address_of(directory, &me)
}

/// The address of the interface of a guardian of the federation that a data directory is of.
///
/// # Errors
/// If its files do not name it.
pub fn address_of(directory: &Path, peer: &str) -> Result<String, AddressError> {
    let path = directory.join("consensus.json");
    let url = read_json(&path)?["api_endpoints"][peer]["url"].as_str().map(str::to_owned);
    url.ok_or_else(|| AddressError::Missing { path, peer: peer.to_owned() })
}

fn read_json(path: &Path) -> Result<Value, AddressError> {
    let text =
        fs::read_to_string(path).map_err(|source| AddressError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| AddressError::Json { path: path.to_owned(), source })
}

/// Waits for an answer where nothing else is to be done meanwhile.
///
/// # Errors
/// If the system gives no means to wait.
pub fn wait_for<T>(answer: impl Future<Output = T>) -> io::Result<T> {
    Ok(Builder::new_current_thread().enable_all().build()?.block_on(answer))
}
