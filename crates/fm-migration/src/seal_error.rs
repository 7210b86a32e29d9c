//! Why sessions are not signed, or signatures not taken.

use std::path::PathBuf;

use fm_history::Hash;
use thiserror::Error;

/// Why an attestation was not made, or a migrated directory not sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// Sessions of v0.2 and later are signed already.
    #[error("a history of era {era} is copied with the signatures that it has: there is nothing to sign")]
    SignedAlready {
        /// The era.
        era: String,
    },
    /// The key is none of the federation's.
    #[error("the key is that of none of the guardians: its public key is {public_key}")]
    ForeignKey {
        /// The public key, in hex.
        public_key: String,
    },
    /// The directory is of another federation than the config.
    #[error("{path} is of federation {stated:?}, the config of {known:?}")]
    OtherFederation {
        /// The directory or file.
        path: PathBuf,
        /// What it states.
        stated: String,
        /// What the config says.
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
        /// Sessions found.
        sessions: u64,
        /// Their root.
        found: Hash,
        /// Sessions stated.
        stated_sessions: u64,
        /// Root stated.
        stated: Hash,
    },
    /// A file that is no attestation.
    #[error("{path} is no attestation: {what}")]
    NotAnAttestation {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// A damaged attestation.
    #[error("{path} is damaged: {place}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        place: String,
    },
    /// An attestation over other bytes: the signatures cover the guardians' keys.
    #[error("{path} was signed with the guardians' keys {stated} in mind, the keys given are {known}")]
    OtherKeys {
        /// The file.
        path: PathBuf,
        /// Its key set tag.
        stated: Hash,
        /// The known one.
        known: Hash,
    },
    /// An attestation by nobody of this federation.
    #[error("{path} is of guardian {peer}, and there is no such guardian")]
    NoGuardian {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: u16,
    },
    /// Two attestations of one guardian.
    #[error("{first} and {second} are both of guardian {peer}")]
    SameGuardian {
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
        /// The guardian.
        peer: u16,
    },
    /// Too few attestations.
    #[error("{given} attestation(s), and it takes those of {threshold} guardians")]
    TooFew {
        /// Number of files.
        given: usize,
        /// How many it takes.
        threshold: usize,
    },
    /// A signature that is none.
    #[error("{path}: the signature of guardian {peer} over session {session} does not verify")]
    BadSignature {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: u16,
        /// The session.
        session: u64,
    },
    /// The attestation is of the first sessions of this history.
    #[error(
        "{path} is of guardian {peer}'s shorter history, sessions 0 to {until}: by its root that is how this one begins \
         (which ends with session {last})"
    )]
    Shorter {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: u16,
        /// Its last session.
        until: u64,
        /// The last session here.
        last: u64,
    },
    /// The attestation is of a history that begins with this one.
    #[error(
        "{path} is of guardian {peer}'s longer history, up to session {last}: its signatures hold over all sessions \
         here, 0 to {until}"
    )]
    Longer {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: u16,
        /// The last session here.
        until: u64,
        /// Its last session.
        last: u64,
    },
    /// The attestation is of another history.
    #[error(
        "{path} is of guardian {peer} and of another history: the first difference is at session {session}"
    )]
    OtherHistory {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: u16,
        /// The first session whose signature does not hold here.
        session: u64,
    },
    /// All signatures hold, and the roots differ.
    #[error(
        "{path} is of guardian {peer}: its signatures hold over the sessions here, and it names the root {stated}, \
         which is not that of these sessions"
    )]
    OtherRoot {
        /// The file.
        path: PathBuf,
        /// The guardian.
        peer: u16,
        /// The root that it names.
        stated: Hash,
    },
}
