//! Blocks and sessions as values, in every layout since June 2023. The eras decode them.

use std::collections::BTreeMap;

use fm_codec::{Dialect, ModuleValue, Writer};

use crate::{Hash, MerkleRoot, PeerId};

/// A finished block (the name until November 2023) or session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The index in the record itself, if the layout stores one; later layouts have it only in the key.
    pub index: Option<u64>,
    /// The accepted items, in processing order.
    pub items: Vec<BlockItem>,
    /// Merkle root over the stored bytes of the items.
    pub merkle: MerkleRoot,
    /// Signatures over the header, by guardian.
    pub signatures: BTreeMap<PeerId, [u8; 64]>,
}

/// An accepted item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockItem {
    /// The item.
    pub content: BlockContent,
    /// Its number among the ordered items of the session, accepted or not, if the layout stores one.
    pub position: Option<u64>,
    /// The guardian whose unit carried it.
    pub peer: PeerId,
}

/// The content of an accepted item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockContent {
    /// Bytes that are not a consensus item of the layout, or that the layout does not describe.
    Opaque(Vec<u8>),
    /// A share of the client config's signature (until 2023-11-09).
    ClientConfigSignatureShare(Box<[u8; 96]>),
    /// A transaction.
    Transaction(Box<BlockTransaction>),
    /// An item of a module.
    Module(ModuleValue),
    /// A kind of item that no version knows, kept unchanged (only in layouts with lengths).
    Unknown {
        /// Variant index.
        variant: u64,
        /// Body.
        bytes: Vec<u8>,
    },
}

/// A transaction of any layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTransaction {
    /// Its id, over the stored bytes.
    pub txid: Hash,
    /// Inputs.
    pub inputs: Vec<ModuleValue>,
    /// Outputs.
    pub outputs: Vec<ModuleValue>,
    /// Makes transactions with equal inputs and outputs differ (from 2023-11-15).
    pub nonce: Option<[u8; 8]>,
    /// Authorisation of the inputs.
    pub signature: BlockSignature,
}

impl BlockTransaction {
    /// Returns the value of the accepted-transaction index: the module instances of the outputs, in order.
    pub fn output_instances(&self, dialect: Dialect) -> Vec<u8> {
        let mut writer = Writer::new(dialect);
        writer.list(self.outputs.iter(), |writer, output| writer.u16(output.instance));
        writer.into_bytes()
    }
}

/// Authorisation of a transaction's inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockSignature {
    /// One aggregate over all input keys (until 2023-11-21).
    Aggregate(Option<[u8; 64]>),
    /// One signature per input key.
    List(Vec<[u8; 64]>),
    /// A kind of signature that no version knows, kept unchanged.
    Unknown {
        /// Variant index.
        variant: u64,
        /// Body.
        bytes: Vec<u8>,
    },
}
