//! Finds where and how two copies of the same session, block or epoch differ.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Entry, EntryItem};

/// The kind of difference between two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiffClass {
    /// The same content under other signatures: the agreed content does not differ.
    OtherSignatures,
    /// The same items in another order.
    Reordered,
    /// One list is the beginning of the other.
    ExtraTail,
    /// Other lists of items with the same header, which no signature distinguishes.
    MerkleMutation,
    /// One side has no such session, but continues after it.
    Missing,
    /// One side ends before this session.
    Shorter,
    /// One or both sides cannot be read.
    Undecodable,
    /// Other items, or a different end of an epoch.
    DifferentContent,
    /// Other content, and the same guardians signed both.
    Equivocation,
}

impl DiffClass {
    /// Returns the name for outputs and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherSignatures => "other-signatures",
            Self::Reordered => "reordered",
            Self::ExtraTail => "extra-tail",
            Self::MerkleMutation => "merkle-mutation",
            Self::Missing => "missing",
            Self::Shorter => "shorter",
            Self::Undecodable => "undecodable",
            Self::DifferentContent => "different-content",
            Self::Equivocation => "equivocation",
        }
    }
}

impl fmt::Display for DiffClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of a difference, and the first item that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The kind.
    pub class: DiffClass,
    /// The first item that differs, if the difference is in the items.
    pub item: Option<usize>,
}

/// Compares two copies. Equal content has the class `OtherSignatures`, whatever the signatures are.
pub fn compare_entries(left: &Entry, right: &Entry) -> Difference {
    let (Some(left_items), Some(right_items)) = (&left.items, &right.items) else {
        let is_equal = left.hash == right.hash;
        let class = if is_equal { DiffClass::OtherSignatures } else { DiffClass::DifferentContent };
        return Difference { class, item: None };
    };
    let item = first_difference(left_items, right_items);
    let class = match (item, left.hash == right.hash) {
        (None, true) => DiffClass::OtherSignatures,
        // Of epochs: another previous hash, or other rejected transactions.
        (None, false) => DiffClass::DifferentContent,
        (Some(_), true) => DiffClass::MerkleMutation,
        (Some(item), false) if item == left_items.len().min(right_items.len()) => DiffClass::ExtraTail,
        (Some(_), false) if counts(left_items) == counts(right_items) => DiffClass::Reordered,
        (Some(_), false) => DiffClass::DifferentContent,
    };
    Difference { class, item }
}

/// Returns the first place at which two lists differ; if one is the beginning of the other, the length of the
/// shorter one.
fn first_difference(left: &[EntryItem], right: &[EntryItem]) -> Option<usize> {
    let same = left.iter().zip(right).take_while(|(left, right)| same_item(left, right)).count();
    (same < left.len().max(right.len())).then_some(same)
}

/// Returns whether two items are equal; the proposer of an epoch's item is not in its bytes.
fn same_item(left: &EntryItem, right: &EntryItem) -> bool {
    left.bytes == right.bytes && left.peer == right.peer
}

/// Counts how often each item occurs.
fn counts(items: &[EntryItem]) -> BTreeMap<(u16, &[u8]), usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry((item.peer, item.bytes.as_slice())).or_default() += 1;
    }
    counts
}
