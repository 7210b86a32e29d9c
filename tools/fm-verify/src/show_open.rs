//! `show --session` of the session in progress: its accepted items, which nobody has signed.
//!
//! Only databases and archives with accepted items have one. A guardian that is alone in its federation makes
//! no units, so the items are all there is.

use fm_audit::Origin;
use fm_audit::StoredUnits;
use fm_cli::{Exit, Failure, Output, group_digits};
use fm_eras::Layout;
use fm_eras::block::decode_accepted_item;
use fm_history::EntryItem;
use serde::Serialize;

use crate::args::PlaceArgs;
use crate::show::MOST_PRINTED;
use crate::show_unit::Shown;
use crate::view::{ItemLine, Modules, item_json, item_text};

#[derive(Serialize)]
struct OpenLine<'a> {
    r#type: &'static str,
    session: u64,
    era: &'static str,
    layout: &'static str,
    items: usize,
    modules: &'a Modules,
    list: Vec<ItemLine<'a>>,
}

/// Returns the session in progress, if the user named it.
pub(crate) fn named(history: &Origin<'_>, place: &PlaceArgs) -> Result<Option<StoredUnits>, Failure> {
    let Some(index) = place.session else { return Ok(None) };
    // A finished session is not in progress: its accepted items are gone.
    if matches!(history.layout, Layout::Hbbft(_)) || history.record(index)?.is_some() {
        return Ok(None);
    }
    open(history, index)
}

/// Returns the session in progress, if it has this number and anything was accepted in it.
pub(crate) fn open(history: &Origin<'_>, index: u64) -> Result<Option<StoredUnits>, Failure> {
    if matches!(history.layout, Layout::Hbbft(_)) {
        return Ok(None);
    }
    // Units in an unknown form leave the items readable; `fm-migrate units` reports such units.
    let Ok(stored) = StoredUnits::read(*history) else { return Ok(None) };
    Ok(Some(stored).filter(|stored| stored.open == index && !stored.accepted.is_empty()))
}

/// Says why no signature certifies the items.
pub(crate) fn unsigned(stored: &StoredUnits) -> Failure {
    let (session, items) = (group_digits(stored.open), group_digits(stored.accepted.len() as u64));
    let message = format!(
        "session {session} of {} is in progress: nobody has signed its {items} accepted items yet",
        stored.path.display()
    );
    Failure::new(Exit::Findings, message)
        .hint(format!("`fm-verify show --session {} DIR` shows them", stored.open))
}

/// Shows the accepted items, or one of them.
pub(crate) fn run(stored: &StoredUnits, item: Option<usize>, shown: &Shown<'_>) -> Result<Exit, Failure> {
    let count = stored.accepted.len();
    let (path, session) = (stored.path.display(), group_digits(stored.open));
    if let Some(item) = item.filter(|item| *item >= count) {
        let message = format!(
            "session {session} of {path}, which is in progress, has no item {item}: it has {count} item(s), counted from 0"
        );
        return Err(Failure::new(Exit::Findings, message));
    }
    let read = |(number, (_, value)): (usize, &(Vec<u8>, Vec<u8>))| {
        let content = decode_accepted_item(value, stored.layout).map_err(|error| {
            let message =
                format!("accepted item {number} of session {session} of {path} does not decode: {error}");
            Failure::new(Exit::CannotLook, message)
        })?;
        Ok((number, EntryItem::of_block(&content, value.clone())))
    };
    let chosen =
        stored.accepted.iter().enumerate().filter(|(number, _)| item.is_none_or(|item| item == *number));
    let items = chosen.map(read).collect::<Result<Vec<_>, Failure>>()?;
    let mut output = Output::default();
    if shown.json {
        output.json(&OpenLine {
            r#type: "open_session",
            session: stored.open,
            era: stored.layout.era.as_str(),
            layout: stored.layout.name,
            items: count,
            modules: shown.modules,
            list: items.iter().map(|(number, item)| item_json(*number, item, shown.hex)).collect(),
        })?;
        return Ok(Exit::Done);
    }
    let (era, layout, all) = (stored.layout.era, stored.layout.name, group_digits(count as u64));
    output
        .line(&format!("session    {session} of era {era} ({layout}), in progress: {all} accepted items"))?;
    output.line("signed by  nobody: this guardian's word only")?;
    for (number, item) in items.iter().take(MOST_PRINTED) {
        output.line(&format!(
            "item       {} {}",
            group_digits(*number as u64),
            item_text(item, shown.modules)
        ))?;
        if shown.hex {
            output.line(&format!("           {}", hex::encode(&item.bytes)))?;
        }
    }
    if let Some(more) = items.len().checked_sub(MOST_PRINTED).filter(|more| *more > 0) {
        let more = group_digits(more as u64);
        output.line(&format!("           … and {more} more items (--json prints all)"))?;
    }
    Ok(Exit::Done)
}
