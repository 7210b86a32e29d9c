//! Proofs of items in blocks and sessions: paths in the tree under the signed header.

use std::collections::BTreeMap;

use fm_audit::TrustedKeys;
use fm_eras::block::{BlockLayout, decode_accepted_item, decode_block, encode_accepted_item};
use fm_eras::{Era, Layout, broadcast, session};
use fm_history::{
    BlockContent, EntryItem, Hash, ITEM_VARIANT_BYTES, NodePair, PathError, PeerId, SessionHeader,
    WalkedPath, merkle_path, sha256, walk_path,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::proof::{ProofError, ProvenItem};
use crate::sealed_json::hex_bytes;

/// The length of an inner node: an item of this length could be mistaken for an inner node.
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
    /// The leaf of the last item, which shows the number of items; null if the item itself is the last one.
    last: Option<LastLeaf>,
    /// Another item whose length differs from that of an inner node, if the item itself has that length;
    /// otherwise null.
    anchor: Option<ProvenPrefix>,
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
struct ProvenPrefix {
    item: u64,
    #[serde(with = "hex_bytes")]
    bytes: Vec<u8>,
    path: Vec<Hash>,
}

/// A signature in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct SignatureHex(#[serde(with = "hex_bytes")] Vec<u8>);

/// Why a proof does not show that an item is in a session.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionProofError {
    /// The path of a part is not valid.
    #[error("{part}: {source}")]
    Path { part: &'static str, source: PathError },
    /// The path of a part leads to another root.
    #[error("{part}: it leads to the root {found}, and {root} is signed")]
    OtherRoot { part: &'static str, found: Hash, root: Hash },
    /// The bytes are not an item.
    #[error("{part}: no item of this layout: {reason}")]
    NoItem { part: &'static str, reason: String },
    /// The bytes are another item in another layout.
    #[error(
        "{part}: in the layout {layout} these bytes are another item, and no signature says which is meant: name the layout that you know to be right"
    )]
    OtherReading { part: &'static str, layout: &'static str },
    /// The item is one of the items that the list repeats at its end.
    #[error(
        "item {item} is one of the last {} of the {stored} items, which repeat those before them: the signed header is the \
         same with and without them, so that only items 0 to {} can be proven", .stored - .certain, .certain.saturating_sub(1)
    )]
    Repeated {
        item: usize,
        stored: usize,
        /// Number of items that every list with this header has.
        certain: usize,
    },
    /// A part is present although it is not needed, or a needed part is missing.
    #[error("{part}: {reason}")]
    Superfluous { part: &'static str, reason: &'static str },
    /// All known items could be inner nodes.
    #[error(
        "anchor: the item has {NODE_BYTES} bytes, as an inner node has, and no other item shows that it \
         is not one"
    )]
    NoAnchor,
    /// The signed tree could end above the item.
    #[error(
        "path: on level {level} every node that is known could be an item, so that a list of {NODE_BYTES}-byte items \
         would have the same root"
    )]
    Shallow {
        /// From 1 above the items.
        level: usize,
    },
    /// A signature has the wrong length.
    #[error("signatures: that of guardian {peer} has not 64 bytes")]
    Signature { peer: PeerId },
}

