//! Keys, signatures and points, as the bytes that were stored.
//!
//! Decoding checks what upstream's decoding checks: points are on their curve and in the right subgroup, in
//! their only encoding; the numbers of an ECDSA signature are below the group's order. Schnorr signatures
//! are any 64 bytes, there as here.
//!
//! Source: fedimint-core 0.5.0 and 0.13.0, src/encoding/{secp256k1,bls12_381,threshold_crypto}.rs.

use std::fmt;

use fm_codec::{Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};
use fm_crypto::is_public_key;

macro_rules! checked_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal, $what:literal, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// The number of bytes of an encoding.
            pub const BYTES: usize = $length;

            /// Returns whether decoding accepts these bytes.
            pub fn is_valid(&self) -> bool {
                let is_valid: fn(&[u8; $length]) -> bool = $is_valid;
                is_valid(&self.0)
            }
        }

        impl Decode for $name {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let offset = reader.position();
                let value = Self(reader.array()?);
                if value.is_valid() {
                    return Ok(value);
                }
                Err(DecodeError { offset, kind: DecodeErrorKind::Not { what: $what } })
            }
        }

        impl Encode for $name {
            fn encode(&self, writer: &mut Writer) {
                writer.raw(&self.0);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

checked_bytes!(
    /// A compressed secp256k1 key: a note's nonce, or the owner of a contract.
    PublicKey, 33, "a public key", is_public_key
);
checked_bytes!(
    /// The x coordinate of a secp256k1 key.
    XOnlyKey, 32, "the x coordinate of a public key", |x| is_public_key(&even(x))
);
checked_bytes!(
    /// A Schnorr signature over secp256k1.
    SchnorrSignature, 64, "a Schnorr signature", |_| true
);
checked_bytes!(
    /// An ECDSA signature over secp256k1: the two numbers, big endian.
    EcdsaSignature, 64, "an ECDSA signature", |rs| rs.chunks(32).all(|number| *number < ORDER[..])
);
checked_bytes!(
    /// A compressed point of the group G1 of BLS12-381: a blind nonce, a note's signature, a decryption share.
    G1, 48, "a point of G1", |point| blst::min_sig::Signature::sig_validate(point, false).is_ok()
);
checked_bytes!(
    /// A compressed point of the group G2 of BLS12-381: a key that signs notes, the proof of a ciphertext.
    G2, 96, "a point of G2", |point| blst::min_pk::Signature::sig_validate(point, false).is_ok()
);

/// The order of secp256k1. Source: SEC 2, section 2.4.1.
const ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xBA,
    0xAE, 0xDC, 0xE6, 0xAF, 0x48, 0xA0, 0x3B, 0xBF, 0xD2, 0x5E, 0x8C, 0xD0, 0x36, 0x41, 0x41,
];

impl XOnlyKey {
    /// Returns the key with this x coordinate and an even y coordinate.
    pub fn to_even(self) -> PublicKey {
        PublicKey(even(&self.0))
    }
}

/// Puts the parity byte of an even y coordinate before an x coordinate.
fn even(x: &[u8; 32]) -> [u8; 33] {
    let mut key = [2; 33];
    key[1..].copy_from_slice(x);
    key
}
