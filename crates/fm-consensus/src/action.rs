//! What the machine reports to its shell.

use fm_history::{Hash, PeerId, SessionHeader};
use thiserror::Error;

use crate::batch::BatchError;
use crate::error::Rejection;

/// An event for the shell to act on or report; everything that had to be written is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An item was accepted.
    Accepted {
        /// The item's index in the session.
        index: u64,
        /// The guardian whose unit carried it.
        peer: PeerId,
        /// The transaction's id, if the item is a transaction.
        txid: Option<Hash>,
    },
    /// An item was not accepted and left no trace.
    Discarded {
        /// The guardian whose unit carried it.
        peer: PeerId,
        /// The transaction's id, if the item is a transaction.
        txid: Option<Hash>,
        /// Why.
        reason: Rejection,
    },
    /// A unit's batch was skipped.
    BatchSkipped {
        /// The unit's creator.
        peer: PeerId,
        /// The unit's round.
        round: u16,
        /// Why.
        reason: BatchError,
    },
    /// The session's rounds are over: from now on this guardian's units carry this signature.
    Broadcast {
        /// The header that is signed.
        header: SessionHeader,
        /// This guardian's signature.
        signature: [u8; 64],
    },
    /// A guardian's signature over the header was ordered.
    SignatureCollected {
        /// The guardian.
        peer: PeerId,
        /// The number of signatures so far.
        signatures: usize,
        /// The number of signatures that are needed.
        needed: usize,
    },
    /// A guardian's signature is not valid for our header: that guardian is at fault, or this node.
    SignatureIgnored {
        /// The guardian.
        peer: PeerId,
    },
    /// The fetched record is not the signed outcome of the session: its sender is at fault.
    OutcomeRefused {
        /// Why.
        reason: OutcomeError,
    },
    /// The session is stored, and the next one is open.
    SessionComplete {
        /// The session.
        session: u64,
        /// The number of its items.
        items: u64,
        /// Its header.
        header: SessionHeader,
    },
}

/// Why a record is not the signed outcome of the session in progress.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutcomeError {
    /// Another session is in progress.
    #[error("session {open} is in progress, not session {session}")]
    OtherSession { session: u64, open: u64 },
    /// The bytes are not a signed outcome.
    #[error("not a signed outcome: {0}")]
    Undecodable(#[from] fm_codec::DecodeError),
    /// The record is too long.
    #[error("an outcome of {bytes} bytes, at most {} are read", fm_codec::MAX_DECODE_SIZE)]
    TooLarge { bytes: usize },
    /// Its root is also that of a shorter list, which the signatures may cover instead.
    #[error("the list of items repeats its own end: its signatures are also those of a shorter list")]
    Ambiguous,
    /// Every item may be two nodes of the tree of a longer list, or a level of the tree is itself a list of
    /// items; the signatures may cover that list instead.
    #[error(
        "the list of items has the root of a list at another depth: its signatures may be those of the other"
    )]
    AnotherDepth,
    /// The number of signatures is not exactly the threshold.
    #[error("{signatures} signatures, exactly {threshold} are needed")]
    SignatureCount { signatures: usize, threshold: usize },
    /// A signature that is not valid.
    #[error(transparent)]
    Signature(#[from] fm_crypto::SchnorrError),
}