impl SessionProof {
    /// Makes the proof of an item in a record.
    pub(crate) fn make(record: &[u8], item: usize, layout: &BlockLayout) -> Result<Self, ProofError> {
        let unsigned = |reason: String| ProofError::Unsigned { reason };
        let block = decode_block(record, layout)
            .map_err(|error| unsigned(format!("the record does not decode: {error}")))?;
        if block.signatures.is_empty() {
            return Err(unsigned("the session carries no signatures".to_owned()));
        }
        // Nothing shows whether the signatures cover the repetition at the end. The items before it are in
        // every list.
        let stored = block.items.len();
        let certain = stored - block.merkle.repeated;
        if (certain..stored).contains(&item) {
            return Err(SessionProofError::Repeated { item, stored, certain }.into());
        }
        let certain = &block.items[..certain];
        let bytes: Vec<Vec<u8>> = certain.iter().map(|item| encode_accepted_item(item, layout)).collect();
        let leaves: Vec<Hash> = bytes.iter().map(|bytes| sha256(&[bytes])).collect();
        let missing = || ProofError::NoSuchItem { item, count: stored };
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
                    Some(ProvenPrefix { item, bytes, path: path(place)? })
                }
                None => None,
            },
            signatures: block.signatures.iter().map(signature).collect(),
        })
    }

    /// Checks everything except that enough guardians signed; the result contains this verdict.
    pub(crate) fn check(
        &self,
        index: u64,
        item: u64,
        form: Form,
        keys: TrustedKeys<'_>,
    ) -> Result<ProvenItem, SessionProofError> {
        let layout = form.layout;
        let facts = read_item("bytes", &self.bytes, form)?;
        let mut walked = vec![self.walk("path", sha256(&[&self.bytes]), item, &self.path)?];
        walked.extend(self.walk_last(item)?);
        walked.extend(self.walk_anchor(form)?);
        check_depth(&walked, form)?;
        let header = SessionHeader { index, root: self.root };
        let mut signatures = BTreeMap::new();
        for (peer, signature) in &self.signatures {
            let bytes = <[u8; 64]>::try_from(signature.0.as_slice());
            signatures.insert(*peer, bytes.map_err(|_| SessionProofError::Signature { peer: *peer })?);
        }
        Ok(ProvenItem {
            layout: Layout::Blocks(layout),
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

    /// Checks the path from the last item, which shows that there are neither more nor fewer items.
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

    /// Checks the path from an item that is not an inner node: it shows on which level the items are.
    fn walk_anchor(&self, form: Form) -> Result<Option<WalkedPath>, SessionProofError> {
        match (&self.anchor, self.bytes.len() == NODE_BYTES) {
            (None, false) => Ok(None),
            (Some(_), false) => {
                let reason = "the item itself is not an inner node";
                Err(SessionProofError::Superfluous { part: "anchor", reason })
            }
            (Some(anchor), true) if anchor.bytes.len() != NODE_BYTES => {
                read_item("anchor", &anchor.bytes, form)?;
                self.walk("anchor", sha256(&[&anchor.bytes]), anchor.item, &anchor.path).map(Some)
            }
            _ => Err(SessionProofError::NoAnchor),
        }
    }
}

/// Reads an item in this layout, if no other layout reads another item from the same bytes.
fn read_item(part: &'static str, bytes: &[u8], form: Form) -> Result<EntryItem, SessionProofError> {
    let layout = form.layout;
    let item = decode_accepted_item(bytes, layout)
        .map_err(|error| SessionProofError::NoItem { part, reason: error.to_string() })?;
    let item = EntryItem::of_block(&item, bytes.to_vec());
    match form.readings(bytes).find(|(_, other)| (other.peer, &other.kind) != (item.peer, &item.kind)) {
        Some((other, _)) => Err(SessionProofError::OtherReading { part, layout: other.name }),
        None => Ok(item),
    }
}

/// The way in which the bytes of a proof are read.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// The layout that the file names.
    pub(crate) layout: &'static BlockLayout,
    /// Whether the caller knows the layout. Otherwise it is only the statement of the file's author, which no
    /// signature covers.
    pub(crate) is_known: bool,
}

impl Form {
    /// Returns the items that honest guardians could have accepted these bytes as.
    ///
    /// No guardian accepted an item that no version knows, nor bytes that the server of their time could not
    /// decode. The stand-alone crate is separate: its items are opaque, and its keys signed no sessions of a
    /// server.
    pub(crate) fn readings(
        self,
        bytes: &[u8],
    ) -> impl Iterator<Item = (&'static BlockLayout, EntryItem)> + '_ {
        let is_crate = self.layout.era == Era::B;
        let could_be = move |other: &&BlockLayout| {
            (other.era == Era::B) == is_crate && (!self.is_known || *other == self.layout)
        };
        let layouts = broadcast::LAYOUTS.iter().chain(session::LAYOUTS).filter(could_be);
        layouts.filter_map(move |other| {
            let item = decode_accepted_item(bytes, other).ok()?;
            let is_accepted = match &item.content {
                BlockContent::Unknown { variant, .. } => *variant == ITEM_VARIANT_BYTES,
                BlockContent::Opaque(_) => is_crate,
                _ => true,
            };
            is_accepted.then(|| (other, EntryItem::of_block(&item, bytes.to_vec())))
        })
    }
}

/// Checks that the items are not on a higher level of the tree: on each of those, at least one node is not an
/// item.
fn check_depth(walked: &[WalkedPath], form: Form) -> Result<(), SessionProofError> {
    let levels = walked.first().map_or(0, |path| path.pairs.len());
    for level in 0..levels {
        let mut pairs = walked.iter().filter_map(|path| path.pairs.get(level));
        if pairs.all(|pair| form.readings(pair).next().is_some()) {
            return Err(SessionProofError::Shallow { level: level + 1 });
        }
    }
    Ok(())
}
