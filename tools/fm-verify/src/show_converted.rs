//! A session of a migrated directory and the epoch or block that it was made from: who signed the original,
//! and the two ids of a transaction.

use fm_audit::{Control, Original, Signers, Source, TrustedKeys};
use fm_cli::{Failure, group_digits};
use fm_eras::Layout;
use fm_history::{CarriedTransaction, Entry, EntryItem};
use serde::Serialize;

use crate::view::{ItemLine, signers_text};

/// What a session was made from, and who signed the original.
pub(crate) struct Converted {
    original: Original,
    signers: Signers,
    /// Whether the rule, applied to the original, makes the session that is shown.
    by_rule: bool,
}

/// The same as JSON.
#[derive(Serialize)]
pub(crate) struct OriginalLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    era: &'static str,
    layout: &'static str,
    by_rule: bool,
    signatures: &'a Signers,
}

impl Converted {
    /// Looks up what an entry was made from; returns none if nothing was converted.
    pub(crate) fn of(
        source: &Source,
        entry: &Entry,
        keys: TrustedKeys<'_>,
        control: Control<'_>,
    ) -> Result<Option<Self>, Failure> {
        let Some(original) = source.original_of(entry.index)? else { return Ok(None) };
        let signers = source.original().signers(original.index, &original.record, keys, control)?;
        let by_rule = entry.hash == original.leaf.header.root
            && entry.known_items().len() as u64 == original.leaf.items;
        Ok(Some(Self { original, signers, by_rule }))
    }

    fn is_epoch(&self) -> bool {
        matches!(self.original.layout, Layout::Hbbft(_))
    }

    pub(crate) fn line(&self) -> OriginalLine<'_> {
        let (index, is_epoch) = (self.original.index, self.is_epoch());
        OriginalLine {
            session: (!is_epoch).then_some(index),
            epoch: is_epoch.then_some(index),
            era: self.original.layout.era().as_str(),
            layout: self.original.layout.name(),
            by_rule: self.by_rule,
            signatures: &self.signers,
        }
    }

    /// Says who signed the session itself; until it is sealed, nobody did.
    pub(crate) fn sealed_text(signers: &Signers) -> String {
        match signers.stored.is_empty() {
            true => "no guardian since the conversion".to_owned(),
            false => signers_text(signers),
        }
    }

    /// Says what it was made from.
    pub(crate) fn text(&self) -> String {
        let what = if self.is_epoch() { "epoch" } else { "block" };
        let covered = match (self.is_epoch(), self.signers.federation) {
            (true, false) => " itself; the hash chain of a later one may cover it",
            _ => "",
        };
        let index = group_digits(self.original.index);
        let rule = if self.by_rule { "" } else { "; the session is NOT what the rule makes of it" };
        format!("{what} {index}, signed by {}{covered}{rule}", signers_text(&self.signers))
    }

    fn transaction(&self, item: &EntryItem) -> Option<&CarriedTransaction> {
        let txid = item.kind.txid()?;
        let mut carried = self.original.transactions.iter();
        carried.find(|carried| carried.txid == txid || carried.old_txid == txid)
    }

    /// Says which id a transaction has on the other side of the conversion.
    pub(crate) fn other_id(&self, item: &EntryItem) -> Option<String> {
        let carried = self.transaction(item).filter(|carried| carried.txid != carried.old_txid)?;
        Some(match item.kind.txid() == Some(carried.txid) {
            true => format!("id before the conversion: {}", carried.old_txid),
            false => format!("id since the conversion: {}", carried.txid),
        })
    }
}

/// Adds to a transaction the id that it has on the other side of the conversion.
pub(crate) fn with_other_id<'a>(
    mut line: ItemLine<'a>,
    converted: Option<&Converted>,
    item: &EntryItem,
) -> ItemLine<'a> {
    let Some(carried) = converted.and_then(|converted| converted.transaction(item)) else { return line };
    let is_new = item.kind.txid() == Some(carried.txid);
    line.old_txid = is_new.then_some(carried.old_txid);
    line.new_txid = (!is_new).then_some(carried.txid);
    line
}
