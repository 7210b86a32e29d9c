//! `show`: one session, block or epoch, or an item in it.

use fm_audit::{Control, Origin, Signers, Source, read_entry};
use fm_cli::{
    Exit, Failure, NamedKeys, Output, PinnedKeys, TerminalProgress, group_digits, interrupt_flag,
    trust_root_line, trusted,
};
use fm_eras::Layout;
use fm_history::{Entry, Hash};
use serde::Serialize;

use crate::args::{PlaceArgs, ShowArgs};
use crate::decoded::{decoded, registry};
use crate::opened::Opening;
use crate::show_converted::{Converted, OriginalLine, with_other_id};
use crate::show_open;
use crate::show_unit::{self, Shown};
use crate::view::{ItemLine, Modules, item_json, item_text, modules, signers_text};

/// The number of items printed for people; the rest are only counted.
pub(crate) const MOST_PRINTED: usize = 1000;

#[derive(Serialize)]
struct EntryLine<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    era: &'static str,
    layout: &'static str,
    hash: Hash,
    ambiguous: bool,
    items: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_hash: Option<Hash>,
    signatures: &'a Signers,
    /// What a session of a migrated directory was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<OriginalLine<'a>>,
    modules: &'a Modules,
    keys: Option<NamedKeys>,
    list: Vec<ItemLine<'a>>,
}

/// A record that was found, and the item in it that was asked for.
pub(crate) struct Found {
    pub(crate) index: u64,
    pub(crate) record: Vec<u8>,
    pub(crate) layout: Layout,
    pub(crate) entry: Entry,
    pub(crate) item: Option<usize>,
}

impl Found {
    /// Returns the word for such a record.
    pub(crate) fn what(&self) -> &'static str {
        match self.layout {
            Layout::Hbbft(_) => "epoch",
            Layout::Blocks(layout) if layout.is_modern() => "session",
            Layout::Blocks(_) => "block",
        }
    }
}

pub(crate) fn run(arguments: &ShowArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let opening = Opening::begin(&arguments.source, &arguments.keys, &arguments.federation)?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let (source, keys) = opening.source(&arguments.source, layout, control)?;
    let layouts = [source.original().layout, source.history().layout];
    let fits = |keys: &PinnedKeys| layouts.iter().any(|layout| keys.of_history(layout).is_ok());
    let keys = keys.filter(|keys| !keys.is_found || fits(keys));
    let is_unit = arguments.unit.is_some();
    let history = if is_unit { source.original() } else { history_of(&source, &arguments.place) };
    let has_other_keys = history.has_other_keys(trusted(keys.as_ref()), control)?;
    let modules = modules(keys.as_ref(), has_other_keys);
    let registry = registry(keys.as_ref(), has_other_keys);
    let (hex, json) = (arguments.hex, arguments.json);
    let shown = Shown { modules: &modules, hex, json, keys: keys.as_ref(), has_other_keys };
    if let Some(name) = arguments.unit {
        return show_unit::run(&source, name, &shown);
    }
    if let Some(stored) = show_open::named(&history, &arguments.place)? {
        return show_open::run(&stored, arguments.place.item, &shown);
    }
    let found = find(&source, &arguments.place, control)?;
    let signers = history.signers(found.index, &found.record, trusted(keys.as_ref()), control)?;
    let converted = Converted::of(&source, &found.entry, trusted(keys.as_ref()), control)?;
    drop(progress);
    let mut output = Output::default();
    let layouts = [&found.layout, &found.layout];
    if json {
        let keys = NamedKeys::of(keys.as_ref(), layouts);
        let mut line = entry_line(&found, &signers, converted.as_ref(), &modules, keys, hex);
        for item in &mut line.list {
            item.decoded = decoded(item.facts, &found.layout, registry.as_ref());
        }
        output.json(&line)?;
    } else {
        output.line(&trust_root_line(keys.as_ref(), layouts))?;
        print(&mut output, &found, &signers, converted.as_ref(), &modules, hex)?;
        let item = found.item.and_then(|item| found.entry.known_items().get(item));
        for part in item.map(|item| decoded(item, &found.layout, registry.as_ref())).into_iter().flatten() {
            output.line(&format!("           {}", part.text()))?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the history that the user means: of a migrated directory the old epochs, or the new sessions.
fn history_of<'a>(source: &'a Source, place: &PlaceArgs) -> Origin<'a> {
    if place.epoch.is_some() { source.original() } else { source.history() }
}

/// Finds and decodes what the user named.
pub(crate) fn find(source: &Source, place: &PlaceArgs, control: Control<'_>) -> Result<Found, Failure> {
    let history = history_of(source, place);
    let path = history.path.display();
    let is_epochs = matches!(history.layout, Layout::Hbbft(_));
    let (index, item) = match (place.session, place.epoch, place.txid) {
        (Some(_), ..) if is_epochs => {
            return Err(Failure::new(Exit::Usage, format!("{path} has no sessions, but epochs"))
                .hint("name one with --epoch"));
        }
        (_, Some(_), _) if !is_epochs => {
            return Err(Failure::new(Exit::Usage, format!("{path} has no epochs, but sessions or blocks"))
                .hint("name one with --session"));
        }
        (Some(index), ..) | (_, Some(index), _) => (index, place.item),
        (.., Some(txid)) => {
            let at = match history.find_transaction(txid, control)? {
                Some(at) => Some(at),
                None => source.find_old_transaction(txid, control)?,
            };
            let at = at.ok_or_else(|| {
                Failure::new(Exit::Findings, format!("no transaction {txid} was accepted in {path}"))
            })?;
            (at.0, Some(at.1))
        }
        _ => return Err(Failure::new(Exit::Usage, "--item counts in a session or epoch: name it")),
    };
    take(&history, index, item)
}

fn take(history: &Origin<'_>, index: u64, item: Option<usize>) -> Result<Found, Failure> {
    let (path, layout) = (history.path.display(), history.layout);
    let what = if matches!(layout, Layout::Hbbft(_)) { "epoch" } else { "session" };
    let record = history.record(index)?;
    let Some(record) = record else {
        return Err(match show_open::open(history, index)? {
            Some(stored) => show_open::unsigned(&stored),
            None => Failure::new(Exit::Findings, format!("{path} has no {what} {}", group_digits(index))),
        });
    };
    let entry = read_entry(index, &record, &layout).map_err(|reason| {
        Failure::new(Exit::CannotLook, format!("{what} {index} of {path} does not decode: {reason}"))
    })?;
    let count = entry.known_items().len();
    if let Some(item) = item.filter(|item| *item >= count) {
        let message =
            format!("{what} {index} of {path} has no item {item}: it has {count} item(s), counted from 0");
        return Err(Failure::new(Exit::Findings, message));
    }
    Ok(Found { index, record, layout, entry, item })
}

/// Checks whether this is a record of the old history: a migrated directory shows both.
fn is_original(found: &Found) -> bool {
    !matches!(found.layout, Layout::Blocks(layout) if layout.is_modern())
}

fn entry_line<'a>(
    found: &'a Found,
    signatures: &'a Signers,
    converted: Option<&'a Converted>,
    modules: &'a Modules,
    keys: Option<NamedKeys>,
    hex: bool,
) -> EntryLine<'a> {
    let is_epoch = matches!(found.layout, Layout::Hbbft(_));
    let shown = found.entry.known_items().iter().enumerate();
    let list = shown.filter(|(number, _)| found.item.is_none_or(|item| item == *number));
    EntryLine {
        r#type: if is_epoch { "epoch" } else { "session" },
        session: (!is_epoch).then_some(found.index),
        epoch: is_epoch.then_some(found.index),
        era: found.layout.era().as_str(),
        layout: found.layout.name(),
        hash: found.entry.hash,
        ambiguous: found.entry.ambiguous,
        items: found.entry.items.as_ref().map(Vec::len),
        last_hash: found.entry.last_hash,
        signatures,
        original: converted.filter(|_| !is_original(found)).map(Converted::line),
        modules,
        keys,
        list: list
            .map(|(number, item)| with_other_id(item_json(number, item, hex), converted, item))
            .collect(),
    }
}

