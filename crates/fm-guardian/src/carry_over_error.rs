//! Why a federation of v0.1 cannot be carried over.

use std::io;
use std::path::PathBuf;

use fm_audit::AuditError;
use fm_config::FilesError;
use fm_consensus::ReplayError;
use fm_datadir::SignedError;
use fm_store::StoreError;

use crate::config::NodeConfigError;

/// Why a federation cannot be carried over.
#[derive(Debug, thiserror::Error)]
pub enum CarryOverError {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The old files are not usable.
    #[error(transparent)]
    Config(#[from] NodeConfigError),
    /// The old files cannot be read, or are not one guardian's.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// There is a configuration already.
    #[error("{} is there: the directory is set up already", path.display())]
    Done {
        /// The file.
        path: PathBuf,
        /// Whether it is what this call would write, as its last step.
        is_same: bool,
    },
    /// The hash is another one.
    #[error("the configuration has the hash {hash}, not the confirmed one")]
    NotConfirmed {
        /// The hash.
        hash: String,
    },
    /// The directory cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The history does not hold.
    #[error("the history is not proven: {first}; `fm-verify` says more")]
    NotProven {
        /// The first finding.
        first: String,
    },
    /// Not every session is signed.
    #[error(
        "{sealed} of {sessions} sessions are signed by a threshold: seal the directory first (`fm-migrate seal`)"
    )]
    NotSealed {
        /// Sessions that are signed.
        sealed: u64,
        /// Sessions.
        sessions: u64,
    },
    /// It is not shown to be this guardian's conversion.
    #[error(
        "nothing shows that {} was converted from the database of guardian {own}, whose files are given: {why}",
        path.display()
    )]
    Unbound {
        /// The directory of the conversion.
        path: PathBuf,
        /// The guardian whose files are given.
        own: u16,
        /// What stands in the way.
        why: &'static str,
    },
    /// Another guardian is named than the one whose files are given.
    #[error("--guardian names guardian {named}, and the files are those of guardian {own}")]
    OtherGuardian {
        /// The one that is named.
        named: u16,
        /// The one whose files they are.
        own: u16,
    },
    /// The node's record in the directory is somebody else's.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The history gives no ledger.
    #[error("the ledger does not follow from the history: {0}")]
    Ledger(#[from] ReplayError),
    /// It gives another one.
    #[error("the accounts that follow from the history are not those of the old database")]
    OtherLedger,
    /// The database cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
