//! A fetched record is proven by the guardians' signatures, without a machine.

use fm_codec::{Dialect, MAX_DECODE_SIZE};
use fm_crypto::SessionKeys;
use fm_history::{Hash, MerkleRoot, SessionHeader, SignedSession, merkle_root};

use crate::action::OutcomeError;

/// A record whose signatures hold.
#[derive(Clone, Debug)]
pub struct ProvenRecord {
    /// The record.
    pub session: SignedSession,
    /// The leaves of its items.
    pub leaves: Vec<Hash>,
    /// Its header.
    pub header: SessionHeader,
    /// Whether its header is also that of a shorter list, which the signatures may be over.
    pub ambiguous: bool,
}

/// Proves that a record is the signed outcome of that session: strictly decoded, with exactly a threshold of valid
/// signatures. Whether they are over this very list is another matter where lists may be ambiguous.
///
/// # Errors
/// If it is not.
pub fn prove_record(keys: &SessionKeys, session: u64, record: &[u8]) -> Result<ProvenRecord, OutcomeError> {
    if record.len() > MAX_DECODE_SIZE {
        return Err(OutcomeError::TooLarge { bytes: record.len() });
    }
    let (signed, leaves) = SignedSession::decode_with_leaves(record, Dialect::MODERN)?;
    let MerkleRoot { root, ambiguous, .. } = merkle_root(leaves.clone());
    let (signatures, threshold) = (signed.signatures.len(), keys.threshold());
    if signatures != threshold {
        return Err(OutcomeError::SignatureCount { signatures, threshold });
    }
    let header = SessionHeader { index: session, root };
    let message = keys.message(&header.to_bytes());
    for (peer, signature) in &signed.signatures {
        keys.verify(*peer, &message, signature)?;
    }
    Ok(ProvenRecord { session: signed, leaves, header, ambiguous })
}
