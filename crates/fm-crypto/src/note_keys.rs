//! Keys that sign notes of e-cash, blindly, and the check of their signatures: one at a time or many together.
//!
//! A signature s of a nonce n under the key P, a point of G2, is valid if e(s, g2) = e(H(n), P). With a weight r_i per
//! note, drawn after all inputs are fixed, e(Σ r_i·s_i, g2) = e(Σ r_i·H(n_i), P) holds if all are valid. If one is not, it
//! holds with a probability of about 2^-128: the s_i are proven to lie in G1, whose order is prime and above the weights.
//!
//! Source: fedimint-tbs 0.5.0 and 0.13.0, src/lib.rs; `to_message` of fedimint-mint-common, and `nonce_message` of
//! fedimint-mintv2-common. H is no hash of RFC 9380: a stream of ChaCha20, the first x that is on the curve, and the
//! cofactor cleared.

use std::collections::BTreeMap;

use fm_codec::PeerId;
use rand_chacha::ChaChaRng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::Sha256;
use sha3::{Digest, Sha3_256};

use crate::batch::draw_weights;
use crate::blst_ffi::{Fp, NotePoint, NoteSum, Pairing, Point, Sum};
use crate::combine::lagrange;
use crate::hash::coordinate;

/// The nonce of a note: a compressed secp256k1 key.
pub type NoteNonce = [u8; 33];
/// The signature of a note: a compressed point of G1.
pub type NoteSignature = [u8; 48];
/// A key that signs notes, or a guardian's share of one: a compressed point of G2.
pub type NoteKeyBytes = [u8; 96];

/// The multiplier that moves every point of the curve into G1 (RFC 9380, 8.8.1, h_eff), little endian.
const COFACTOR: [u8; 8] = 0xd201_0000_0001_0001_u64.to_le_bytes();
/// Below this number, notes are checked one at a time to find a bad one.
const FEW: usize = 2;

/// How a nonce is hashed to a point of G1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteHash {
    /// That of `mint`.
    Mint,
    /// That of `mintv2`.
    MintV2,
}

/// A federation's key of one denomination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NoteKey {
    key: Point,
    hash: NoteHash,
}

impl NoteKey {
    /// Decodes a key; `None` if it is not a point of G2.
    pub fn parse(key: &NoteKeyBytes, hash: NoteHash) -> Option<Self> {
        Some(Self { key: Point::decode(key)?, hash })
    }

    /// Computes the key from the public shares of all guardians; `None` without a share, and if one is not a point of G2.
    pub fn combine(shares: &BTreeMap<PeerId, NoteKeyBytes>, hash: NoteHash) -> Option<Self> {
        let points = shares.values().map(Point::decode).collect::<Option<Vec<_>>>()?;
        let peers: Vec<PeerId> = shares.keys().copied().collect();
        let is_there = !points.is_empty();
        let key = is_there.then(|| Sum::linear(&points, &lagrange(&peers)).encode())?;
        Self::parse(&key, hash)
    }

    /// Checks the signature of a note.
    #[must_use]
    pub fn is_signed(&self, nonce: &NoteNonce, signature: &NoteSignature) -> bool {
        let Some(signature) = NotePoint::decode(signature) else { return false };
        let message = self.hash.uncleared(nonce).to_sum().times(&COFACTOR);
        Pairing::are_equal((&signature.to_sum(), &Point::generator()), (&message, &self.key))
    }

    /// Checks the signatures of many notes; verdicts are in their order.
    #[must_use]
    pub fn are_signed(&self, notes: &[(NoteNonce, NoteSignature)]) -> Vec<bool> {
        if self.are_all_signed(notes) == Some(true) {
            return vec![true; notes.len()];
        }
        if notes.len() <= FEW {
            return notes.iter().map(|(nonce, signature)| self.is_signed(nonce, signature)).collect();
        }
        let (first, second) = notes.split_at(notes.len() / 2);
        [self.are_signed(first), self.are_signed(second)].concat()
    }

    /// Returns whether all are signed; `None` if they cannot be checked together.
    fn are_all_signed(&self, notes: &[(NoteNonce, NoteSignature)]) -> Option<bool> {
        let signatures =
            notes.iter().map(|(_, signature)| NotePoint::decode(signature)).collect::<Option<Vec<_>>>()?;
        let messages: Vec<_> = notes.iter().map(|(nonce, _)| self.hash.uncleared(nonce)).collect();
        let weights = draw_weights(notes.len())?;
        let (signatures, messages) =
            (NoteSum::weighted(&signatures, &weights), NoteSum::weighted(&messages, &weights));
        // Clearing is linear: once for the sum is enough.
        let messages = messages.times(&COFACTOR);
        Some(Pairing::are_equal((&signatures, &Point::generator()), (&messages, &self.key)))
    }
}

impl std::fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoteKey").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl NoteHash {
    fn seed(self, nonce: &NoteNonce) -> [u8; 32] {
        match self {
            Self::Mint => {
                Sha3_256::new().chain_update(b"TBS_BLS12-381_").chain_update(nonce).finalize().into()
            }
            Self::MintV2 => Sha256::new()
                .chain_update(b"FEDIMINT_TBS_BLS12_381_MESSAGE")
                .chain_update(nonce)
                .finalize()
                .into(),
        }
    }

    /// Returns the first point of the curve that the nonce's key stream hits, cofactor not cleared.
    fn uncleared(self, nonce: &NoteNonce) -> NotePoint {
        let mut stream = ChaChaRng::from_seed(self.seed(nonce));
        loop {
            if let Some(point) = candidate(&mut stream) {
                return point;
            }
        }
    }
}

fn candidate(stream: &mut ChaChaRng) -> Option<NotePoint> {
    let x = coordinate(stream);
    // Drawn before it is known whether a root exists: the stream must stay in step with the reference.
    let flip = stream.next_u32() % 2 == 1;
    let y = x.square().mul(&x).add(&curve_constant()).root()?;
    Some(NotePoint::on_curve(x, if flip { y.negate() } else { y }))
}

/// Returns the curve's constant, 4.
fn curve_constant() -> Fp {
    let mut four = [0; 96];
    four[95] = 4;
    Fp::reduce(&four)
}
