//! One session, block or epoch taken apart, whatever its layout: its items in order, each with its stored
//! bytes.
//!
//! Invariant: every statement about an item follows from its bytes; module values are not decoded.

use serde::Serialize;

use crate::{Block, BlockContent, BlockItem, Epoch, EpochItem, Hash, PeerId};

/// A session, block or epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub index: u64,
    /// The number that the record states for itself, if its layout stores one.
    pub own_index: Option<u64>,
    /// The value that its signatures cover: the root in the header of a session, the hash of an epoch's
    /// content.
    pub hash: Hash,
    /// Whether another list of items has the same header.
    pub ambiguous: bool,
    /// The items, in processing order; `None` if the layout hides them.
    pub items: Option<Vec<EntryItem>>,
    /// Of epochs: the hash of the previous epoch.
    pub last_hash: Option<Hash>,
    /// Of epochs: the ids of the rejected transactions.
    pub rejected: Vec<Hash>,
}

/// An item with its stored bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryItem {
    /// The guardian who proposed it.
    pub peer: PeerId,
    /// Its number among the ordered items of the session, if the layout stores one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Of epochs: whether processing rejected the transaction.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rejected: bool,
    /// Its kind.
    #[serde(flatten)]
    pub kind: ItemKind,
    /// Its bytes, as the header's tree or the epoch holds them.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// The kind of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ItemKind {
    /// A transaction.
    Transaction {
        /// Its id.
        txid: Hash,
        /// The modules of its inputs.
        inputs: Vec<ModulePart>,
        /// The modules of its outputs.
        outputs: Vec<ModulePart>,
    },
    /// An item of a module.
    #[serde(rename = "module_item")]
    Module(ModulePart),
    /// Bytes that the layout does not describe.
    Opaque,
    /// A share of the client config's signature.
    ClientConfigSignatureShare,
    /// A share of the signature over the previous epoch.
    EpochSignatureShare,
    /// A vote to stop for an upgrade.
    ConsensusUpgrade,
    /// A kind of item that no version knows.
    Unknown {
        /// Its variant.
        variant: u64,
    },
}

/// A value of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ModulePart {
    /// The module instance.
    pub module: u16,
    /// Length of the module's own encoding.
    pub length: usize,
}

impl From<&fm_codec::ModuleValue> for ModulePart {
    fn from(value: &fm_codec::ModuleValue) -> Self {
        Self { module: value.instance, length: value.body.len() }
    }
}

fn parts(values: &[fm_codec::ModuleValue]) -> Vec<ModulePart> {
    values.iter().map(ModulePart::from).collect()
}

impl ItemKind {
    /// Returns the id, if it is a transaction.
    pub fn txid(&self) -> Option<Hash> {
        if let Self::Transaction { txid, .. } = self { Some(*txid) } else { None }
    }

    fn of_block(content: &BlockContent) -> Self {
        match content {
            BlockContent::Opaque(_) => Self::Opaque,
            BlockContent::ClientConfigSignatureShare(_) => Self::ClientConfigSignatureShare,
            BlockContent::Transaction(transaction) => Self::Transaction {
                txid: transaction.txid,
                inputs: parts(&transaction.inputs),
                outputs: parts(&transaction.outputs),
            },
            BlockContent::Module(value) => Self::Module(value.into()),
            BlockContent::Unknown { variant, .. } => Self::Unknown { variant: *variant },
        }
    }

    fn of_epoch(item: &EpochItem) -> Self {
        match item {
            EpochItem::ConsensusUpgrade => Self::ConsensusUpgrade,
            EpochItem::ClientConfigSignatureShare(_) => Self::ClientConfigSignatureShare,
            EpochItem::EpochOutcomeSignatureShare(_) => Self::EpochSignatureShare,
            EpochItem::Transaction(transaction) => Self::Transaction {
                txid: transaction.txid,
                inputs: parts(&transaction.inputs),
                outputs: parts(&transaction.outputs),
            },
            EpochItem::Module(value) => Self::Module(value.into()),
        }
    }
}

impl EntryItem {
    /// Returns an accepted item and its bytes.
    pub fn of_block(item: &BlockItem, bytes: Vec<u8>) -> Self {
        let kind = ItemKind::of_block(&item.content);
        Self { peer: item.peer, position: item.position, rejected: false, kind, bytes }
    }
}

impl Entry {
    /// Returns a block or session; `encode` returns the stored bytes of an item.
    pub fn of_block(index: u64, block: &Block, encode: impl Fn(&BlockItem) -> Vec<u8>) -> Self {
        let items = block.items.iter().map(|item| EntryItem::of_block(item, encode(item))).collect();
        Self {
            index,
            own_index: block.index,
            hash: block.merkle.root,
            ambiguous: block.merkle.ambiguous,
            items: Some(items),
            last_hash: None,
            rejected: Vec::new(),
        }
    }

    /// Returns an epoch; `encode` returns the stored bytes of an item.
    pub fn of_epoch(index: u64, epoch: &Epoch, encode: impl Fn(&EpochItem) -> Vec<u8>) -> Self {
        let rejected = epoch.content.as_ref().map(|content| content.rejected.clone()).unwrap_or_default();
        let items = epoch.content.as_ref().map(|content| {
            let item = |(peer, _, item): (PeerId, usize, &EpochItem)| {
                let kind = ItemKind::of_epoch(item);
                let is_rejected = kind.txid().is_some_and(|txid| rejected.binary_search(&txid).is_ok());
                EntryItem { peer, position: None, rejected: is_rejected, kind, bytes: encode(item) }
            };
            content.items_in_order().map(item).collect()
        });
        let (hash, last_hash) = (epoch.computed_hash, epoch.last_hash);
        let own_index = Some(epoch.number);
        Self { index, own_index, hash, ambiguous: false, items, last_hash, rejected }
    }

    /// Returns the number that the record states, if it differs from the number under which the record
    /// is stored.
    pub fn other_index(&self) -> Option<u64> {
        self.own_index.filter(|own| *own != self.index)
    }

    /// Returns the items; empty if the layout hides them.
    pub fn known_items(&self) -> &[EntryItem] {
        self.items.as_deref().unwrap_or_default()
    }
}
