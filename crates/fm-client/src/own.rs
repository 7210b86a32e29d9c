//! Queries the guardian of a local data directory, from a program that does nothing else meanwhile.

use std::io;
use std::path::{Path, PathBuf};

use fm_config::{FilesError, GuardianFiles};
use fm_datadir::CONSENSUS;
use fm_history::PeerId;
use tokio::runtime::Builder;

use crate::iroh::speaks_iroh;

/// Why a data directory does not name an interface.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// A file cannot be read, or is not what it should be.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The file does not name the guardian.
    #[error("{} does not name guardian {peer}", path.display())]
    Missing { path: PathBuf, peer: PeerId },
    /// The guardian can be reached over iroh alone, which this process does not speak.
    #[error("guardian {peer} is reached over iroh alone ({url}), which this program does not speak")]
    OverIroh { peer: PeerId, url: String },
}

/// Returns the address of the interface of the guardian with this data directory.
///
/// # Errors
/// If its files do not name it, or it cannot be dialled.
pub fn own_address(directory: &Path) -> Result<String, AddressError> {
    address_of(directory, GuardianFiles::open(directory)?.own_peer()?)
}

/// Returns the address of the interface of a guardian in the federation of a data directory.
///
/// # Errors
/// If the files do not name it, or it cannot be dialled.
pub fn address_of(directory: &Path, peer: PeerId) -> Result<String, AddressError> {
    let config = GuardianFiles::open(directory)?.consensus()?;
    match config.guardians.get(&peer) {
        None => Err(AddressError::Missing { path: directory.join(CONSENSUS), peer }),
        Some(guardian) if guardian.is_over_iroh() && !speaks_iroh() => {
            Err(AddressError::OverIroh { peer, url: guardian.url.clone() })
        }
        Some(guardian) => Ok(guardian.url.clone()),
    }
}

/// Waits for an answer in a program that has nothing else to do meanwhile.
///
/// # Errors
/// If the system cannot set up the wait.
pub fn wait_for<T>(answer: impl Future<Output = T>) -> io::Result<T> {
    Ok(Builder::new_current_thread().enable_all().build()?.block_on(answer))
}
