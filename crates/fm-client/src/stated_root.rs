//! The history roots that a guardian states: with them, the first session at which two guardians differ is found by
//! a few requests. Only `fm-node` states them.
//!
//! A root that a guardian states is its claim, and proves nothing.

use std::time::Duration;

use fm_history::{Hash, HistoryRoot};
use fm_rpc::{ClientError, RpcError};
use serde::Deserialize;
use serde_json::json;

use crate::guardian::Guardian;

/// How long a guardian may take: when it is asked first, it reads its whole history.
const PATIENCE: Duration = Duration::from_secs(120);

/// The answer to `history_root`.
#[derive(Deserialize)]
struct StatedRoot {
    sessions: u64,
    root: Hash,
    /// The roots of its complete subtrees, largest first.
    peaks: Vec<Hash>,
}

impl Guardian {
    /// Returns the history root after a number of sessions, as the guardian states it; `None` if it states none, as
    /// no server does.
    ///
    /// # Errors
    /// If the guardian cannot be reached, does not answer in time, or answers with an error.
    pub(crate) async fn stated_root(&self, sessions: u64) -> Result<Option<HistoryRoot>, ClientError> {
        let method = "history_root";
        let answer: StatedRoot = match self.ask_for(method, None, &json!(sessions), PATIENCE).await {
            Ok(answer) => answer,
            Err(ClientError::Refused { source, .. }) if source.code == RpcError::NO_METHOD => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let root = HistoryRoot::resume(answer.sessions, answer.peaks);
        let root = root.filter(|root| root.sessions() == sessions && root.root() == answer.root);
        let unreadable = || ClientError::Unreadable { url: self.url().to_owned(), method: method.to_owned() };
        root.map(Some).ok_or_else(unreadable)
    }
}

/// Returns the history root after the most sessions, up to `most`, for which both guardians state the same; `None` if
/// one of them states none. The number of requests grows with the logarithm of `most`.
///
/// # Errors
/// If a guardian cannot be reached, does not answer in time, or answers with an error.
pub(crate) async fn last_common_root(
    guardians: [&Guardian; 2],
    most: u64,
) -> Result<Option<HistoryRoot>, ClientError> {
    let [left, right] = guardians;
    let (mut common, mut first_other) = (HistoryRoot::new(), most.saturating_add(1));
    // Whole histories are mostly equal.
    let mut tried = most;
    while common.sessions() + 1 < first_other {
        let (left, right) = futures::join!(left.stated_root(tried), right.stated_root(tried));
        let (Some(left), Some(right)) = (left?, right?) else { return Ok(None) };
        match left.root() == right.root() {
            true => common = left,
            false => first_other = tried,
        }
        tried = common.sessions() + (first_other - common.sessions()) / 2;
    }
    Ok(Some(common))
}
