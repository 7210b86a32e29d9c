//! A guardian's own key. Invariant: it is never printed, and its memory is overwritten when it is dropped.

use std::fmt;

use secp256k1::Keypair;

use crate::{BroadcastKey, SchnorrSignature};

/// The secret key that a guardian signs sessions with.
pub struct SigningKey {
    pair: Keypair,
}

/// The bytes are not a secret key: zero, or not below the order of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret key of secp256k1")]
pub struct NotASecretKey;

impl SigningKey {
    /// Makes a key from its 32 bytes.
    ///
    /// # Errors
    /// If they are not a scalar of the curve.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, NotASecretKey> {
        Keypair::from_secret_bytes(bytes).map(|pair| Self { pair }).map_err(|_| NotASecretKey)
    }

    /// Returns the public key.
    pub fn public_key(&self) -> BroadcastKey {
        self.pair.public_key().serialize()
    }

    /// Signs 32 bytes. The same message always yields the same signature (BIP340 without auxiliary
    /// randomness).
    pub fn sign(&self, message: &[u8; 32]) -> SchnorrSignature {
        self.pair.sign_schnorr_no_aux_rand(message).to_byte_array()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey of {}", hex::encode(self.public_key()))
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.pair.non_secure_erase();
    }
}
