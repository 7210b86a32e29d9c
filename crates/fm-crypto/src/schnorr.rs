//! Signatures of single keys, which authorise the inputs of a transaction.

use secp256k1::schnorr;

use crate::{BroadcastKey, SchnorrSignature};

/// Returns whether the bytes are a compressed point of the curve.
pub fn is_public_key(key: &BroadcastKey) -> bool {
    secp256k1::PublicKey::from_byte_array_compressed(*key).is_ok()
}

/// Returns whether this is the key's signature of the message (BIP340; the key's parity does not matter).
pub fn is_signed_by(key: &BroadcastKey, message: &[u8; 32], signature: &SchnorrSignature) -> bool {
    secp256k1::PublicKey::from_byte_array_compressed(*key).is_ok_and(|key| {
        let signature = schnorr::Signature::from_byte_array(*signature);
        schnorr::verify(&signature, message, &key.x_only_public_key().0).is_ok()
    })
}
