//! Proves a fetched record by the guardians' signatures, without a state machine.

use std::collections::BTreeMap;

use fm_codec::{DecodeError, Dialect, MAX_DECODE_SIZE, Reader};
use fm_crypto::SessionKeys;
use fm_history::{
    AcceptedItem, Hash, MerkleRoot, PeerId, RootBuilder, SessionHeader, SignedSession, merkle_root, sha256,
};

use crate::action::OutcomeError;

/// The most inputs, outputs and signatures of an item, together; an item fits a unit of 50,000 bytes.
const MAX_ITEM_ELEMENTS: usize = 100_000;

type Signatures = BTreeMap<PeerId, [u8; 64]>;

/// A record whose signatures are valid.
#[derive(Clone, Debug)]
pub struct ProvenRecord {
    /// The record.
    pub session: SignedSession,
    /// The leaf hashes of its items.
    pub leaves: Vec<Hash>,
    /// Its header.
    pub header: SessionHeader,
    /// Whether its header is also that of a shorter list, which the signatures may cover instead.
    pub ambiguous: bool,
}

/// Proves that a record is the signed outcome of a session: strictly decoded, with exactly a threshold of
/// valid signatures. If lists may be ambiguous, the signatures may still cover another list than this one.
///
/// # Errors
/// If it is not.
pub fn prove_record(keys: &SessionKeys, session: u64, record: &[u8]) -> Result<ProvenRecord, OutcomeError> {
    if record.len() > MAX_DECODE_SIZE {
        return Err(OutcomeError::TooLarge { bytes: record.len() });
    }
    let (root, signatures) = read_root(record)?;
    let (count, threshold) = (signatures.len(), keys.threshold());
    if count != threshold {
        return Err(OutcomeError::SignatureCount { signatures: count, threshold });
    }
    let header = SessionHeader { index: session, root };
    let message = keys.message(&header.to_bytes());
    for (peer, signature) in &signatures {
        keys.verify(*peer, &message, signature)?;
    }
    let (session, leaves) = SignedSession::decode_with_leaves(record, Dialect::MODERN)?;
    let MerkleRoot { ambiguous, .. } = merkle_root(leaves.clone());
    Ok(ProvenRecord { session, leaves, header, ambiguous })
}

/// Returns the root over a record's items and its signatures, with one item in memory at a time: a lying
/// guardian could send a list whose items take a hundred times its bytes.
fn read_root(record: &[u8]) -> Result<(Hash, Signatures), DecodeError> {
    let mut reader = Reader::new(record, Dialect::MODERN);
    let mut root = RootBuilder::default();
    for _ in 0..reader.count(AcceptedItem::LEAST_BYTES)? {
        reader = reader.limited(MAX_ITEM_ELEMENTS);
        let start = reader.position();
        reader.value::<AcceptedItem>()?;
        root.push(sha256(&[reader.since(start)]));
    }
    reader = reader.limited(usize::from(u16::MAX));
    let signatures = reader.map(1 + 64, Reader::u16, Reader::array)?;
    reader.finish()?;
    Ok((root.root(), signatures))
}
