//! `units --replay`: the library's order, compared with the accepted items of every database.

use fm_audit::StoredUnits;
use fm_cli::{Exit, Failure, Output, PinnedKeys, group_digits};
use fm_crypto::SessionKeys;
use fm_history::{Code, Finding, Place};
use fm_replay::{Comparison, Ordered, Replay, ReplayError, compare, replay as order_again};
use fm_units::ItemEncoding;
use serde::Serialize;

use super::Session;

/// The result of replaying a session.
pub(super) struct Replayed<'a> {
    /// The order of the units.
    pub(super) order: Replay,
    /// The items in that order.
    pub(super) items: Vec<Ordered<'a>>,
    /// The databases, by their position on the command line, and the comparison with their items.
    pub(super) databases: Vec<(String, usize, Comparison)>,
    /// Findings for accepted items that are not in the order.
    pub(super) findings: Vec<Finding>,
}

#[derive(Serialize)]
struct ReplayLine {
    r#type: &'static str,
    session: u64,
    library: &'static str,
    units: usize,
    units_ordered: usize,
    items_ordered: usize,
    databases: Vec<DatabaseLine>,
}

#[derive(Serialize)]
struct DatabaseLine {
    path: String,
    accepted: usize,
    missing: usize,
    discarded: usize,
    behind: usize,
    /// Ordered items past the end of the session; none if its rounds are not known.
    past_end: Option<usize>,
}

#[derive(Serialize)]
struct OrderedLine {
    r#type: &'static str,
    session: u64,
    place: usize,
    round: u16,
    peer: u64,
    accepted: bool,
    /// Null if the rounds of the session are not known.
    past_end: Option<bool>,
    bytes: String,
}

/// Orders a session again and compares.
pub(super) fn replay<'a>(session: &Session<'a>, all: &[StoredUnits]) -> Result<Replayed<'a>, Failure> {
    if session.encoding == ItemEncoding::Older {
        let message = "items from before v0.2 are not ordered again: their encoding cannot be compared";
        return Err(Failure::new(Exit::Usage, message).hint("leave --replay out"));
    }
    let order = order_again(&session.dag, session.keys.as_ref()).map_err(|error| {
        let exit = if matches!(error, ReplayError::NoLibrary { .. }) { Exit::Usage } else { Exit::Findings };
        Failure::from_error(exit, &error).hint("without --replay, all that can be said is shown")
    })?;
    let items = order.items(&session.dag, session.encoding, session.rounds);
    let (mut databases, mut findings) = (Vec::new(), Vec::new());
    for stored in session.databases.iter().map(|place| &all[*place]) {
        let path = stored.path.display().to_string();
        let accepted = stored.accepted_items().ok_or_else(|| {
            let message = format!("{path}: an accepted item of the open session does not decode");
            Failure::new(Exit::Findings, message).hint("`fm-verify` names the record")
        })?;
        let compared = compare(&items, &accepted);
        if compared.missing > 0 {
            let first = compared.accepted.len();
            let place = Place { item: Some(first as u64), ..Place::session(session.dag.session) };
            let text = format!(
                "{path}: {} of {} accepted items are not in the order of the units, from item {first} on",
                compared.missing,
                accepted.len()
            );
            findings.push(Finding::new(Code::AcceptedItemNotOrdered, place, text));
        }
        databases.push((path, accepted.len(), compared));
    }
    Ok(Replayed { order, items, databases, findings })
}

/// Returns findings for the accepted items of a database that holds no unit that could have ordered them. A
/// single guardian makes no units.
pub(super) fn without_units(stored: &StoredUnits, keys: Option<&PinnedKeys>) -> Option<Finding> {
    let guardians = keys.and_then(|keys| keys.session.as_ref()).map(SessionKeys::guardians);
    if guardians == Some(1) || stored.accepted.is_empty() || !stored.backups.is_empty() {
        return None;
    }
    let (path, accepted) = (stored.path.display(), stored.accepted.len());
    let text = format!("{path}: {accepted} accepted items, and not one unit that has ordered them");
    Some(Finding::new(Code::AcceptedItemNotOrdered, Place::everywhere(), text))
}

/// Prints the order.
pub(super) fn print(
    output: &mut Output,
    session: &Session<'_>,
    replayed: &Replayed<'_>,
    json: bool,
) -> Result<(), Failure> {
    if json {
        return print_json(output, session, replayed);
    }
    let digits = |number: usize| group_digits(number as u64);
    output.line(&format!(
        "replay     {} ordered {} of {} units, with {} items",
        replayed.order.library,
        digits(replayed.order.order.len()),
        digits(session.dag.nodes.len()),
        digits(replayed.items.len())
    ))?;
    for (path, stored, compared) in &replayed.databases {
        let past_end = match (session.rounds, compared.past_end) {
            (Some(rounds), 1..) => format!(
                ", {} are past the end of the session at round {} and do not count",
                digits(compared.past_end),
                group_digits(rounds.into())
            ),
            _ => String::new(),
        };
        output.line(&format!(
            "accepted   {} of {} stored items are in that order; {} ordered items between them were discarded, {} \
             follow the last one{past_end} ({path})",
            digits(compared.accepted.len()),
            digits(*stored),
            digits(compared.discarded),
            digits(compared.behind)
        ))?;
    }
    Ok(())
}

fn print_json(output: &mut Output, session: &Session<'_>, replayed: &Replayed<'_>) -> Result<(), Failure> {
    let database = |(path, _, compared): &(String, usize, Comparison)| DatabaseLine {
        path: path.clone(),
        accepted: compared.accepted.len(),
        missing: compared.missing,
        discarded: compared.discarded,
        behind: compared.behind,
        past_end: session.rounds.map(|_| compared.past_end),
    };
    output.json(&ReplayLine {
        r#type: "replay",
        session: session.dag.session,
        library: replayed.order.library,
        units: session.dag.nodes.len(),
        units_ordered: replayed.order.order.len(),
        items_ordered: replayed.items.len(),
        databases: replayed.databases.iter().map(database).collect(),
    })?;
    for (place, item) in replayed.items.iter().enumerate() {
        let accepted =
            |(_, _, compared): &(String, usize, Comparison)| compared.accepted.binary_search(&place).is_ok();
        output.json(&OrderedLine {
            r#type: "ordered_item",
            session: session.dag.session,
            place,
            round: item.round,
            peer: item.peer,
            accepted: replayed.databases.iter().any(accepted),
            past_end: session.rounds.map(|_| item.past_end),
            bytes: hex::encode(item.bytes),
        })?;
    }
    Ok(())
}
