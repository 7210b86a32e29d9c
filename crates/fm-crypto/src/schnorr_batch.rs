//! Checks many Schnorr signatures by few keys, for a third of what they cost one at a time.
//!
//! A signature (R, s) of message m under the key P is valid if s·G = R + e·P, where e is the hash of R, P and
//! m. With a weight a per signature, drawn after all inputs are fixed, Σ a·s·G - Σ a·e·P = Σ a·R holds if all
//! are valid. If one is not, it holds with a probability of about 2^-128, whatever an attacker chose: the
//! curve's order is prime. There are few keys, so only the sum on the right grows with the batch; it is
//! computed from libsecp256k1's sums of points, with Pippenger's buckets. Decision 0009 has the measurements.
//!
//! Invariants: verdicts are in the order of the items; a verdict "bad" always comes from libsecp256k1 itself;
//! what a batch cannot express (zeros, points at infinity) only makes it fail. All scalars here are public:
//! `SecretKey` is merely the library's name for a number below the curve's order.

use std::collections::BTreeMap;

use fm_codec::PeerId;
use secp256k1::{Parity, PublicKey, Scalar, SecretKey};
use sha2::{Digest, Sha256};

use crate::{SchnorrError, SchnorrSignature, SessionKeys};

/// The number of signatures in one batch; if one is bad, that many are checked one at a time.
const BATCH_SIZE: usize = 1536;
/// The number of signatures below which a batch costs no less than single checks.
const LEAST_BATCH: usize = 96;
/// The number of bytes of a weight; each has two digits of four bits.
const WEIGHT_BYTES: usize = 16;

/// A signature to be checked.
#[derive(Clone, Copy, Debug)]
pub struct SchnorrItem<'a> {
    /// The guardian that is said to have made it.
    pub peer: PeerId,
    /// The signed message; see [`SessionKeys::message`].
    pub message: [u8; 32],
    /// The signature.
    pub signature: &'a SchnorrSignature,
}

type Weight = [u8; WEIGHT_BYTES];

