//! The guardians' threshold keys, and signatures with them.

use threshold_crypto::group::GroupEncoding;
use threshold_crypto::poly::Poly;
use threshold_crypto::{G2Projective, SecretKey, SecretKeySet, SecretKeyShare};

use crate::random::Random;

/// The three key sets of a federation of v0.1.
pub(crate) struct Keys {
    pub(crate) epoch: KeySet,
    pub(crate) auth: KeySet,
    pub(crate) hbbft: KeySet,
}

impl Keys {
    pub(crate) fn new(guardians: u16, random: &mut Random) -> Self {
        let faulty = (usize::from(guardians) - 1) / 3;
        let threshold = usize::from(guardians) - faulty;
        Self {
            epoch: KeySet::new(guardians, threshold, random),
            auth: KeySet::new(guardians, threshold, random),
            hbbft: KeySet::new(guardians, faulty + 1, random),
        }
    }
}

/// One threshold key and its shares.
pub(crate) struct KeySet {
    whole: SecretKey,
    shares: Vec<SecretKeyShare>,
    pub(crate) coefficients: Vec<[u8; 48]>,
}

/// A message as a point, hashed once for all of its signatures.
#[derive(Clone, Copy)]
pub(crate) struct Message(G2Projective);

impl Message {
    pub(crate) fn new(message: &[u8]) -> Self {
        Self(threshold_crypto::hash_g2(message))
    }
}

impl KeySet {
    fn new(guardians: u16, threshold: usize, random: &mut Random) -> Self {
        let poly = Poly::random(threshold - 1, &mut random.0);
        let whole = SecretKey(poly.evaluate(0));
        let set = SecretKeySet::from(poly);
        let coefficients = set
            .public_keys()
            .coefficients()
            .map(|point| point.to_bytes().as_ref().try_into().expect("a compressed point of G1 has 48 bytes"))
            .collect();
        let shares = (0..guardians).map(|peer| set.secret_key_share(u64::from(peer))).collect();
        Self { whole, shares, coefficients }
    }

    /// Returns the signature that any threshold of shares combines to.
    pub(crate) fn sign(&self, message: Message) -> [u8; 96] {
        self.whole.sign_g2(message.0).to_bytes()
    }

    /// Returns a guardian's share of the signature.
    pub(crate) fn share(&self, peer: u16, message: Message) -> [u8; 96] {
        self.shares[usize::from(peer)].sign_g2(message.0).to_bytes()
    }

    /// Returns the set as `consensus.json` holds it: the hex of a list in which every point is hex text
    /// again.
    pub(crate) fn text(&self) -> String {
        let mut bytes = (self.coefficients.len() as u64).to_le_bytes().to_vec();
        for point in &self.coefficients {
            let text = hex::encode(point);
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        hex::encode(bytes)
    }
}
