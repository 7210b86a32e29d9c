//! BLS threshold signatures of v0.1 epochs, Schnorr signatures of sessions and units, and the guardian files
//! that hold the keys.
//!
//! Two libraries compute pairings. `threshold_crypto`, which the federations ran, is the reference:
//! [`EpochKeys::verify`] only calls it. `blst` is the fast one: [`EpochKeys::verify_batch`] and [`Combiner`]
//! use it. Only libsecp256k1 checks Schnorr signatures, one at a time or in
//! [batches](SessionKeys::verify_batch).
//!
//! Invariants: no input makes a function panic; a signature is reported as bad only if the reference says so;
//! no threads, no clock, and randomness only for the weights of a batch.
//!
//! # Example
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use fm_crypto::{SessionKeys, SigningKey};
//!
//! let guardians: BTreeMap<u16, SigningKey> =
//!     (0..4).map(|peer| Ok((peer, SigningKey::from_bytes([peer as u8 + 1; 32])?))).collect::<Result<_, fm_crypto::NotASecretKey>>()?;
//! let public = guardians.iter().map(|(peer, key)| (*peer, key.public_key())).collect();
//! let keys = SessionKeys::new(&public)?;
//! assert_eq!(keys.threshold(), 3);
//!
//! let message = keys.message(b"the header of a session");
//! let signature = guardians[&2].sign(&message);
//! assert!(keys.verify(2, &message, &signature).is_ok());
//! assert!(keys.verify(1, &message, &signature).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backup_tar;
mod batch;
mod bls;
mod blst_ffi;
mod combine;
mod config;
mod consensus_hash;
mod hash;
mod invite;
mod key_text;
mod keys;
mod keys_file;
mod note_keys;
mod private;
mod private_config;
mod schnorr;
mod schnorr_batch;
mod session_keys;
mod signing;
mod strict_json;
mod verified;

pub use backup_tar::{BACKUP_FILES, BackupTar, BackupTarError};
pub use batch::BATCH_SIZE;
pub use bls::SignatureError;
pub use combine::{CombineError, Combiner};
pub use config::{ConfigError, ConsensusConfig, Guardian};
pub use consensus_hash::ConsensusHashes;
pub use hash::hash_g2;
pub use invite::{InviteCode, InviteError, api_secret_of};
pub use keys::{EpochKeys, KeyError, MAX_COEFFICIENTS};
pub use keys_file::{Keys, parse_keys_file};
pub use note_keys::{NoteHash, NoteKey, NoteKeyBytes, NoteNonce, NoteSignature};
pub use private::{NoRandomness, PrivateFileError, open_private_text, parse_secret_key, seal_private_text};
pub use private_config::{PrivateConfig, PrivateFieldError, wipe_json};
pub use schnorr::{is_public_key, is_signed_by};
pub use schnorr_batch::SchnorrItem;
pub use session_keys::{MAX_GUARDIANS, SchnorrError, SchnorrSignature, SessionKeyError, SessionKeys};
pub use signing::{NotASecretKey, SigningKey};
pub use verified::VerifiedSignatures;

/// The message of an epoch's signature: the SHA-256 hash of the epoch.
pub type EpochHash = [u8; 32];
/// A compressed point of G1: a public key, a key share or a coefficient.
pub type PublicKey = [u8; 48];
/// A compressed point of G2: a signature or a signature share.
pub type Signature = [u8; 96];
/// A compressed secp256k1 point: the key a guardian signs sessions with.
pub type BroadcastKey = [u8; 33];
