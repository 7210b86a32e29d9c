//! What an audit is asked for.

use fm_crypto::{EpochKeys, SessionKeys};
use fm_history::Finding;

use crate::scope::Scope;

/// The keys that a history is signed with.
#[derive(Clone, Copy)]
pub enum HistoryKeys<'a> {
    /// Threshold keys of epochs.
    Epoch(&'a EpochKeys),
    /// Keys of the guardians that sign blocks and sessions.
    Session(&'a SessionKeys),
}

/// The scope and the inputs of an audit.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The keys to check signatures with. Keys of another era check nothing.
    pub keys: Option<HistoryKeys<'a>>,
    /// Combine the shares in epochs again, and compare them with the signatures.
    pub shares: bool,
    /// The last epoch or session that the history root covers. The default is the last one that is proven.
    pub until: Option<u64>,
    /// Check the records outside the history and the transaction index, if the whole history is audited.
    pub side_records: bool,
    /// What is missing from the database that the rows come from. These findings are reported first, and are
    /// counted.
    pub lacks: &'a [Finding],
    /// The part of the history that is audited, and which of its signatures are checked.
    pub scope: Scope<'a>,
}

impl<'a> Request<'a> {
    /// Returns a request for everything that can be checked: all signatures, all shares, all records.
    pub fn everything(keys: Option<HistoryKeys<'a>>) -> Self {
        Self { keys, shares: true, side_records: true, ..Self::default() }
    }

    /// Returns the keys if they are keys of epochs.
    pub fn epoch_keys(&self) -> Option<&'a EpochKeys> {
        match self.keys {
            Some(HistoryKeys::Epoch(keys)) => Some(keys),
            _ => None,
        }
    }

    /// Returns the keys if they are keys of blocks or sessions.
    pub fn session_keys(&self) -> Option<&'a SessionKeys> {
        match self.keys {
            Some(HistoryKeys::Session(keys)) => Some(keys),
            _ => None,
        }
    }
}
