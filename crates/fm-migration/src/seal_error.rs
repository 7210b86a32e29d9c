//! Why sessions are not signed, or signatures are not accepted.

use fm_store::ErrorKind;
use std::path::PathBuf;

use fm_history::{Hash, PeerId};
use thiserror::Error;

/// Why an attestation was not made, or a migrated directory not sealed.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum SealError {
    /// Sessions of v0.2 and later are already signed.
    #[error("a history of era {era} is copied with the signatures that it has: there is nothing to sign")]
    SignedAlready { era: String },
    /// The key does not belong to a guardian of the federation.
    #[error("the key is that of none of the guardians: its public key is {public_key}")]
    ForeignKey {
        /// In hex.
        public_key: String,
    },
    /// The directory and the config are of different federations.
    #[error("{path} is of federation {stated:?}, the config of {known:?}")]
    OtherFederation {
        /// A directory or a file.
        path: PathBuf,
        stated: String,
        known: String,
    },
    /// The database lacks rows that were written to it.
    #[error("{path} is not whole: {what}")]
    Incomplete { path: PathBuf, what: String },
    /// A session of the database is not where it should be.
    #[error("the database has no session {session}, although a later one is there")]
    Gap { session: u64 },
    /// A session of the database does not decode.
    #[error("session {session} of the database does not decode: {reason}")]
    Undecodable {
        /// Its number, counted from the first.
        session: u64,
        reason: String,
    },
    /// The database is not the one that the manifest describes.
    #[error(
        "the database has {sessions} sessions with the root {found}, its manifest states {stated_sessions} with {stated}"
    )]
    OwnRoot { sessions: u64, found: Hash, stated_sessions: u64, stated: Hash },
    /// The file is not an attestation.
    #[error("{path} is not an attestation: {what}")]
    NotAnAttestation { path: PathBuf, what: String },
    /// The attestation is damaged.
    #[error("{path} is damaged: {place}")]
    Damaged {
        path: PathBuf,
        /// Where and how.
        place: String,
    },
    /// The attestation covers other bytes: its signatures also cover the guardians' keys.
    #[error("{path} was signed with the guardians' keys {stated} in mind, the keys given are {known}")]
    OtherKeys {
        path: PathBuf,
        /// The tag of its key set.
        stated: Hash,
        /// The tag of the known keys.
        known: Hash,
    },
    /// The attestation is by nobody in this federation.
    #[error("{path} is of guardian {peer}, and there is no such guardian")]
    NoGuardian { path: PathBuf, peer: PeerId },
    /// Two attestations are by the same guardian.
    #[error("{first} and {second} are both of guardian {peer}")]
    SameGuardian { first: PathBuf, second: PathBuf, peer: PeerId },
    /// There are too few attestations.
    #[error("{given} attestation(s), and it takes those of {threshold} guardians")]
    TooFew { given: usize, threshold: usize },
    /// A signature does not verify.
    #[error("{path}: the signature of guardian {peer} over session {session} does not verify")]
    BadSignature { path: PathBuf, peer: PeerId, session: u64 },
    /// The attestation covers only the first sessions of this history.
    #[error(
        "{path} is of guardian {peer}'s shorter history, sessions 0 to {until}: by its root that is how this one begins \
         (which ends with session {last})"
    )]
    Shorter { path: PathBuf, peer: PeerId, until: u64, last: u64 },
    /// The attestation covers a history that begins with this one.
    #[error(
        "{path} is of guardian {peer}'s longer history, up to session {last}: its signatures hold over all sessions \
         here, 0 to {until}"
    )]
    Longer { path: PathBuf, peer: PeerId, until: u64, last: u64 },
    /// The attestation covers another history.
    #[error(
        "{path} is of guardian {peer} and of another history: the first difference is at session {session}"
    )]
    OtherHistory {
        path: PathBuf,
        peer: PeerId,
        /// The first session here over which its signature is not valid.
        session: u64,
    },
    /// All signatures are valid, but the roots differ.
    #[error(
        "{path} is of guardian {peer}: its signatures hold over the sessions here, and it names the root {stated}, \
         which is not that of these sessions"
    )]
    OtherRoot { path: PathBuf, peer: PeerId, stated: Hash },
}

impl SealError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::ForeignKey { .. } | Self::OtherKeys { .. } => ErrorKind::WrongKey,
            Self::SignedAlready { .. }
            | Self::NotAnAttestation { .. }
            | Self::SameGuardian { .. }
            | Self::TooFew { .. } => ErrorKind::Usage,
            _ => ErrorKind::Findings,
        }
    }
}
