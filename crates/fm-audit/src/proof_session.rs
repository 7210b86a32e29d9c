//! Proofs of items in blocks and sessions: paths in the tree under the signed header.

use std::collections::BTreeMap;

use fm_eras::Detected;
use fm_eras::block::{BlockLayout, decode_accepted_item, decode_block, encode_accepted_item};
use fm_history::{
    BlockContent, EntryItem, Hash, ITEM_VARIANT_BYTES, NodePair, PathError, PeerId, SessionHeader,
    WalkedPath, merkle_path, sha256, walk_path,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::TrustedKeys;
use crate::proof::{ProofError, ProvenItem};
use crate::sealed_json::hex_bytes;

/// Length of an inner node: an item as long could be taken for one.
const NODE_BYTES: usize = size_of::<NodePair>();

/// The part of a proof that shows an item of a block or session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionProof {
    items: u64,
    root: Hash,
    #[serde(with = "hex_bytes")]
    bytes: Vec<u8>,
    path: Vec<Hash>,
    /// The last item's leaf, which shows how many there are; null if it is the item itself.
    last: Option<LastLeaf>,
    /// Another item, of another length than an inner node, if the item itself has that; null if not.
    anchor: Option<Anchor>,
    signatures: BTreeMap<PeerId, SignatureHex>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLeaf {
    leaf: Hash,
    path: Vec<Hash>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Anchor {
    item: u64,
    #[serde(with = "hex_bytes")]
    bytes: Vec<u8>,
    path: Vec<Hash>,
}

/// A signature as hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct SignatureHex(#[serde(with = "hex_bytes")] Vec<u8>);

/// Why an item is not shown to be in a session.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionProofError {
    /// A part leads nowhere.
    #[error("{part}: {source}")]
    Path {
        /// The part of the file.
        part: &'static str,
        /// Why.
        source: PathError,
    },
    /// A part leads to another root.
    #[error("{part}: it leads to the root {found}, and {root} is signed")]
    OtherRoot {
        /// The part of the file.
        part: &'static str,
        /// Where it leads.
        found: Hash,
        /// The root under the signatures.
        root: Hash,
    },
    /// Bytes that are no item.
    #[error("{part}: no item of this layout: {reason}")]
    NoItem {
        /// The part of the file.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// A part is there that is not needed, or not there.
    #[error("{part}: {reason}")]
    Superfluous {
        /// The part of the file.
        part: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// All items that there are could be inner nodes.
    #[error(
        "anchor: the item has {NODE_BYTES} bytes, as an inner node has, and no other item shows that it is none"
    )]
    NoAnchor,
    /// The signed tree could end above the item.
    #[error(
        "path: on level {level} every node that is known could be an item, so that a list of {NODE_BYTES}-byte items \
         would have the same root"
    )]
    Shallow {
        /// The level, from 1 above the items.
        level: usize,
    },
    /// Signatures of another length.
    #[error("signatures: that of guardian {peer} has not 64 bytes")]
    Signature {
        /// The guardian.
        peer: PeerId,
    },
}

impl SessionProof {
    /// Makes the proof of an item in a record.
    pub(crate) fn make(record: &[u8], item: usize, layout: &BlockLayout) -> Result<Self, ProofError> {
        let unsigned = |reason: String| ProofError::Unsigned { reason };
        let block = decode_block(record, layout)
            .map_err(|error| unsigned(format!("the record does not decode: {error}")))?;
        if block.merkle.ambiguous {
            let error = PathError::RepeatedTail { level: 0 };
            return Err(SessionProofError::Path { part: "items", source: error }.into());
        }
        if block.signatures.is_empty() {
            return Err(unsigned("the session carries no signatures".to_owned()));
        }
        let bytes: Vec<Vec<u8>> = block.items.iter().map(|item| encode_accepted_item(item, layout)).collect();
        let leaves: Vec<Hash> = bytes.iter().map(|bytes| sha256(&[bytes])).collect();
        let missing = || ProofError::NoSuchItem { item, count: bytes.len() };
        let path = |place: usize| merkle_path(&leaves, place).ok_or_else(missing);
        let own = bytes.get(item).ok_or_else(missing)?;
        let last = leaves.len() - 1;
        let is_anchor = |bytes: &Vec<u8>| own.len() == NODE_BYTES && bytes.len() != NODE_BYTES;
        let anchor = bytes.iter().position(is_anchor);
        let signature = |(peer, bytes): (&PeerId, &[u8; 64])| (*peer, SignatureHex(bytes.to_vec()));
        Ok(Self {
            items: leaves.len() as u64,
            root: block.merkle.root,
            bytes: own.clone(),
            path: path(item)?,
            last: if item == last { None } else { Some(LastLeaf { leaf: leaves[last], path: path(last)? }) },
            anchor: match anchor {
                Some(place) => {
                    let (item, bytes) = (place as u64, bytes[place].clone());
                    Some(Anchor { item, bytes, path: path(place)? })
                }
                None => None,
            },
            signatures: block.signatures.iter().map(signature).collect(),
        })
    }

