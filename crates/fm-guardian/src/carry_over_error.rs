//! The reasons that a federation of v0.1 cannot be carried over.

use std::io;
use std::path::PathBuf;

use fm_audit::AuditError;
use fm_config::FilesError;
use fm_consensus::ReplayError;
use fm_datadir::SignedError;
use fm_history::PeerId;
use fm_store::StoreError;

use crate::config::NodeConfigError;

/// The reason that a federation cannot be carried over.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum CarryOverError {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The old files are not usable.
    #[error(transparent)]
    Config(#[from] NodeConfigError),
    /// The old files cannot be read, or do not belong to one guardian.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A configuration exists already.
    #[error("{} is there: the directory is set up already", path.display())]
    Done {
        path: PathBuf,
        /// Whether it is exactly what this call would write as its last step.
        is_same: bool,
    },
    /// The confirmed hash differs.
    #[error("the configuration has the hash {hash}, not the confirmed one")]
    NotConfirmed { hash: String },
    /// The directory cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The history is not proven.
    #[error("the history is not proven: {first}; `fm-verify` says more")]
    NotProven {
        /// The first finding.
        first: String,
    },
    /// Not every session is signed.
    #[error(
        "{sealed} of {sessions} sessions are signed by a threshold: seal the directory first (`fm-migrate seal`)"
    )]
    NotSealed { sealed: u64, sessions: u64 },
    /// The conversion is not proven to be this guardian's.
    #[error(
        "nothing shows that {} was converted from the database of guardian {own}, whose files are given: {why}",
        path.display()
    )]
    Unbound { path: PathBuf, own: PeerId, why: &'static str },
    /// The named guardian is not the one whose files are given.
    #[error("--guardian names guardian {named}, and the files are those of guardian {own}")]
    OtherGuardian { named: PeerId, own: PeerId },
    /// The node's record in the directory belongs to another guardian.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// No ledger follows from the history.
    #[error("the ledger does not follow from the history: {0}")]
    Ledger(#[from] ReplayError),
    /// The ledger that follows from the history differs.
    #[error("the accounts that follow from the history are not those of the old database")]
    OtherLedger,
    /// The database cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