impl SessionKeys {
    /// Checks every signature as [`verify`](Self::verify) would; verdicts are in the order of the items.
    #[must_use]
    pub fn verify_batch(&self, items: &[SchnorrItem<'_>]) -> Vec<Result<(), SchnorrError>> {
        // Parts of about equal size: a short rest would cost as much as single checks.
        let parts = items.len().div_ceil(BATCH_SIZE).max(1);
        let size = items.len().div_ceil(parts).max(1);
        items.chunks(size).flat_map(|items| self.verify_one_batch(items)).collect()
    }

    fn verify_one_batch(&self, items: &[SchnorrItem<'_>]) -> Vec<Result<(), SchnorrError>> {
        if items.len() >= LEAST_BATCH && self.all_hold(items) == Some(true) {
            return vec![Ok(()); items.len()];
        }
        items.iter().map(|item| self.verify(item.peer, &item.message, item.signature)).collect()
    }

    /// Returns whether all are valid; `None` if the batch as a whole cannot decide that.
    fn all_hold(&self, items: &[SchnorrItem<'_>]) -> Option<bool> {
        let mut weights = vec![[0; WEIGHT_BYTES]; items.len()];
        getrandom::fill(weights.as_flattened_mut()).ok()?;
        let (mut scalars, mut points) = (Scalars::new(), Vec::with_capacity(items.len()));
        for (item, weight) in items.iter().zip(&weights) {
            points.push(scalars.add(self, item, weight)?);
        }
        Some(scalars.point(self)? == weighted_sum(&points, &weights)?)
    }
}

/// The left side of the equation so far.
struct Scalars {
    /// SHA-256 after the tag of BIP340's challenges.
    challenge: Sha256,
    /// Σ a·s.
    base: Option<SecretKey>,
    /// Σ a·e by guardian.
    keys: BTreeMap<PeerId, SecretKey>,
}

impl Scalars {
    fn new() -> Self {
        let tag = Sha256::digest("BIP0340/challenge");
        let challenge = Sha256::new().chain_update(tag).chain_update(tag);
        Self { challenge, base: None, keys: BTreeMap::new() }
    }

    /// Adds a signature; returns its R.
    fn add(&mut self, keys: &SessionKeys, item: &SchnorrItem<'_>, weight: &Weight) -> Option<PublicKey> {
        let (r, s) = item.signature.split_first_chunk::<32>()?;
        let key = keys.x_only(item.peer)?;
        let challenge = self.challenge.clone().chain_update(r).chain_update(key).chain_update(item.message);
        let mut scalar = [0; 32];
        scalar[32 - WEIGHT_BYTES..].copy_from_slice(weight);
        let weight = Scalar::from_be_bytes(scalar).ok()?;
        let times_weight = |number| SecretKey::from_secret_bytes(number).ok()?.mul_tweak(&weight).ok();
        self.base = Some(sum(self.base.as_ref(), times_weight(s.try_into().ok()?)?)?);
        // A hash that is not below the order practically never occurs, and only makes the batch fail.
        let term = times_weight(challenge.finalize().into())?;
        let of_key = sum(self.keys.get(&item.peer), term)?;
        self.keys.insert(item.peer, of_key);
        even(*r)
    }

    /// Computes Σ a·s·G - Σ a·e·P.
    fn point(&self, keys: &SessionKeys) -> Option<PublicKey> {
        let mut terms = vec![self.base.as_ref()?.public_key()];
        for (peer, scalar) in &self.keys {
            let key = even(keys.x_only(*peer)?)?.negate();
            terms.push(key.mul_tweak(&Scalar::from(*scalar)).ok()?);
        }
        PublicKey::combine_keys(&terms.iter().collect::<Vec<_>>()).ok()
    }
}

fn sum(before: Option<&SecretKey>, term: SecretKey) -> Option<SecretKey> {
    before.map_or(Some(term), |before| before.add_tweak(&Scalar::from(term)).ok())
}

/// Returns the point with this x and an even y, as BIP340 reads 32 bytes.
fn even(x: [u8; 32]) -> Option<PublicKey> {
    let mut compressed = [Parity::Even.to_u8() + 2; 33];
    compressed[1..].copy_from_slice(&x);
    PublicKey::from_byte_array_compressed(compressed).ok()
}

/// Computes Σ a·R; `None` if an intermediate sum is the point at infinity.
fn weighted_sum(points: &[PublicKey], weights: &[Weight]) -> Option<PublicKey> {
    let mut total: Option<PublicKey> = None;
    for place in 0..2 * WEIGHT_BYTES {
        let buckets = buckets(points, weights, place)?;
        // Multiplies by 16 and adds the digits bit by bit: doubles the total, and adds every bucket whose
        // number has the bit.
        for bit in [8, 4, 2, 1] {
            let mut terms: Vec<&PublicKey> = total.iter().chain(&total).collect();
            terms.extend(buckets.iter().filter(|(digit, _)| digit & bit != 0).map(|(_, sum)| sum));
            if !terms.is_empty() {
                total = Some(PublicKey::combine_keys(&terms).ok()?);
            }
        }
    }
    total
}

/// Returns the sums of the points whose weights have the same digit at a place: digits from 1 to 15, the
/// highest place first.
fn buckets(points: &[PublicKey], weights: &[Weight], place: usize) -> Option<Vec<(usize, PublicKey)>> {
    let mut buckets: [Vec<&PublicKey>; 16] = Default::default();
    for (point, weight) in points.iter().zip(weights) {
        let byte = weight[place / 2];
        let digit = if place.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
        buckets[usize::from(digit)].push(point);
    }
    let filled = buckets.iter().enumerate().skip(1).filter(|(_, points)| !points.is_empty());
    filled.map(|(digit, points)| Some((digit, PublicKey::combine_keys(points).ok()?))).collect()
}
