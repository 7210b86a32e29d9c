//! HoneyBadger epochs (v0.1 and before) as values. The code of their era knows their byte layouts.

use fm_codec::ModuleValue;

use crate::{Hash, PeerId};

/// One stored epoch: the agreed content, the hash that the guardians signed, and their threshold signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// The epoch's number, as recorded.
    pub number: u64,
    /// The hash of the previous epoch; `None` in epoch 0.
    pub last_hash: Option<Hash>,
    /// The guardians' contributions; `None` if the layout does not say where module values end.
    pub content: Option<EpochContent>,
    /// SHA-256 over the stored bytes of the outcome.
    pub computed_hash: Hash,
    /// The hash that the record claims.
    pub stored_hash: Hash,
    /// The threshold signature over `stored_hash`, if it was ever combined.
    pub signature: Option<[u8; 96]>,
}

/// The agreed content of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochContent {
    /// Contributions in stored order (ascending peers, as written by every server).
    pub contributions: Vec<Contribution>,
    /// Ids of the transactions that processing rejected, in stored order.
    pub rejected: Vec<Hash>,
}

/// The contribution of one guardian to an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The guardian.
    pub peer: PeerId,
    /// Its items, in its order.
    pub items: Vec<EpochItem>,
}

/// One item of a contribution.
///
/// Large kinds are boxed: an item may take a single byte in a record, and must not take hundreds in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EpochItem {
    /// A vote to stop for an upgrade.
    ConsensusUpgrade,
    /// A share of the signature over the client config.
    ClientConfigSignatureShare(Box<[u8; 96]>),
    /// A share of the signature over the previous epoch.
    EpochOutcomeSignatureShare(Box<[u8; 96]>),
    /// A transaction.
    Transaction(Box<EpochTransaction>),
    /// An item of a module.
    Module(ModuleValue),
}

/// A transaction of v0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochTransaction {
    /// SHA-256 over the stored bytes of inputs and outputs.
    pub txid: Hash,
    /// Inputs.
    pub inputs: Vec<ModuleValue>,
    /// Outputs.
    pub outputs: Vec<ModuleValue>,
    /// The aggregated signature of all inputs' keys.
    pub signature: Option<[u8; 64]>,
}

impl EpochContent {
    /// Returns all items as the servers processed them: by ascending peer, then in the peer's order.
    pub fn items_in_order(&self) -> impl Iterator<Item = (PeerId, usize, &EpochItem)> {
        let mut contributions: Vec<&Contribution> = self.contributions.iter().collect();
        // Stable: if a peer occurs twice, its contributions keep their order.
        contributions.sort_by_key(|contribution| contribution.peer);
        contributions.into_iter().flat_map(|contribution| {
            contribution.items.iter().enumerate().map(|(index, item)| (contribution.peer, index, item))
        })
    }

    /// Returns the number of contributions, items, inputs and outputs: a rough measure of the content's
    /// memory.
    pub fn elements(&self) -> usize {
        let of_item = |item: &EpochItem| match item {
            EpochItem::Transaction(transaction) => 1 + transaction.inputs.len() + transaction.outputs.len(),
            _ => 1,
        };
        let items = self.contributions.iter().flat_map(|contribution| &contribution.items);
        self.contributions.len() + items.map(of_item).sum::<usize>()
    }

    /// Returns whether the contributions are in strictly ascending order of peers.
    pub fn is_ordered(&self) -> bool {
        self.contributions.windows(2).all(|pair| pair[0].peer < pair[1].peer)
    }

    /// Returns the share items for the previous epoch: the last one of each peer, as the servers counted
    /// them.
    pub fn shares(&self) -> std::collections::BTreeMap<PeerId, [u8; 96]> {
        self.items_in_order()
            .filter_map(|(peer, _, item)| match item {
                EpochItem::EpochOutcomeSignatureShare(share) => Some((peer, **share)),
                _ => None,
            })
            .collect()
    }
}
