//! Checks one signature at a time, with the library that the federations ran.
//!
//! Invariant: only `threshold_crypto` decides here. This is the reference for the batch check, and it never
//! panics: its decoders return `None` for bytes that are not a point of the group.

use fm_codec::PeerId;

use crate::keys::EpochKeys;
use crate::{EpochHash, Signature};

/// Why a signature is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are not a compressed point, or it is outside the group.
    #[error("the signature is not a point of the signature group")]
    NotAPoint,
    /// A point of the group, but not this key's signature of this message.
    #[error("the signature does not verify under the key")]
    DoesNotVerify,
    /// The batch check refuses what the reference accepts: a defect of this crate, never observed.
    #[error("the batch check refuses a signature that the reference accepts")]
    Disagreement,
}

impl EpochKeys {
    /// Checks a full signature of an epoch's hash.
    ///
    /// # Errors
    /// If the bytes are not a point of the group, or the signature is not the key's.
    pub fn verify(&self, message: &EpochHash, signature: &Signature) -> Result<(), SignatureError> {
        check(&self.reference().public_key(), message, signature)
    }

    /// Checks one peer's share of the signature of an epoch's hash.
    ///
    /// Many shares of a peer are checked faster as a batch under [`EpochKeys::of_peer`].
    ///
    /// # Errors
    /// If the bytes are not a point of the group, or the share is not that peer's.
    pub fn verify_share(
        &self,
        peer: PeerId,
        message: &EpochHash,
        share: &Signature,
    ) -> Result<(), SignatureError> {
        check(&self.reference().public_key_share(u64::from(peer)).0, message, share)
    }
}

fn check(
    key: &threshold_crypto::PublicKey,
    message: &EpochHash,
    signature: &Signature,
) -> Result<(), SignatureError> {
    let signature =
        threshold_crypto::Signature::from_bytes(signature).map_err(|_| SignatureError::NotAPoint)?;
    if key.verify(&signature, message) { Ok(()) } else { Err(SignatureError::DoesNotVerify) }
}
