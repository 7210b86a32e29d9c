//! Combines signature shares into the federation's signature: Lagrange interpolation at 0 over the points
//! `peer + 1`.
//!
//! Invariants: the shares used are the first `degree + 1` by peer, each proven to be a point of G2, so the
//! fast library may process it. Shares are not verified: a false share yields a false signature.

use std::collections::BTreeMap;

use fm_codec::PeerId;

use crate::Signature;
use crate::blst_ffi::{Fr, Point, Sum};
use crate::keys::EpochKeys;

/// The number of peer sets that a [`Combiner`] remembers; a federation rarely alternates between more.
const REMEMBERED: usize = 32;

/// Why shares cannot be combined.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Fewer shares than the key set needs.
    #[error("{shares} signature shares where {needed} are needed")]
    NotEnoughShares { shares: usize, needed: usize },
    /// A share is not a compressed point, or is outside the group.
    #[error("the share of peer {peer} is not a point of the signature group")]
    NotAPoint { peer: PeerId },
}

/// Combines shares of one key set, and remembers the coefficients of the last peer sets.
#[derive(Debug, Clone)]
pub struct Combiner {
    needed: usize,
    /// The remembered sets; the one used last is at the end.
    sets: Vec<PeerSet>,
}

#[derive(Debug, Clone)]
struct PeerSet {
    peers: Vec<PeerId>,
    coefficients: Vec<[u8; 32]>,
}

impl Combiner {
    /// Creates a combiner for the shares of a key set.
    #[must_use]
    pub fn new(keys: &EpochKeys) -> Self {
        Self { needed: keys.degree() + 1, sets: Vec::new() }
    }

    /// Combines the first `degree + 1` shares into the signature that they determine.
    ///
    /// # Errors
    /// If there are too few shares, or one of those used is not a point of the group.
    pub fn combine(&mut self, shares: &BTreeMap<PeerId, Signature>) -> Result<Signature, CombineError> {
        let needed = self.needed;
        if shares.len() < needed {
            return Err(CombineError::NotEnoughShares { shares: shares.len(), needed });
        }
        let mut peers = Vec::with_capacity(needed);
        let mut points = Vec::with_capacity(needed);
        for (&peer, share) in shares.iter().take(needed) {
            peers.push(peer);
            points.push(Point::decode(share).ok_or(CombineError::NotAPoint { peer })?);
        }
        Ok(Sum::linear(&points, self.coefficients(peers)).encode())
    }

    fn coefficients(&mut self, peers: Vec<PeerId>) -> &[[u8; 32]] {
        let set = match self.sets.iter().rposition(|set| set.peers == peers) {
            Some(place) => self.sets.remove(place),
            None => PeerSet { coefficients: lagrange(&peers), peers },
        };
        if self.sets.len() >= REMEMBERED {
            self.sets.remove(0);
        }
        self.sets.push(set);
        self.sets.last().map_or(&[], |set| &set.coefficients)
    }
}

impl EpochKeys {
    /// Combines the first `degree + 1` shares into the signature that they determine; to combine many, keep a
    /// [`Combiner`].
    ///
    /// # Errors
    /// If there are too few shares, or one of those used is not a point of the group.
    pub fn combine(&self, shares: &BTreeMap<PeerId, Signature>) -> Result<Signature, CombineError> {
        Combiner::new(self).combine(shares)
    }
}

/// Returns for each peer the value at 0 of the polynomial that is 1 at `peer + 1` and 0 at the others'
/// points.
pub(crate) fn lagrange(peers: &[PeerId]) -> Vec<[u8; 32]> {
    let at = |peer: PeerId| Fr::new(u64::from(peer) + 1);
    let coefficient = |&peer: &PeerId| {
        let mut above = Fr::new(1);
        let mut below = Fr::new(1);
        for &other in peers.iter().filter(|&&other| other != peer) {
            above = above.mul(&at(other));
            below = below.mul(&at(other).sub(&at(peer)));
        }
        // Peers differ by less than the group order, so the divisor is not zero.
        above.mul(&below.invert()).to_le_bytes()
    };
    peers.iter().map(coefficient).collect()
}
