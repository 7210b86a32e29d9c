//! A fetched record is proven by the guardians' signatures, without a machine.

use fm_codec::{Dialect, MAX_DECODE_SIZE};
use fm_crypto::SessionKeys;
use fm_history::{MerkleRoot, SessionHeader, SignedSession, merkle_root};

use crate::action::OutcomeError;

/// Proves that a record is the signed outcome of that session: strictly decoded, with a root that no shorter list has,
/// and exactly a threshold of valid signatures.
///
/// # Errors
/// If it is not.
pub fn prove_record(keys: &SessionKeys, session: u64, record: &[u8]) -> Result<SignedSession, OutcomeError> {
    if record.len() > MAX_DECODE_SIZE {
        return Err(OutcomeError::TooLarge { bytes: record.len() });
    }
    let (signed, leaves) = SignedSession::decode_with_leaves(record, Dialect::MODERN)?;
    let MerkleRoot { root, ambiguous, .. } = merkle_root(leaves);
    if ambiguous {
        return Err(OutcomeError::Ambiguous);
    }
    let (signatures, threshold) = (signed.signatures.len(), keys.threshold());
    if signatures != threshold {
        return Err(OutcomeError::SignatureCount { signatures, threshold });
    }
    let message = keys.message(&SessionHeader { index: session, root }.to_bytes());
    for (peer, signature) in &signed.signatures {
        keys.verify(*peer, &message, signature)?;
    }
    Ok(signed)
}
