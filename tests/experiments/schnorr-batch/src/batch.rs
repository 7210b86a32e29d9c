//! The equation of a batch: Σ a·s·G - Σ a·e·P = Σ a·R, with a random 128-bit weight a for each signature.
//!
//! There are few keys, so only the sum on the right grows with the batch.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;
use secp256k1::{PublicKey, Scalar, SecretKey, XOnlyPublicKey, schnorr};
use sha2::{Digest, Sha256};

/// The sum of the points by their weights; none if that is the point at infinity.
pub type Msm = dyn Fn(&[PublicKey], &[u128]) -> Option<PublicKey>;

/// One signature to check.
#[derive(Clone)]
pub struct Job {
    pub key: XOnlyPublicKey,
    pub message: [u8; 32],
    pub signature: [u8; 64],
}

impl Job {
    pub fn verify(&self) -> bool {
        schnorr::verify(&schnorr::Signature::from_byte_array(self.signature), &self.message, &self.key)
            .is_ok()
    }
}

/// Checks whether all signatures hold; wrong with a chance of 2^-128.
pub fn verify(jobs: &[Job], msm: &Msm, random: &mut ChaCha20Rng) -> bool {
    sides(jobs, msm, random).is_some_and(|(left, right)| left == right)
}

fn sides(jobs: &[Job], msm: &Msm, random: &mut ChaCha20Rng) -> Option<(PublicKey, PublicKey)> {
    let challenge = challenge_hasher();
    let mut points = Vec::with_capacity(jobs.len());
    let mut weights = Vec::with_capacity(jobs.len());
    let mut of_base: Option<SecretKey> = None;
    let mut of_keys: BTreeMap<XOnlyPublicKey, SecretKey> = BTreeMap::new();
    for job in jobs {
        let (r, s) = job.signature.split_at(32);
        let mut compressed = [2; 33];
        compressed[1..].copy_from_slice(r);
        points.push(PublicKey::from_byte_array_compressed(compressed).ok()?);
        let weight = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
        weights.push(weight);
        let mut scalar = [0; 32];
        scalar[16..].copy_from_slice(&weight.to_be_bytes());
        let weight = Scalar::from_be_bytes(scalar).ok()?;
        let term = SecretKey::from_secret_bytes(s.try_into().ok()?).ok()?.mul_tweak(&weight).ok()?;
        of_base = Some(added(of_base, term)?);
        let mut hasher = challenge.clone();
        hasher.update(r);
        hasher.update(job.key.to_byte_array());
        hasher.update(job.message);
        let hash: [u8; 32] = hasher.finalize().into();
        let term = SecretKey::from_secret_bytes(hash).ok()?.mul_tweak(&weight).ok()?;
        let sum = added(of_keys.get(&job.key).copied(), term)?;
        of_keys.insert(job.key, sum);
    }
    let mut left = vec![of_base?.public_key()];
    for (key, scalar) in of_keys {
        let key = key.public_key(secp256k1::Parity::Odd);
        left.push(key.mul_tweak(&Scalar::from(scalar)).ok()?);
    }
    let left = PublicKey::combine_keys(&left.iter().collect::<Vec<_>>()).ok()?;
    Some((left, msm(&points, &weights)?))
}

fn added(sum: Option<SecretKey>, term: SecretKey) -> Option<SecretKey> {
    sum.map_or(Some(term), |sum| sum.add_tweak(&Scalar::from(term)).ok())
}

/// SHA-256 after the tag of BIP340's challenges.
fn challenge_hasher() -> Sha256 {
    let tag = Sha256::digest("BIP0340/challenge");
    let mut hasher = Sha256::new();
    hasher.update(tag);
    hasher.update(tag);
    hasher
}
