//! Remembers valid signatures, so that they are not checked twice.
//!
//! Invariants: only signatures that verified are remembered, by a hash over key, message and signature; their
//! number is limited, and forgotten ones are checked again.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::schnorr::is_signed_by;
use crate::{BroadcastKey, SchnorrSignature};

/// The least number that is remembered; the most is twice that.
const REMEMBERED: usize = 1 << 14;

/// A memory of valid signatures, shared by several threads.
#[derive(Debug, Default)]
pub struct VerifiedSignatures(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl VerifiedSignatures {
    /// Returns whether this is the key's signature of the message, as [`is_signed_by`] does.
    pub fn is_signed_by(&self, key: &BroadcastKey, message: &[u8; 32], signature: &SchnorrSignature) -> bool {
        // All three have fixed lengths: different triples have different bytes.
        let name = Sha256::new().chain_update(key).chain_update(message).chain_update(signature);
        let name: [u8; 32] = name.finalize().into();
        if self.generations(|all| all.young.contains(&name) || all.old.contains(&name)) {
            return true;
        }
        let signed = is_signed_by(key, message, signature);
        if signed {
            self.generations(|all| all.add(name));
        }
        signed
    }

    fn generations<T>(&self, action: impl FnOnce(&mut Generations) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    fn add(&mut self, name: [u8; 32]) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    #[test]
    fn what_is_remembered_is_what_verifies() {
        let (key, other) =
            (SigningKey::from_bytes([1; 32]).unwrap(), SigningKey::from_bytes([2; 32]).unwrap());
        let (message, memory) = ([7; 32], VerifiedSignatures::default());
        let signature = key.sign(&message);
        let mut broken = signature;
        broken[40] ^= 1;
        for _ in 0..3 {
            assert!(memory.is_signed_by(&key.public_key(), &message, &signature));
            assert!(!memory.is_signed_by(&other.public_key(), &message, &signature));
            assert!(!memory.is_signed_by(&key.public_key(), &[8; 32], &signature));
            assert!(!memory.is_signed_by(&key.public_key(), &message, &broken));
        }
        assert_eq!(memory.generations(|all| all.young.len()), 1);
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_newest() {
        let mut generations = Generations::default();
        let name = |number: usize| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&number.to_le_bytes());
            name
        };
        for number in 0..5 * REMEMBERED {
            generations.add(name(number));
            assert!(generations.young.len() + generations.old.len() <= 2 * REMEMBERED);
            let kept = number.saturating_sub(REMEMBERED - 1);
            let there = |name| generations.young.contains(&name) || generations.old.contains(&name);
            assert!(there(name(kept)) && there(name(number)));
        }
    }
}