    /// Checks everything but that enough guardians signed, which the caller sees.
    pub(crate) fn check(
        &self,
        index: u64,
        item: u64,
        layout: &'static BlockLayout,
        keys: TrustedKeys<'_>,
    ) -> Result<ProvenItem, SessionProofError> {
        let facts = read_item("bytes", &self.bytes, layout)?;
        let mut walked = vec![self.walk("path", sha256(&[&self.bytes]), item, &self.path)?];
        walked.extend(self.walk_last(item)?);
        walked.extend(self.walk_anchor(layout)?);
        check_depth(&walked, layout)?;
        let header = SessionHeader { index, root: self.root };
        let mut signatures = BTreeMap::new();
        for (peer, signature) in &self.signatures {
            let bytes = <[u8; 64]>::try_from(signature.0.as_slice());
            signatures.insert(*peer, bytes.map_err(|_| SessionProofError::Signature { peer: *peer })?);
        }
        Ok(ProvenItem {
            layout: Detected::Blocks(layout),
            index,
            item,
            count: self.items,
            facts,
            hash: self.root,
            signed_index: index,
            signers: keys.of_header(header, &signatures, layout),
        })
    }

    fn walk(
        &self,
        part: &'static str,
        leaf: Hash,
        item: u64,
        path: &[Hash],
    ) -> Result<WalkedPath, SessionProofError> {
        let walked = walk_path(leaf, item, self.items, path)
            .map_err(|source| SessionProofError::Path { part, source })?;
        if walked.root != self.root {
            return Err(SessionProofError::OtherRoot { part, found: walked.root, root: self.root });
        }
        Ok(walked)
    }

    /// The way from the last item shows that there are no more, and no fewer.
    fn walk_last(&self, item: u64) -> Result<Option<WalkedPath>, SessionProofError> {
        match (&self.last, item.checked_add(1) == Some(self.items)) {
            (None, true) => Ok(None),
            (Some(last), false) => self.walk("last", last.leaf, self.items - 1, &last.path).map(Some),
            (None, false) => {
                let reason = "nothing shows how many items there are";
                Err(SessionProofError::Superfluous { part: "last", reason })
            }
            (Some(_), true) => {
                let reason = "the item is the last one itself";
                Err(SessionProofError::Superfluous { part: "last", reason })
            }
        }
    }

    /// An item that is no inner node shows on which level the items are.
    fn walk_anchor(&self, layout: &BlockLayout) -> Result<Option<WalkedPath>, SessionProofError> {
        match (&self.anchor, self.bytes.len() == NODE_BYTES) {
            (None, false) => Ok(None),
            (Some(_), false) => {
                let reason = "the item itself is no inner node";
                Err(SessionProofError::Superfluous { part: "anchor", reason })
            }
            (Some(anchor), true) if anchor.bytes.len() != NODE_BYTES => {
                read_item("anchor", &anchor.bytes, layout)?;
                self.walk("anchor", sha256(&[&anchor.bytes]), anchor.item, &anchor.path).map(Some)
            }
            _ => Err(SessionProofError::NoAnchor),
        }
    }
}

fn read_item(part: &'static str, bytes: &[u8], layout: &BlockLayout) -> Result<EntryItem, SessionProofError> {
    let item = decode_accepted_item(bytes, layout)
        .map_err(|error| SessionProofError::NoItem { part, reason: error.to_string() })?;
    Ok(EntryItem::of_block(&item, bytes.to_vec()))
}

/// The items are not on a level above: there, one node at least is none.
fn check_depth(walked: &[WalkedPath], layout: &BlockLayout) -> Result<(), SessionProofError> {
    let levels = walked.first().map_or(0, |path| path.pairs.len());
    for level in 0..levels {
        let mut pairs = walked.iter().filter_map(|path| path.pairs.get(level));
        if pairs.all(|pair| could_be_item(pair, layout)) {
            return Err(SessionProofError::Shallow { level: level + 1 });
        }
    }
    Ok(())
}

/// Whether honest guardians could have accepted these bytes as an item: what no version knows, none accepted.
fn could_be_item(bytes: &[u8], layout: &BlockLayout) -> bool {
    decode_accepted_item(bytes, layout).is_ok_and(|item| match item.content {
        BlockContent::Unknown { variant, .. } => variant == ITEM_VARIANT_BYTES,
        _ => true,
    })
}
