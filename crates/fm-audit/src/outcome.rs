//! What an audit comes to, of whatever era the history is.

use std::collections::BTreeMap;

use fm_eras::Layout;
use fm_history::{ChainSummary, Hash};

use crate::frame::TrustedPrefix;

/// The history up to one epoch or session, as sessions.
#[derive(Clone, Debug, Default)]
pub struct ProvenPrefix {
    /// The last epoch or session.
    pub last: u64,
    /// Hash of its content: of an epoch its link in the chain, of a session the root in its header.
    pub last_hash: Hash,
    /// Number of sessions.
    pub sessions: u64,
    /// Items in them.
    pub items: u64,
    /// Transactions among the items.
    pub transactions: u64,
    /// Items in none, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// The history root.
    pub history_root: Hash,
    /// Epochs or sessions whose own signatures hold.
    pub signed: u64,
}

/// What an audit of a history came to.
#[derive(Clone, Debug, Default)]
pub struct HistoryAudit {
    /// Counts over epochs or sessions. Sessions do not cover each other: one without enough valid signatures is
    /// unproven.
    pub chain: ChainSummary,
    /// The history as sessions, up to its proven end; none if the layout hides the content or nothing is proven.
    pub proven: Option<ProvenPrefix>,
    /// The layout of the records, as the signatures showed it; none if nothing was audited.
    pub layout: Option<Layout>,
    /// Blocks or sessions by how many guardians' signatures under them are valid, of those that were checked.
    pub by_signers: BTreeMap<usize, u64>,
    /// Accepted items of the open session.
    pub pending: u64,
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Epochs or sessions that an earlier audit proved, and that are as they were.
    pub trusted: u64,
    /// What the next audit can build on if there are no errors, if that was asked for.
    pub prefix: Option<TrustedPrefix>,
    /// Findings that are errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
}
