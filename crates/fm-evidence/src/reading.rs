//! What signatures do not show about a record: how its bytes are read, and on which level of the tree its
//! items are.
//!
//! Invariant: nothing about a record in a file from a remote party is called proven if another reading of the
//! signed bytes contradicts it.

use std::collections::BTreeMap;

use fm_audit::read_entry;
use fm_eras::block::{BlockLayout, decode_accepted_item, decode_block};
use fm_eras::hbbft::{self, decode_epoch};
use fm_eras::{Layout, broadcast, session};
use fm_history::{Block, Depth, Entry, EntryItem, Hash, MerkleRoot, convert_block, merkle_root_of_items};

use crate::proof_session::Form;

/// Returns why the signatures under a record do not show the content that it has in this layout; `None` if
/// they do.
pub(crate) fn doubt(index: u64, record: &[u8], layout: &Layout) -> Option<String> {
    let entry = read_entry(index, record, layout).ok()?;
    match layout {
        Layout::Hbbft(layout) => other_epoch(index, record, layout, &entry).map(|other| {
            format!(
                "in the layout {other} these bytes are another epoch, and no signature says which is meant"
            )
        }),
        Layout::Blocks(layout) => {
            let depth = decode_block(record, layout).ok()?.merkle.depth;
            doubt_of_items(&entry, Form { layout, is_known: false }, depth)
        }
    }
}

/// Returns another layout in which the record is an epoch of this number with other items.
pub(crate) fn other_epoch(
    index: u64,
    record: &[u8],
    layout: &hbbft::EpochLayout,
    entry: &Entry,
) -> Option<&'static str> {
    let is_other = |other: &hbbft::EpochLayout| {
        other.dialect != layout.dialect
            && decode_epoch(record, other).is_ok_and(|epoch| epoch.number == index)
            && read_entry(index, record, &Layout::Hbbft(*other)).is_ok_and(|other| other != *entry)
    };
    hbbft::EpochLayout::ALL.into_iter().find(is_other).map(|other| other.name())
}

fn doubt_of_items(entry: &Entry, form: Form, depth: Depth) -> Option<String> {
    let items = entry.known_items();
    let bytes: Vec<&[u8]> = items.iter().map(|item| item.bytes.as_slice()).collect();
    // Pairs of nodes that any layout reads as items, not only the one that the file names.
    let found = merkle_root_of_items(&bytes, |pair| form.readings(pair).next().is_some()).depth;
    if found == Depth::Shallower || depth == Depth::Shallower {
        return Some("a shorter list, whose items are the hashes of these, has the same header".to_owned());
    }
    if found == Depth::MaybeDeeper {
        let reason = "every item has 64 bytes, as two hashes have: a longer list may have the same header";
        return Some(reason.to_owned());
    }
    other_list(items, form).map(|other| {
        format!("in the layout {other} these items are others, and no signature says which are meant")
    })
}

/// Returns another layout in which all of these are items and one of them is another item.
fn other_list(items: &[EntryItem], form: Form) -> Option<&'static str> {
    let mut common: Option<BTreeMap<&'static str, bool>> = None;
    for item in items {
        let readings: BTreeMap<&'static str, bool> = form
            .readings(&item.bytes)
            .map(|(layout, other)| (layout.name, (other.peer, &other.kind) != (item.peer, &item.kind)))
            .collect();
        common = Some(match common {
            None => readings,
            Some(common) => {
                let both =
                    |(name, differs): (&'static str, bool)| Some((name, differs | *readings.get(name)?));
                common.into_iter().filter_map(both).collect()
            }
        });
    }
    common?.into_iter().find(|(_, differs)| *differs).map(|(name, _)| name)
}

/// Returns whether the conversion rule can have made the session with this root from a block with these
/// items, in any layout.
///
/// Guardians who seal a conversion sign the block and the session with the same keys and the same number.
pub(crate) fn is_conversion(from: &Entry, root: Hash) -> bool {
    let layouts = broadcast::LAYOUTS.iter().chain(session::LAYOUTS);
    layouts.filter(|layout| !layout.is_modern()).any(|layout| converted_root(from, layout) == Some(root))
}

fn converted_root(from: &Entry, layout: &BlockLayout) -> Option<Hash> {
    let item = |item: &EntryItem| decode_accepted_item(&item.bytes, layout).ok();
    let items = from.items.as_ref()?.iter().map(item).collect::<Option<Vec<_>>>()?;
    let merkle =
        MerkleRoot { root: from.hash, ambiguous: from.ambiguous, repeated: 0, depth: Depth::default() };
    let block = Block { index: None, items, merkle, signatures: BTreeMap::new() };
    Some(convert_block(from.index, &block, false).leaf.header.root)
}
