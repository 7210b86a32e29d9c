//! The history root over the records that an audit has followed.

use std::collections::BTreeMap;

use fm_history::{ConvertedSession, Hash, HistoryRoot};

/// The history up to one epoch or session, in the form of sessions.
#[derive(Clone, Debug, Default)]
pub struct ProvenPrefix {
    /// The last epoch or session.
    pub last: u64,
    /// The hash of its content: for an epoch its link in the chain, for a session the root in its header.
    pub last_hash: Hash,
    /// Number of sessions.
    pub sessions: u64,
    /// Number of items in them.
    pub items: u64,
    /// Number of transactions among the items.
    pub transactions: u64,
    /// Number of items that are in no session, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// The history root.
    pub history_root: Hash,
    /// Number of epochs or sessions whose own signatures are valid.
    pub signed: u64,
}

/// An epoch or a session in the form of a session, as the root takes it.
pub(crate) struct Followed<'a> {
    pub(crate) converted: &'a ConvertedSession,
    /// The hash of the content: for an epoch its link in the chain, for a session the root in its header.
    pub(crate) hash: Hash,
    pub(crate) transactions: u64,
    /// Whether its own signatures are valid.
    pub(crate) is_signed: bool,
}

/// The history so far, in the form of sessions.
#[derive(Default)]
pub(crate) struct RunningRoot {
    /// The last record that the root covers; `None` for the last record of the history.
    until: Option<u64>,
    root: HistoryRoot,
    /// The totals over what the root covers; its root is computed on request.
    totals: ProvenPrefix,
    /// A record is missing or unknown: the root does not cover what is after it.
    is_broken: bool,
}

impl RunningRoot {
    pub(crate) fn new(until: Option<u64>) -> Self {
        Self { until, ..Self::default() }
    }

    /// Ends the root: it does not cover what follows.
    pub(crate) fn end(&mut self) {
        self.is_broken = true;
    }

    /// Adds a record; returns whether the root covers it.
    pub(crate) fn push(&mut self, index: u64, followed: &Followed<'_>) -> bool {
        if self.until.is_some_and(|until| index > until) {
            return false;
        }
        self.is_broken |= index != self.root.sessions();
        if self.is_broken {
            return false;
        }
        let converted = followed.converted;
        self.root.push(converted.leaf);
        self.totals.last = index;
        self.totals.last_hash = followed.hash;
        self.totals.sessions += 1;
        self.totals.items += converted.leaf.items;
        self.totals.transactions += followed.transactions;
        for dropped in &converted.dropped {
            *self.totals.dropped.entry(dropped.reason.as_str()).or_default() += 1;
        }
        self.totals.signed += u64::from(followed.is_signed);
        true
    }

    /// Returns the history up to here.
    pub(crate) fn prefix(&self) -> ProvenPrefix {
        ProvenPrefix { history_root: self.root.root(), ..self.totals.clone() }
    }

    /// Returns the history up to its end; `None` if it does not begin with record 0, has a gap, or ends
    /// before the requested end.
    pub(crate) fn finish(&self) -> Option<ProvenPrefix> {
        let reaches = self.until.is_none_or(|until| self.root.sessions() > until);
        (!self.is_broken && reaches && self.totals.sessions > 0).then(|| self.prefix())
    }
}
