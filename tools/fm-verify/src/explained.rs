//! A difference between two histories, for people and as JSON.

use fm_audit::Signers;
use fm_cli::{Failure, Output, group_digits};
use fm_eras::Layout;
use fm_evidence::{CompareForm, ExplainedSide, Explanation};
use fm_history::{DiffClass, Entry, EntryItem, Hash, PeerId};
use serde::Serialize;

use crate::show_converted::{Converted, OriginalLine, with_other_id};
use crate::view::{ItemLine, Modules, item_json, item_text, peers_text, signers_text};

/// A difference with the names of its sides.
pub(crate) struct Explained<'a> {
    pub(crate) explanation: &'a Explanation,
    pub(crate) layouts: [&'a Layout; 2],
    /// What the sessions of each side were made from, if the side is a migrated directory.
    pub(crate) converted: [Option<&'a Converted>; 2],
    pub(crate) modules: &'a Modules,
    pub(crate) hex: bool,
}

#[derive(Serialize)]
struct DifferenceLine<'a> {
    r#type: &'static str,
    session: u64,
    class: DiffClass,
    change: DiffClass,
    item: Option<usize>,
    by_rule: bool,
    equivocators: &'a [PeerId],
    left: SideLine<'a>,
    right: SideLine<'a>,
}

#[derive(Serialize)]
struct SideLine<'a> {
    era: &'static str,
    layout: &'static str,
    /// The hash that the signatures are over.
    signed_hash: Option<Hash>,
    /// The root or hash in the form that is compared.
    hash: Option<Hash>,
    items: Option<usize>,
    ambiguous: Option<bool>,
    last_hash: Option<Hash>,
    undecodable: Option<&'a str>,
    signatures: &'a Signers,
    /// What a session of a migrated directory was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<OriginalLine<'a>>,
    /// The first item that differs.
    item: Option<ItemLine<'a>>,
}

impl Explained<'_> {
    fn side<'a>(&'a self, place: usize, side: &'a ExplainedSide) -> SideLine<'a> {
        let entry = side.entry.as_ref().and_then(|entry| entry.as_ref().ok());
        let converted = self.converted[place];
        let line = |(number, item)| with_other_id(item_json(number, item, self.hex), converted, item);
        SideLine {
            era: self.layouts[place].era().as_str(),
            layout: self.layouts[place].name(),
            signed_hash: side.signed_hash,
            hash: entry.map(|entry| entry.hash),
            items: entry.and_then(|entry| entry.items.as_ref()).map(Vec::len),
            ambiguous: entry.map(|entry| entry.ambiguous),
            last_hash: entry.and_then(|entry| entry.last_hash),
            undecodable: side.entry.as_ref().and_then(|entry| entry.as_ref().err()).map(String::as_str),
            signatures: &side.signers,
            original: converted.map(Converted::line),
            item: self.first_item(side).map(line),
        }
    }

    /// Returns the first item that differs, if this side has one there.
    fn first_item<'a>(&self, side: &'a ExplainedSide) -> Option<(usize, &'a EntryItem)> {
        let number = self.explanation.item?;
        let Some(Ok(entry)) = &side.entry else { return None };
        entry.known_items().get(number).map(|item| (number, item))
    }

    pub(crate) fn json(&self, output: &mut Output) -> Result<(), Failure> {
        let found = self.explanation;
        output.json(&DifferenceLine {
            r#type: "difference",
            session: found.index,
            class: found.class,
            change: found.change,
            item: found.item,
            by_rule: found.form == CompareForm::Ruled,
            equivocators: &found.equivocators,
            left: self.side(0, &found.left),
            right: self.side(1, &found.right),
        })
    }

    pub(crate) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let found = self.explanation;
        let from = found.item.map(|item| format!(", first at item {}", group_digits(item as u64)));
        output.line(&format!(
            "differs    {} {}{}: {} ({})",
            self.what(),
            group_digits(found.index),
            from.unwrap_or_default(),
            found.change,
            meaning(found)
        ))?;
        for (place, (name, side)) in [("left ", &found.left), ("right", &found.right)].into_iter().enumerate()
        {
            self.print_side(output, name, side, self.converted[place])?;
        }
        if found.class == DiffClass::Equivocation {
            output.line(&format!("signed two {}", self.equivocation()))?;
        }
        Ok(())
    }

    fn print_side(
        &self,
        output: &mut Output,
        name: &str,
        side: &ExplainedSide,
        converted: Option<&Converted>,
    ) -> Result<(), Failure> {
        let entry = match &side.entry {
            None => return output.line(&format!("{name}      nothing")),
            Some(Err(reason)) => return output.line(&format!("{name}      unreadable: {reason}")),
            Some(Ok(entry)) => entry,
        };
        output.line(&format!("{name}      {}", entry_text(entry)))?;
        match converted {
            Some(converted) => {
                output.line(&format!("           signed by {}", Converted::sealed_text(&side.signers)))?;
                output.line(&format!("           made from {}", converted.text()))?;
            }
            None => output.line(&format!("           signed by {}", signers_text(&side.signers)))?,
        }
        let Some((number, item)) = self.first_item(side) else {
            return match self.explanation.item {
                Some(number) => output.line(&format!("           no item {}", group_digits(number as u64))),
                None => Ok(()),
            };
        };
        let text = item_text(item, self.modules);
        output.line(&format!("           item {} {text}", group_digits(number as u64)))?;
        if let Some(other) = converted.and_then(|converted| converted.other_id(item)) {
            output.line(&format!("           {other}"))?;
        }
        if self.hex {
            output.line(&format!("           {}", hex::encode(&item.bytes)))?;
        }
        Ok(())
    }

    /// Returns the word for what the numbers count.
    pub(crate) fn what(&self) -> &'static str {
        let is_epoch = |layout: &&Layout| matches!(layout, Layout::Hbbft(_));
        if self.layouts.iter().all(is_epoch) { "epoch" } else { "session" }
    }

    /// Says who signed two headers.
    pub(crate) fn equivocation(&self) -> String {
        let index = group_digits(self.explanation.index);
        if self.explanation.equivocators.is_empty() {
            return format!("the federation's key signed two different hashes for epoch {index}");
        }
        let peers = peers_text(&self.explanation.equivocators);
        format!("{peers} signed two different headers for session {index}")
    }
}

fn entry_text(entry: &Entry) -> String {
    let items = entry.items.as_ref().map_or_else(
        || "items that the layout hides".to_owned(),
        |items| format!("{} items", group_digits(items.len() as u64)),
    );
    let repeated = if entry.ambiguous { ", its tail repeated" } else { "" };
    let last = entry.last_hash.map(|last| format!(" after {last}")).unwrap_or_default();
    format!("{items}{repeated}, {}{last}", entry.hash)
}

fn meaning(found: &Explanation) -> &'static str {
    match (found.change, found.item) {
        (DiffClass::OtherSignatures, _) => "the same content, other signatures stored",
        (DiffClass::Reordered, _) => "the same items in another order",
        (DiffClass::ExtraTail, _) => "one list continues where the other ends",
        (DiffClass::MerkleMutation, _) => "other lists with the same header: signatures fit both",
        (DiffClass::Missing, _) => "one side has a hole there",
        (DiffClass::Shorter, _) => "one side ends before it; what it has is a beginning of the other",
        (DiffClass::Undecodable, _) => "it cannot be read",
        (DiffClass::DifferentContent, Some(_)) => "other items",
        (DiffClass::DifferentContent | DiffClass::Equivocation, _) => {
            "another hash before, other rejected transactions, or items that the layout hides"
        }
    }
}
