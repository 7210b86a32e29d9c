//! The guardians' Schnorr keys, with which they sign session headers and units.
//!
//! A signature is BIP340 over `SHA-256(tag || data)`, where the tag is the SHA-256 of the consensus encoding
//! of the whole key map; before 2023-08-04 it was over `SHA-256(data)`, with keys without parity. Invariants:
//! at least one guardian; every key is a point, and no two guardians have the same one; a key set never mixes
//! both forms.

use std::collections::BTreeMap;

use fm_codec::PeerId;
use secp256k1::{XOnlyPublicKey, schnorr};
use sha2::{Digest, Sha256};

use crate::BroadcastKey;

/// The most guardians a key set may have; far above any federation that existed.
pub const MAX_GUARDIANS: usize = 1024;

/// A Schnorr signature, R and then S.
pub type SchnorrSignature = [u8; 64];

/// Why keys are not a key set.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionKeyError {
    /// An empty map.
    #[error("a key set without guardians")]
    NoGuardians,
    /// More guardians than [`MAX_GUARDIANS`].
    #[error("a key set of {count} guardians, at most {MAX_GUARDIANS} are read")]
    TooManyGuardians { count: usize },
    /// The bytes are not a point of the curve.
    #[error("the key of guardian {peer} is not a point of secp256k1")]
    NotAPoint { peer: PeerId },
    /// Two guardians with one key: its holder would count twice. Keys that differ only in their parity have
    /// one secret, and signatures do not distinguish them.
    #[error("guardians {first} and {second} have the same key: one signer would count as two")]
    SharedKey { first: PeerId, second: PeerId },
}

/// Why a signature does not count.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchnorrError {
    /// The signer is not in the key set.
    #[error("guardian {peer} is not one of this federation")]
    UnknownPeer { peer: PeerId },
    /// It is not a signature of that guardian over that data.
    #[error("the signature of guardian {peer} does not verify")]
    DoesNotVerify { peer: PeerId },
}

/// The keys of all guardians of a federation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKeys {
    keys: BTreeMap<PeerId, XOnlyPublicKey>,
    /// The keys with their parity; empty if they had none.
    compressed: BTreeMap<PeerId, BroadcastKey>,
    tag: Option<[u8; 32]>,
}

impl SessionKeys {
    /// Makes a key set from keys as `broadcast_public_keys` of a consensus configuration holds them;
    /// signatures are tagged.
    ///
    /// # Errors
    /// If the map is empty or absurdly large, or a key is not a point; see [`SessionKeyError`].
    pub fn new(keys: &BTreeMap<PeerId, BroadcastKey>) -> Result<Self, SessionKeyError> {
        let points = points(keys.iter().map(|(peer, key)| {
            let compressed = secp256k1::PublicKey::from_byte_array_compressed(*key);
            (*peer, compressed.ok().map(|key| key.x_only_public_key().0))
        }))?;
        let mut map = fm_codec::Writer::new(fm_codec::Dialect::MODERN);
        map.list(keys.iter(), |map, (peer, key)| {
            map.u16(*peer);
            map.raw(key);
        });
        let tag = Some(Sha256::digest(map.as_bytes()).into());
        Ok(Self { keys: points, compressed: keys.clone(), tag })
    }

    /// Makes a key set from keys without parity, from the time before signatures were tagged.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn untagged(keys: &BTreeMap<PeerId, [u8; 32]>) -> Result<Self, SessionKeyError> {
        let keys =
            points(keys.iter().map(|(peer, key)| (*peer, XOnlyPublicKey::from_byte_array(*key).ok())))?;
        Ok(Self { keys, compressed: BTreeMap::new(), tag: None })
    }

    /// Returns the same guardians, with untagged signatures as in the time before tags.
    #[must_use]
    pub fn without_tag(&self) -> Self {
        Self { keys: self.keys.clone(), compressed: BTreeMap::new(), tag: None }
    }

    /// Returns the keys as a configuration holds them; empty for keys of the time before signatures were
    /// tagged.
    pub fn compressed(&self) -> BTreeMap<PeerId, BroadcastKey> {
        self.compressed.clone()
    }

    /// Returns the SHA-256 of the encoded key map, which every signature covers; `None` before 2023-08-04.
    pub fn tag(&self) -> Option<[u8; 32]> {
        self.tag
    }

    /// Returns the name of the key set in messages and files: its tag in hex; for keys without parity, which
    /// have no tag, the SHA-256 over the guardians' numbers (2 bytes, big endian) and keys, ascending.
    pub fn name(&self) -> String {
        let tag = self.tag.unwrap_or_else(|| {
            let mut hasher = Sha256::new();
            for (peer, key) in &self.keys {
                hasher.update(peer.to_be_bytes());
                hasher.update(key.to_byte_array());
            }
            hasher.finalize().into()
        });
        hex::encode(tag)
    }

    /// Returns the guardians' numbers, ascending.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.keys.keys().copied()
    }

    /// Returns the number of guardians.
    pub fn guardians(&self) -> usize {
        self.keys.len()
    }

    /// Returns how many guardians must sign: more than two thirds of them.
    pub fn threshold(&self) -> usize {
        self.guardians() * 2 / 3 + 1
    }

    /// Returns the guardian's key without its parity, as used to verify signatures.
    pub fn x_only(&self, peer: PeerId) -> Option<[u8; 32]> {
        self.keys.get(&peer).map(XOnlyPublicKey::to_byte_array)
    }

    /// Returns the 32 bytes that a signature over `data` signs.
    pub fn message(&self, data: &[u8]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        if let Some(tag) = self.tag {
            hasher.update(tag);
        }
        hasher.update(data);
        hasher.finalize().into()
    }

    /// Checks a guardian's signature over a message made by [`message`](Self::message).
    ///
    /// # Errors
    /// If the guardian is not in the set or its signature does not verify.
    pub fn verify(
        &self,
        peer: PeerId,
        message: &[u8; 32],
        signature: &SchnorrSignature,
    ) -> Result<(), SchnorrError> {
        let key = self.keys.get(&peer).ok_or(SchnorrError::UnknownPeer { peer })?;
        schnorr::verify(&schnorr::Signature::from_byte_array(*signature), message, key)
            .map_err(|_| SchnorrError::DoesNotVerify { peer })
    }
}

fn points(
    keys: impl ExactSizeIterator<Item = (PeerId, Option<XOnlyPublicKey>)>,
) -> Result<BTreeMap<PeerId, XOnlyPublicKey>, SessionKeyError> {
    match keys.len() {
        0 => Err(SessionKeyError::NoGuardians),
        count if count > MAX_GUARDIANS => Err(SessionKeyError::TooManyGuardians { count }),
        _ => {
            let mut owners = BTreeMap::new();
            keys.map(|(peer, key)| {
                let key = key.ok_or(SessionKeyError::NotAPoint { peer })?;
                match owners.insert(key.to_byte_array(), peer) {
                    Some(first) => Err(SessionKeyError::SharedKey { first, second: peer }),
                    None => Ok((peer, key)),
                }
            })
            .collect()
        }
    }
}
