//! The history root over the sessions that an audit has followed.

use std::collections::BTreeMap;

use fm_history::{Hash, HistoryRoot};

use super::pipeline::DecodedBlock;
use crate::outcome::ProvenPrefix;

/// The history so far, in the form of sessions.
#[derive(Default)]
pub(crate) struct RunningRoot {
    /// The last session that the root covers; `None` for the last session of the history.
    until: Option<u64>,
    root: HistoryRoot,
    last_hash: Hash,
    items: u64,
    transactions: u64,
    signed: u64,
    /// A session is missing or unknown: the root does not cover what is after it.
    broken: bool,
}

impl RunningRoot {
    pub(crate) fn new(until: Option<u64>) -> Self {
        Self { until, ..Self::default() }
    }

    /// Ends the root: it does not cover what follows.
    pub(crate) fn end(&mut self) {
        self.broken = true;
    }

    pub(crate) fn push(&mut self, index: u64, decoded: &DecodedBlock) {
        self.broken |= index != self.root.sessions() && self.until.is_none_or(|until| index <= until);
        if self.broken || self.until.is_some_and(|until| index > until) {
            return;
        }
        let Some(converted) = &decoded.converted else { return };
        self.root.push(converted.leaf);
        self.items += converted.leaf.items;
        self.last_hash = decoded.leaf.header.root;
        self.signed += u64::from(decoded.is_signed == Some(true));
    }

    pub(crate) fn count_transaction(&mut self, index: u64) {
        self.transactions += u64::from(self.until.is_none_or(|until| index <= until));
    }

    /// Returns the history up to its end; `None` if it does not begin with session 0, has a gap, or ends
    /// before the requested end.
    pub(crate) fn finish(&self) -> Option<ProvenPrefix> {
        let reaches = self.until.is_none_or(|until| self.root.sessions() > until);
        if self.broken || !reaches {
            return None;
        }
        Some(ProvenPrefix {
            last: self.root.sessions().checked_sub(1)?,
            last_hash: self.last_hash,
            sessions: self.root.sessions(),
            items: self.items,
            transactions: self.transactions,
            dropped: BTreeMap::new(),
            history_root: self.root.root(),
            signed: self.signed,
        })
    }
}
