//! Items and signatures as people and programs see them.

use std::collections::BTreeMap;

use fm_audit::{KeyStanding, Signers};
use fm_cli::{PinnedKeys, group_digits};
use fm_history::{EntryItem, Hash, ItemKind, ModulePart, PeerId, printable, sha256};
use serde::Serialize;

use crate::decoded::PartLine;

/// The kinds of modules, by instance, as far as a configuration says them.
pub(crate) type Modules = BTreeMap<u16, String>;

/// Returns the modules that the given configuration names; empty if it is another federation's, whose modules
/// are others.
pub(crate) fn modules(keys: Option<&PinnedKeys>, is_of_others: bool) -> Modules {
    let config = keys.filter(|_| !is_of_others).and_then(|keys| keys.config.as_ref());
    config.map(|config| config.modules.clone()).unwrap_or_default()
}

/// Quotes a foreign name: one line, with every character visible.
pub(crate) fn in_quotes(name: &str) -> String {
    format!("\"{}\"", printable(name))
}

/// An item as JSON.
#[derive(Serialize)]
pub(crate) struct ItemLine<'a> {
    item: usize,
    #[serde(flatten)]
    pub(crate) facts: &'a EntryItem,
    /// For a transaction in a migrated directory: its id on the other side of the conversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_txid: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new_txid: Option<Hash>,
    /// What its parts say, where their modules are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) decoded: Vec<PartLine>,
    bytes: usize,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

pub(crate) fn item_json(item: usize, facts: &EntryItem, hex: bool) -> ItemLine<'_> {
    ItemLine {
        item,
        facts,
        old_txid: None,
        new_txid: None,
        decoded: Vec::new(),
        bytes: facts.bytes.len(),
        sha256: sha256(&[&facts.bytes]).to_string(),
        hex: hex.then(|| hex::encode(&facts.bytes)),
    }
}

/// Formats an item in one line, without its number.
pub(crate) fn item_text(item: &EntryItem, modules: &Modules) -> String {
    let what = match &item.kind {
        ItemKind::Transaction { txid, inputs, outputs } => format!(
            "transaction {txid}, inputs {}, outputs {}",
            parts_text(inputs, modules),
            parts_text(outputs, modules)
        ),
        ItemKind::Module(part) => format!("item of {}", part_text(part, modules)),
        ItemKind::Opaque => "opaque bytes".to_owned(),
        ItemKind::ClientConfigSignatureShare => "share of the client config's signature".to_owned(),
        ItemKind::EpochSignatureShare => "share of the signature over the epoch before".to_owned(),
        ItemKind::ConsensusUpgrade => "vote to stop for an upgrade".to_owned(),
        ItemKind::Unknown { variant } => format!("item of the unknown kind {variant}"),
    };
    let rejected = if item.rejected { " (rejected)" } else { "" };
    format!("from guardian {}, {} bytes: {what}{rejected}", item.peer, group_digits(item.bytes.len() as u64))
}

fn parts_text(parts: &[ModulePart], modules: &Modules) -> String {
    if parts.is_empty() {
        return "none".to_owned();
    }
    parts.iter().map(|part| part_text(part, modules)).collect::<Vec<_>>().join(" + ")
}

fn part_text(part: &ModulePart, modules: &Modules) -> String {
    let kind = modules.get(&part.module).map(|kind| format!(" ({kind})")).unwrap_or_default();
    format!("module {}{kind}", part.module)
}

/// Lists guardians' numbers.
pub(crate) fn peers_text(peers: &[PeerId]) -> String {
    if peers.is_empty() {
        return "nobody".to_owned();
    }
    let peers: Vec<String> = peers.iter().map(PeerId::to_string).collect();
    format!("guardian{} {}", if peers.len() == 1 { "" } else { "s" }, peers.join(", "))
}

/// Says who signed, in one line.
pub(crate) fn signers_text(signers: &Signers) -> String {
    let stored = match signers.federation {
        true => "the federation".to_owned(),
        false => peers_text(&signers.stored),
    };
    if let Some(own) = signers.own_index {
        return format!("nobody: the record says that its number is {}", group_digits(own));
    }
    if !signers.federation && signers.stored.is_empty() {
        return format!("nobody{}", if signers.threshold_met == Some(false) { " (NOT enough)" } else { "" });
    }
    match signers.keys {
        KeyStanding::None => format!("{stored}, UNCHECKED: no keys were given"),
        KeyStanding::OtherKind => {
            format!("{stored}, UNCHECKED: the keys given are not of the kind that signs this")
        }
        KeyStanding::Other => format!(
            "{stored}, UNCHECKED: the keys given are another federation's, and verify none of the signatures of this \
             history"
        ),
        KeyStanding::Given => checked_text(signers),
    }
}

/// Says whose signatures verify under the keys of this federation, and whose do not.
fn checked_text(signers: &Signers) -> String {
    let Some(valid) = &signers.valid else {
        return match signers.threshold_met {
            Some(true) => "the federation".to_owned(),
            _ => "nobody: the federation's signature does NOT verify".to_owned(),
        };
    };
    let invalid: Vec<PeerId> = signers.stored.iter().filter(|peer| !valid.contains(peer)).copied().collect();
    let bad = if invalid.is_empty() {
        String::new()
    } else {
        format!("; the signature of {} does NOT verify", peers_text(&invalid))
    };
    let enough = if signers.threshold_met == Some(true) { "" } else { " (NOT enough)" };
    format!("{}{enough}{bad}", peers_text(valid))
}
