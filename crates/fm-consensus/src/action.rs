//! What the machine tells its shell.

use fm_history::{Hash, PeerId, SessionHeader};
use thiserror::Error;

use crate::batch::BatchError;
use crate::error::Rejection;

/// Something that happened, to be acted upon or told; what had to be written is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An item was accepted.
    Accepted {
        /// Its index in the session.
        index: u64,
        /// The guardian whose unit carried it.
        peer: PeerId,
        /// The transaction it is, if it is one.
        txid: Option<Hash>,
    },
    /// An item was not accepted and leaves no trace.
    Discarded {
        /// The guardian whose unit carried it.
        peer: PeerId,
        /// The transaction it is, if it is one.
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
    /// The session's rounds are over: from now on the own units carry this signature.
    Broadcast {
        /// What is signed.
        header: SessionHeader,
        /// The own signature.
        signature: [u8; 64],
    },
    /// A guardian's signature over the header was ordered.
    SignatureCollected {
        /// The guardian.
        peer: PeerId,
        /// How many there are now.
        signatures: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A guardian's signature is not one over our header: the guardian is at fault, or this node.
    SignatureIgnored {
        /// The guardian.
        peer: PeerId,
    },
    /// What was fetched is not the signed outcome of the session: who sent it is at fault.
    OutcomeRefused {
        /// Why.
        reason: OutcomeError,
    },
    /// The session is stored, and the next one is open.
    SessionComplete {
        /// The session.
        session: u64,
        /// How many items it has.
        items: u64,
        /// Its header.
        header: SessionHeader,
    },
}

/// Why bytes are not the signed outcome of the session in progress.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutcomeError {
    /// Another session is in progress.
    #[error("session {open} is in progress, not session {session}")]
    OtherSession {
        /// The session that was given.
        session: u64,
        /// The one in progress.
        open: u64,
    },
    /// The bytes are no signed outcome.
    #[error("not a signed outcome: {0}")]
    Undecodable(#[from] fm_codec::DecodeError),
    /// Too long to be read.
    #[error("an outcome of {bytes} bytes, at most {} are read", fm_codec::MAX_DECODE_SIZE)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Its root is also that of a shorter list, which the signatures may be over.
    #[error("the list of items repeats its own end: its signatures are also those of a shorter list")]
    Ambiguous,
    /// Every item may be two nodes of the tree of a longer list, or a level of the tree is a list of items, which the
    /// signatures may be over.
    #[error(
        "the list of items has the root of a list at another depth: its signatures may be those of the other"
    )]
    AnotherDepth,
    /// Not exactly a threshold of signatures.
    #[error("{signatures} signatures, exactly {threshold} are needed")]
    SignatureCount {
        /// How many there are.
        signatures: usize,
        /// How many are needed.
        threshold: usize,
    },
    /// A signature that does not hold.
    #[error(transparent)]
    Signature(#[from] fm_crypto::SchnorrError),
}
