//! Checks many signatures under one key, for little more than two pairings per batch.
//!
//! With a weight r_i per signature, drawn after all inputs are fixed, e(key, Σ r_i·H(m_i)) = e(g1, Σ r_i·s_i)
//! holds if all are good. If one is bad, it holds with a probability of about 2^-128, whatever an attacker
//! chose: the s_i are proven to lie in G2, whose order is prime and above the weights. The points H(m_i)
//! enter without clearing their cofactor, because clearing is linear and one clearing of the sum serves the
//! batch.
//!
//! Invariants: verdicts are in the order of the items; a verdict "bad" always comes from the reference.

use crate::bls::SignatureError;
use crate::blst_ffi::{KeyPoint, Pairing, Point, Sum};
use crate::hash::{clear_cofactor, uncleared};
use crate::keys::EpochKeys;
use crate::{EpochHash, Signature};

/// The number of items per pair of pairings: [`EpochKeys::verify_batch`] splits longer lists, so callers
/// should split at multiples of it.
pub const BATCH_SIZE: usize = 512;

type Verdict = Result<(), SignatureError>;
type Weight = [u8; 16];

impl EpochKeys {
    /// Checks every signature of its message under the federation's key, as [`EpochKeys::verify`] would.
    ///
    /// Verdicts are in the order of the items. A bad item costs one reference check and the search for it.
    #[must_use]
    pub fn verify_batch(&self, items: &[(EpochHash, Signature)]) -> Vec<Verdict> {
        items.chunks(BATCH_SIZE).flat_map(|items| self.verify_one_batch(items)).collect()
    }

    fn verify_one_batch(&self, items: &[(EpochHash, Signature)]) -> Vec<Verdict> {
        let prepared = Prepared::new(items);
        // Without randomness there is no batch; the reference then checks each item.
        let Some(weights) = draw_weights(prepared.places.len()) else {
            return items.iter().map(|(message, signature)| self.verify(message, signature)).collect();
        };
        let mut verdicts = vec![Ok(()); items.len()];
        let found = prepared.whole(&weights).find_bad(self.point());
        for &place in prepared.refused.iter().chain(&found) {
            if let (Some((message, signature)), Some(verdict)) = (items.get(place), verdicts.get_mut(place)) {
                // If the two libraries differ, the verdict must say so.
                *verdict = self.verify(message, signature).and(Err(SignatureError::Disagreement));
            }
        }
        verdicts
    }
}

/// A batch with its points decoded and hashed, each list in the same order.
struct Prepared {
    /// The index of each item in the batch.
    places: Vec<usize>,
    /// Points on the curve, cofactor not cleared.
    hashes: Vec<Point>,
    /// Points in G2, none of them at infinity.
    signatures: Vec<Point>,
    /// The indices of items that no key can have signed: not a point of G2, or the point at infinity.
    refused: Vec<usize>,
}

impl Prepared {
    fn new(items: &[(EpochHash, Signature)]) -> Self {
        let mut prepared =
            Self { places: Vec::new(), hashes: Vec::new(), signatures: Vec::new(), refused: Vec::new() };
        for (place, (message, signature)) in items.iter().enumerate() {
            match Point::decode(signature).filter(|point| !point.is_identity()) {
                Some(point) => {
                    prepared.places.push(place);
                    prepared.hashes.push(uncleared(message));
                    prepared.signatures.push(point);
                }
                None => prepared.refused.push(place),
            }
        }
        prepared
    }

    fn whole<'a>(&'a self, weights: &'a [Weight]) -> Part<'a> {
        Part { places: &self.places, hashes: &self.hashes, signatures: &self.signatures, weights }
    }
}

/// A section of a batch with its weights; the four lists have equal lengths.
#[derive(Clone, Copy)]
struct Part<'a> {
    places: &'a [usize],
    hashes: &'a [Point],
    signatures: &'a [Point],
    weights: &'a [Weight],
}

impl Part<'_> {
    /// Returns the indices of the items that fail, found by halving.
    ///
    /// The error of a part is the product of its halves' errors, so one pair of pairings splits a part in
    /// two.
    fn find_bad(self, key: &KeyPoint) -> Vec<usize> {
        let mut bad = Vec::new();
        let mut open = vec![(self.error(key), self)];
        while let Some((error, part)) = open.pop() {
            if error.is_one() {
                continue;
            }
            if part.places.len() <= 1 {
                bad.extend(part.places);
                continue;
            }
            let (left, right) = part.halves();
            let left_error = left.error(key);
            open.push((error.divided_by(&left_error), right));
            open.push((left_error, left));
        }
        bad
    }

    fn halves(&self) -> (Self, Self) {
        let middle = self.places.len() / 2;
        let (places, hashes) = (self.places.split_at(middle), self.hashes.split_at(middle));
        let (signatures, weights) = (self.signatures.split_at(middle), self.weights.split_at(middle));
        (
            Self { places: places.0, hashes: hashes.0, signatures: signatures.0, weights: weights.0 },
            Self { places: places.1, hashes: hashes.1, signatures: signatures.1, weights: weights.1 },
        )
    }

    /// Returns e(key, Σ r_i·H(m_i)) / e(g1, Σ r_i·s_i), which is one if all items are good.
    fn error(&self, key: &KeyPoint) -> Pairing {
        let hash = clear_cofactor(&Sum::weighted(self.hashes, self.weights));
        let signature = Sum::weighted(self.signatures, self.weights);
        Pairing::quotient((key, &hash), (&KeyPoint::generator(), &signature))
    }
}

/// Draws weights for a batch from the system's randomness; no weight is zero.
pub(crate) fn draw_weights(count: usize) -> Option<Vec<Weight>> {
    let mut weights = vec![[0; 16]; count];
    getrandom::fill(weights.as_flattened_mut()).ok()?;
    for weight in &mut weights {
        while *weight == [0; 16] {
            getrandom::fill(weight).ok()?;
        }
    }
    Some(weights)
}
