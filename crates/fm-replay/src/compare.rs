//! Compares the ordered items with those that the server had accepted when it stopped.
//!
//! A server processes the ordered items one by one and stores those that are accepted, so the stored items
//! are a part of the ordered ones, in the same order. After a restart it does the same again: it takes an
//! ordered item that equals the next stored one as processed, and any other as discarded.

use fm_units::{Dag, ItemEncoding, items};

use crate::Replay;

/// An item at its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered<'a> {
    /// Round of its unit.
    pub round: u16,
    /// The guardian that proposed it.
    pub peer: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether its unit is ordered after the session's last round, so that no server processes it.
    pub past_end: bool,
}

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// For every stored item, in order, its position among the ordered items; ends before the first missing
    /// one.
    pub accepted: Vec<usize>,
    /// Ordered items before the last accepted one that were not stored: the server discarded them.
    pub discarded: usize,
    /// Ordered items after the last accepted one that count: not processed yet, or discarded.
    pub behind: usize,
    /// Ordered items past the end of the session, which do not count.
    pub past_end: usize,
    /// Stored items that are not in the order.
    pub missing: usize,
}

impl Replay {
    /// Returns the items in the order of the session; batches that do not decode are left out, as servers do.
    /// Without the number of `rounds`, no item is past the end.
    pub fn items<'a>(&self, dag: &Dag<'a>, encoding: ItemEncoding, rounds: Option<u16>) -> Vec<Ordered<'a>> {
        let (mut ordered, mut past_end) = (Vec::new(), false);
        for node in &self.order {
            let fields = dag.nodes[*node].unit.fields;
            // Servers stop at the first unit past the last round, whatever is ordered after it.
            past_end = past_end || rounds.is_some_and(|rounds| fields.round >= rounds);
            let batch = fields.data.and_then(|data| items(&data, encoding).ok()).unwrap_or_default();
            let item = |bytes| Ordered { round: fields.round, peer: fields.creator, bytes, past_end };
            ordered.extend(batch.into_iter().map(|proposed| item(proposed.bytes)));
        }
        ordered
    }
}

/// Finds the stored items, each with its guardian, among the ordered items.
pub fn compare(ordered: &[Ordered<'_>], stored: &[(Vec<u8>, u64)]) -> Comparison {
    let mut accepted = Vec::new();
    let count = ordered.iter().position(|item| item.past_end).unwrap_or(ordered.len());
    for (position, item) in ordered[..count].iter().enumerate() {
        let next = stored.get(accepted.len());
        if next.is_some_and(|(bytes, peer)| bytes == item.bytes && *peer == item.peer) {
            accepted.push(position);
        }
    }
    let end = accepted.last().map_or(0, |last| last + 1);
    Comparison {
        discarded: end - accepted.len(),
        behind: count - end,
        past_end: ordered.len() - count,
        missing: stored.len() - accepted.len(),
        accepted,
    }
}
