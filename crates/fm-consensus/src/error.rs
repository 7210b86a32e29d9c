//! Why an item is not accepted, and why the machine stops.
//!
//! Invariant: nothing that a peer sends stops the machine, unless a threshold of guardians signed it.

use fm_codec::DecodeError;
use fm_history::{Hash, PeerId};
use fm_rows::SourceError;
use thiserror::Error;

use crate::balance::BalanceSheet;
use crate::failure::ConsensusFailure;

/// Why an item is not accepted. Every guardian reaches the same decision.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Rejection {
    /// A kind of item that this version does not know.
    #[error("an item of the unknown kind {variant}")]
    UnknownItem { variant: u64 },
    /// A module that is not configured.
    #[error("there is no module {instance}")]
    UnknownModule { instance: u16 },
    /// A value that its module cannot read.
    #[error("a value of module {instance} cannot be read: {source}")]
    Undecodable { instance: u16, source: DecodeError },
    /// The transaction was accepted before.
    #[error("transaction {txid} is already accepted")]
    AlreadyAccepted { txid: Hash },
    /// The same item of the same guardian was accepted before in this session.
    #[error("the item was accepted before in this session")]
    Duplicate,
    /// As an accepted item it has as many bytes as two nodes of the header's tree, and could be mistaken for
    /// them.
    #[error(
        "an accepted item of {} bytes could be taken for two nodes of the header's tree",
        fm_history::NODE_PAIR_BYTES
    )]
    ReadsAsNodes,
    /// A transaction's inputs do not equal its outputs and fees.
    #[error("inputs of {inputs} msat for outputs of {outputs} msat and fees of {fees} msat")]
    Unbalanced { inputs: u64, outputs: u64, fees: u64 },
    /// Amounts that exceed 64 bits.
    #[error("the amounts are too large to be added")]
    Overflow,
    /// A kind of signature that this version does not know.
    #[error("signatures of the unknown kind {variant}")]
    UnknownSignature { variant: u64 },
    /// The number of signatures differs from the number of inputs.
    #[error("{signatures} signatures for {inputs} inputs")]
    SignatureCount { signatures: usize, inputs: usize },
    /// A signature that does not verify.
    #[error("the signature of input {input} does not verify")]
    BadSignature { input: usize },
    /// An input spends more than its account in that ledger holds.
    #[error("not enough funds")]
    NotEnoughFunds {
        /// The ledger.
        instance: u16,
    },
    /// A module's own reason.
    #[error("{0}")]
    Module(String),
}

/// Why processing an item did not succeed.
#[derive(Debug, Error)]
pub enum ItemError {
    /// The item is not accepted; its changes are undone, and nothing else happens.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The machine cannot continue.
    #[error(transparent)]
    Fatal(#[from] EngineError),
}

impl ItemError {
    /// Makes a rejection with a module's own reason.
    pub fn module(reason: impl Into<String>) -> Self {
        Self::Rejected(Rejection::Module(reason.into()))
    }
}

impl From<SourceError> for ItemError {
    fn from(error: SourceError) -> Self {
        Self::Fatal(EngineError::Storage(error))
    }
}

/// Why the machine cannot start, or stops.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum EngineError {
    /// The storage failed.
    #[error("the database cannot be used")]
    Storage(#[source] SourceError),
    /// A row of the database is not what the machine writes.
    #[error("the row with the key {key} cannot be read: {source}")]
    Row {
        /// In hex.
        key: String,
        source: DecodeError,
    },
    /// Accepted items of the session in progress are missing.
    #[error("accepted item {index} of the session in progress is missing or is not what was accepted")]
    PendingItem { index: u64 },
    /// Finished sessions are missing.
    #[error("{stored} sessions are stored, and the last one is number {last}")]
    MissingSessions { stored: u64, last: u64 },
    /// The tables are of another version.
    #[error("the tables of {what} have version {found}, this program writes version {known}")]
    TableVersion {
        /// The server or a module.
        what: String,
        found: u64,
        known: u64,
    },
    /// A number of guardians that AlephBFT does not support.
    #[error("a federation has one guardian, or four or more; this one has {guardians}")]
    GuardianCount { guardians: usize },
    /// This guardian's number is not one of the federation's.
    #[error("guardian {peer} is not one of this federation")]
    NotAGuardian { peer: PeerId },
    /// The signing key is another guardian's.
    #[error("the signing key is not that of guardian {peer}")]
    WrongSigningKey { peer: PeerId },
    /// The equivocation guard is another guardian's.
    #[error("the equivocation guard is that of guardian {peer}")]
    OtherGuard { peer: PeerId },
    /// Liabilities exceed assets; nothing of the unit was written.
    #[error(
        "session {session}, item {item} makes the balance negative: {sheet}; it is not written, and the node stops"
    )]
    NegativeBalance { session: u64, item: u64, sheet: BalanceSheet },
    /// The session is stored already, and is not overwritten.
    #[error("session {session} is already stored and is not overwritten")]
    SessionStored { session: u64 },
    /// The federation agreed on something else than this node.
    #[error(transparent)]
    ConsensusFailure(#[from] Box<ConsensusFailure>),
    /// A call for a single guardian, made for a federation of several.
    #[error("only a federation of one guardian ends a session by itself, this one has {guardians}")]
    NotAlone { guardians: usize },
    /// The machine stopped at an earlier error; it must be opened again.
    #[error("the machine stopped at an earlier error")]
    Stopped,
}

impl From<SourceError> for EngineError {
    fn from(error: SourceError) -> Self {
        Self::Storage(error)
    }
}
