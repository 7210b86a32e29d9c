//! Why sessions are not signed, or signatures are not accepted.

use fm_store::ErrorKind;
use std::path::PathBuf;

use fm_history::{Hash, PeerId};
use thiserror::Error;

/// Why an attestation was not made, or a migrated directory not sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// Sessions of v0.2 and later are already signed.
    #[error("a history of era {era} is copied with the signatures that it has: there is nothing to sign")]
    SignedAlready {
        /// The era.
        era: String,
    },
    /// The key does not belong to a guardian of the federation.
    #[error("the key is that of none of the guardians: its public key is {public_key}")]
    ForeignKey {
        /// The public key, in hex.
        public_key: String,
    },
    /// The directory and the config are of different federations.
    #[error("{path} is of federation {stated:?}, the config of {known:?}")]
    OtherFederation {
        /// The directory or file.
        path: PathBuf,
        /// What it states.
        stated: String,
        /// What the config states.
        known: String,
    },
    /// The database lacks rows that were written to it.
    #[error("{path} is not whole: {what}")]
    Incomplete {
        /// The database.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// A session of the database is not where it should be.
    #[error("the database has no session {session}, although a later one is there")]
    Gap {
        /// The session.
        session: u64,
    },
    /// A session of the database does not decode.
    #[error("session {session} of the database does not decode: {reason}")]
    Undecodable {
        /// Its number, counted from the first.
        session: u64,
        /// Why not.
        reason: String,
    },
    /// The database is not the one that the manifest describes.
    #[error(
        "the database has {sessions} sessions with the root {found}, its manifest states {stated_sessions} with {stated}"
    )]
    OwnRoot {
        /// Number of sessions found.
        sessions: u64,
        /// Their root.
        found: Hash,
        /// Number of sessions stated.
        stated_sessions: u64,
        /// The root stated.
        stated: Hash,
    },
    /// The file is not an attestation.
    #[error("{path} is not an attestation: {what}")]
    NotAnAttestation {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// The attestation is damaged.
    #[error("{path} is damaged: {place}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        place: String,
    },
    /// The attestation covers other bytes: its signatures also cover the guardians' keys.
    #[error("{path} was signed with the guardians' keys {stated} in mind, the keys given are {known}")]
    OtherKeys {
        /// The file.
        path: PathBuf,
        /// Its key set tag.
        stated: Hash,
        /// The tag of the known keys.
        known: Hash,
    },
    /// The attestation is by nobody in this federation.
    #[error("{path} is of guardian {peer}, and there is no such guardian")]
    NoGuardian {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: PeerId,
    },
    /// Two attestations are by the same guardian.
    #[error("{first} and {second} are both of guardian {peer}")]
    SameGuardian {
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
        /// The guardian.
        peer: PeerId,
    },
    /// There are too few attestations.
    #[error("{given} attestation(s), and it takes those of {threshold} guardians")]
    TooFew {
        /// Number of files.
        given: usize,
        /// The number of guardians that must attest.
        threshold: usize,
    },
    /// A signature does not verify.
    #[error("{path}: the signature of guardian {peer} over session {session} does not verify")]
    BadSignature {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: PeerId,
        /// The session.
        session: u64,
    },
    /// The attestation covers only the first sessions of this history.
    #[error(
        "{path} is of guardian {peer}'s shorter history, sessions 0 to {until}: by its root that is how this one begins \
         (which ends with session {last})"
    )]
    Shorter {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: PeerId,
        /// Its last session.
        until: u64,
        /// The last session here.
        last: u64,
    },
    /// The attestation covers a history that begins with this one.
    #[error(
        "{path} is of guardian {peer}'s longer history, up to session {last}: its signatures hold over all sessions \
         here, 0 to {until}"
    )]
    Longer {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: PeerId,
        /// The last session here.
        until: u64,
        /// Its last session.
        last: u64,
    },
    /// The attestation covers another history.
    #[error(
        "{path} is of guardian {peer} and of another history: the first difference is at session {session}"
    )]
    OtherHistory {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: PeerId,
        /// The first session here over which its signature is not valid.
        session: u64,
    },
    /// All signatures are valid, but the roots differ.
    #[error(
        "{path} is of guardian {peer}: its signatures hold over the sessions here, and it names the root {stated}, \
         which is not that of these sessions"
    )]
    OtherRoot {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: PeerId,
        /// The root that it names.
        stated: Hash,
    },
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
