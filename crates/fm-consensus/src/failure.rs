//! The federation agreed on something else than this node: the evidence for the operator who investigates it.
//!
//! Invariant: everything reported about the other side was signed by a threshold of guardians, or ordered by
//! them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use fm_datadir::DATABASE_NAME;
use fm_history::{PeerId, SessionHeader, Signatures};
use fm_store::quoted;
use serde::Serialize;

/// The kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The signed session does not begin with the items that were accepted here.
    ItemsDiffer,
    /// The signed session has another header than the one that was computed here.
    HeadersDiffer,
    /// The signed session has an item that this node does not accept.
    ItemRejected,
    /// Items that were accepted here are missing from the order of units.
    ItemsNotOrdered,
}

/// One side's list of items at the place where the lists diverge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The number of items in the list.
    pub items: u64,
    /// The header over the list, in hex.
    pub header: String,
    /// The list's item at that place (accepted item, in hex), if there is one.
    pub item: Option<String>,
    /// The guardian whose unit carried that item.
    pub peer: Option<PeerId>,
}

/// A consensus failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConsensusFailure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The session.
    pub session: u64,
    /// This guardian.
    pub guardian: PeerId,
    /// The first item in which the lists differ, if they do.
    pub first_difference: Option<u64>,
    /// This node's list.
    pub ours: Side,
    /// The federation's list, if it is known.
    pub theirs: Option<Side>,
    /// The signatures over the federation's header, in hex, by guardian.
    pub signatures: BTreeMap<PeerId, String>,
    /// Why this node does not accept the item.
    pub rejection: Option<String>,
}

impl fmt::Display for ConsensusFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FailureKind::ItemsDiffer => "the signed session does not begin with the items accepted here",
            FailureKind::HeadersDiffer => "the signed session is not the one computed here",
            FailureKind::ItemRejected => "the signed session has an item that is not accepted here",
            FailureKind::ItemsNotOrdered => "items accepted here do not occur in the order of units",
        };
        write!(f, "consensus failure in session {}", self.session)?;
        if let Some(item) = self.first_difference {
            write!(f, ", item {item}")?;
        }
        write!(f, ": {what}")?;
        self.rejection.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

impl std::error::Error for ConsensusFailure {}

/// The bundle as it is written: the failure, and what to do about it.
#[derive(Serialize)]
struct Bundle<'a> {
    #[serde(flatten)]
    failure: &'a ConsensusFailure,
    message: String,
    next: [String; 4],
}

impl ConsensusFailure {
    /// Returns the forensic bundle as JSON: the failure, and the next commands for a guardian's data
    /// directory; `OTHER` is a placeholder for another guardian's database, checkpoint or archive.
    pub fn to_json(&self, data_dir: &Path) -> String {
        let home = quoted(data_dir);
        let database = quoted(&data_dir.join(DATABASE_NAME));
        let checkpoint = self.session.saturating_sub(1);
        let next = [
            format!("fm-verify {database} --config {home}"),
            format!("fm-verify diff {database} OTHER"),
            format!(
                "fm-checkpoint restore --data-dir {home} --checkpoint {checkpoint} --compare OTHER --dry-run"
            ),
            format!("fm-checkpoint restore --data-dir {home} --checkpoint {checkpoint} --compare OTHER"),
        ];
        let bundle = Bundle { failure: self, message: self.to_string(), next };
        serde_json::to_string_pretty(&bundle).unwrap_or_else(|error| error.to_string())
    }
}

/// Returns a header in hex.
pub(crate) fn header_hex(header: SessionHeader) -> String {
    hex::encode(header.to_bytes())
}

/// Returns signatures in hex.
pub(crate) fn signatures_hex(signatures: &Signatures) -> BTreeMap<PeerId, String> {
    signatures.iter().map(|(peer, signature)| (*peer, hex::encode(signature))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_can_be_pasted() {
        let ours = Side { items: 1, header: String::new(), item: None, peer: None };
        let failure = ConsensusFailure {
            kind: FailureKind::HeadersDiffer,
            session: 8,
            guardian: 0,
            first_difference: None,
            ours,
            theirs: None,
            signatures: BTreeMap::new(),
            rejection: None,
        };
        let bundle: serde_json::Value =
            serde_json::from_str(&failure.to_json(Path::new("/srv/it's mine"))).unwrap();
        let home = r"'/srv/it'\''s mine'";
        let database = r"'/srv/it'\''s mine/database'";
        assert_eq!(bundle["next"][0], format!("fm-verify {database} --config {home}"));
        let restore = format!("fm-checkpoint restore --data-dir {home} --checkpoint 7 --compare OTHER");
        assert_eq!(bundle["next"][3], restore);
    }
}
