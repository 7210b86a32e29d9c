//! The result of an audit, for a history of any era.

use std::collections::BTreeMap;

use fm_eras::Layout;
use fm_history::ChainSummary;

use crate::frame::{ProvenPrefix, TrustedPrefix};

/// The result of an audit of a history.
#[derive(Clone, Debug, Default)]
pub struct HistoryAudit {
    /// Counts over epochs or sessions. Sessions do not cover each other: a session without enough valid
    /// signatures is unproven.
    pub chain: ChainSummary,
    /// The history in the form of sessions, up to its proven end; `None` if the layout hides the content or
    /// nothing is proven.
    pub proven: Option<ProvenPrefix>,
    /// The layout of the records, as the signatures show it; `None` if nothing was audited.
    pub layout: Option<Layout>,
    /// Number of blocks or sessions whose signatures were checked, by the number of valid signatures.
    pub by_signers: BTreeMap<usize, u64>,
    /// Number of accepted items of the open session.
    pub pending: u64,
    /// Number of rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Number of epochs or sessions that an earlier audit proved and that are unchanged.
    pub trusted: u64,
    /// What the next audit can build on if there are no errors; set only on request.
    pub prefix: Option<TrustedPrefix>,
    /// Number of findings that are errors.
    pub errors: u64,
    /// Number of findings that are warnings.
    pub warnings: u64,
}
