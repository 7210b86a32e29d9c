//! SHA-256, the one digest of every era.

use sha2::{Digest, Sha256};

use crate::Hash;

/// Returns the SHA-256 over the concatenated parts.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}