fn print(
    output: &mut Output,
    found: &Found,
    signers: &Signers,
    converted: Option<&Converted>,
    modules: &Modules,
    hex: bool,
) -> Result<(), Failure> {
    let (entry, layout) = (&found.entry, &found.layout);
    let is_epoch = matches!(layout, Layout::Hbbft(_));
    let what = if is_epoch { "epoch     " } else { "session   " };
    let items = entry.items.as_ref().map_or_else(
        || "items that the layout hides".to_owned(),
        |items| format!("{} items", group_digits(items.len() as u64)),
    );
    let index = group_digits(found.index);
    output.line(&format!("{what} {index} of era {} ({}), {items}", layout.era(), layout.name()))?;
    output.line(&format!("{} {}", if is_epoch { "hash      " } else { "header    " }, entry.hash))?;
    if let Some(last) = entry.last_hash {
        output.line(&format!("before     {last}"))?;
    }
    if entry.ambiguous {
        output.line("           another list of items, with a shorter tail, has the same root")?;
    }
    match converted.filter(|_| !is_original(found)) {
        Some(converted) => {
            output.line(&format!("signed by  {}", Converted::sealed_text(signers)))?;
            output.line(&format!("made from  {}", converted.text()))?;
        }
        None => output.line(&format!("signed by  {}", signers_text(signers)))?,
    }
    let shown = entry.known_items().iter().enumerate();
    let shown = shown.filter(|(number, _)| found.item.is_none_or(|item| item == *number));
    for (number, item) in shown.take(MOST_PRINTED) {
        output.line(&format!("item       {} {}", group_digits(number as u64), item_text(item, modules)))?;
        if let Some(other) = converted.and_then(|converted| converted.other_id(item)) {
            output.line(&format!("           {other}"))?;
        }
        if hex {
            output.line(&format!("           {}", hex::encode(&item.bytes)))?;
        }
    }
    let more = entry.known_items().len().saturating_sub(MOST_PRINTED);
    if found.item.is_none() && more > 0 {
        let more = group_digits(more as u64);
        output.line(&format!("           … and {more} more items (--json prints all)"))?;
    }
    Ok(())
}
