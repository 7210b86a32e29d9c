//! A stored session taken apart: its header, and where its signatures begin.
//!
//! Items are separated, but not decoded further. Invariant: the header covers the stored bytes, and every
//! byte of a record belongs to an item or to a signature.

use std::collections::BTreeMap;

use fm_codec::{DecodeError, Dialect, Reader, Writer};

use crate::{AcceptedItem, MerkleRoot, PeerId, SessionHeader, SessionLeaf, merkle_root, sha256};

/// Signatures over a session's header, by guardian.
pub type Signatures = BTreeMap<PeerId, [u8; 64]>;

/// The parts of a session's record that are needed to sign it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionParts {
    /// The number of items.
    pub items: u64,
    /// The root over the items.
    pub merkle: MerkleRoot,
    /// Length of the record up to its signatures.
    pub outcome_bytes: usize,
    /// The signatures.
    pub signatures: Signatures,
}

impl SessionParts {
    /// Reads a record of v0.2 or later.
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one record; the content of an item is not checked.
    pub fn read(record: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(record, Dialect::MODERN);
        let leaves = reader.list(AcceptedItem::LEAST_BYTES, |reader| {
            let start = reader.position();
            reader.variant(|reader, _| reader.take(reader.left()).map(drop))?;
            reader.u16()?;
            Ok(sha256(&[reader.since(start)]))
        })?;
        let outcome_bytes = reader.position();
        let signatures = read_map(&mut reader)?;
        reader.finish()?;
        Ok(Self { items: leaves.len() as u64, merkle: merkle_root(leaves), outcome_bytes, signatures })
    }

    /// Returns the data that the history root commits to for the session with this index.
    pub fn leaf(&self, index: u64) -> SessionLeaf {
        SessionLeaf { items: self.items, header: SessionHeader { index, root: self.merkle.root } }
    }
}

/// Reads the end of a record, which holds only its signatures.
///
/// # Errors
/// Fails if the bytes are not exactly a map of signatures.
pub fn read_signatures(bytes: &[u8]) -> Result<Signatures, DecodeError> {
    let mut reader = Reader::new(bytes, Dialect::MODERN);
    let signatures = read_map(&mut reader)?;
    reader.finish()?;
    Ok(signatures)
}

/// Joins the bytes before the signatures, and the signatures, to a record.
pub fn signed_record(outcome: &[u8], signatures: &Signatures) -> Vec<u8> {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.raw(outcome);
    writer.list(signatures.iter(), |writer, (peer, signature)| {
        writer.u16(*peer);
        writer.raw(signature);
    });
    writer.into_bytes()
}

fn read_map(reader: &mut Reader<'_>) -> Result<Signatures, DecodeError> {
    reader.map(1 + 64, Reader::u16, Reader::array)
}
