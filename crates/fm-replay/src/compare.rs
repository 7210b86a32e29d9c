//! The ordered items beside those that the server had accepted when it stopped.
//!
//! A server goes through the ordered items one by one and stores those that it could process, so what it stored is
//! a part of them, in the same order. After a restart it does the same again: an ordered item that equals the next
//! stored one is taken as processed, any other as discarded.

use fm_units::{Dag, ItemEncoding, items};

use crate::Replay;

/// An item at its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered<'a> {
    /// Round of its unit.
    pub round: u16,
    /// Who proposed it.
    pub peer: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What became of the ordered items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// For every stored item, in order, its position among the ordered ones; ends before the first that is not there.
    pub accepted: Vec<usize>,
    /// Ordered items before the last accepted one that were not stored: the server discarded them.
    pub discarded: usize,
    /// Ordered items behind the last accepted one: not processed yet, or discarded.
    pub behind: usize,
    /// Stored items that were not found in the order.
    pub missing: usize,
}

impl Replay {
    /// The items in the order of the session; batches that do not decode are left out, as servers do.
    pub fn items<'a>(&self, dag: &Dag<'a>, encoding: ItemEncoding) -> Vec<Ordered<'a>> {
        let mut ordered = Vec::new();
        for node in &self.order {
            let fields = dag.nodes[*node].unit.fields;
            let batch = fields.data.and_then(|data| items(&data, encoding).ok()).unwrap_or_default();
            let item = |bytes| Ordered { round: fields.round, peer: fields.creator, bytes };
            ordered.extend(batch.into_iter().map(|proposed| item(proposed.bytes)));
        }
        ordered
    }
}

/// Finds the stored items, each with its guardian, among the ordered ones.
pub fn compare(ordered: &[Ordered<'_>], stored: &[(Vec<u8>, u64)]) -> Comparison {
    let mut accepted = Vec::new();
    for (position, item) in ordered.iter().enumerate() {
        let next = stored.get(accepted.len());
        if next.is_some_and(|(bytes, peer)| bytes == item.bytes && *peer == item.peer) {
            accepted.push(position);
        }
    }
    let end = accepted.last().map_or(0, |last| last + 1);
    Comparison {
        discarded: end - accepted.len(),
        behind: ordered.len() - end,
        missing: stored.len() - accepted.len(),
        accepted,
    }
}
