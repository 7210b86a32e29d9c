//! The graph, the items and the verdict, for people and as NDJSON.

use std::collections::BTreeMap;
use std::path::Path;

use fm_audit::StoredUnits;
use fm_cli::{Exit, Failure, Output, PinnedKeys, group_digits};
use fm_history::{ConsensusItem, Severity};
use fm_units::{PastEnd, Proposal, Shape};
use serde::Serialize;

use super::Session;
use crate::args::UnitsArgs;

/// The number of items printed for people; the rest are only counted.
const MOST_PRINTED: usize = 1000;

#[derive(Serialize)]
struct SessionLine<'a> {
    r#type: &'static str,
    session: u64,
    form: &'static str,
    own_only: bool,
    guardians: usize,
    databases: Vec<DatabaseLine>,
    past_end: Option<PastEnd>,
    #[serde(flatten)]
    shape: &'a Shape,
}

#[derive(Serialize)]
struct DatabaseLine {
    path: String,
    era: &'static str,
    layout: &'static str,
    rows: usize,
    stream_bytes: usize,
    stream_sha256: String,
    accepted_items: usize,
}

/// A session in progress of which a database holds no unit.
#[derive(Serialize)]
struct OpenLine {
    r#type: &'static str,
    session: u64,
    path: String,
    accepted_items: usize,
}

#[derive(Serialize)]
struct ItemLine {
    r#type: &'static str,
    session: u64,
    round: u16,
    peer: u64,
    position: usize,
    kind: &'static str,
    txid: Option<String>,
    module: Option<u16>,
    bytes: String,
}

#[derive(Serialize)]
struct Verdict {
    r#type: &'static str,
    verdict: &'static str,
    sessions: usize,
    units: usize,
    /// The accepted items of all databases together.
    accepted_items: usize,
    errors: u64,
    warnings: u64,
    /// The configuration that the signatures were checked with, if it was found and not named.
    keys_found: Option<String>,
}

fn databases(session: &Session<'_>, all: &[StoredUnits]) -> Vec<DatabaseLine> {
    let line = |place: &usize| {
        let stored = &all[*place];
        let backup = stored.backups.iter().find(|(number, _)| *number == session.dag.session);
        DatabaseLine {
            path: stored.path.display().to_string(),
            era: stored.layout.era.as_str(),
            layout: stored.layout.name,
            rows: backup.map_or(0, |(_, backup)| backup.rows.len()),
            stream_bytes: backup.map_or(0, |(_, backup)| backup.stream.len()),
            stream_sha256: backup.map_or(String::new(), |(_, backup)| backup.digest().to_string()),
            accepted_items: stored.accepted.len(),
        }
    };
    session.databases.iter().map(line).collect()
}

/// Prints a graph and its items.
pub(super) fn session(
    output: &mut Output,
    session: &Session<'_>,
    all: &[StoredUnits],
    json: bool,
) -> Result<(), Failure> {
    let shape = session.dag.shape(session.encoding);
    let (dag, databases) = (&session.dag, databases(session, all));
    let past_end = session.rounds.map(|rounds| dag.past_end(rounds, session.encoding));
    if json {
        output.json(&SessionLine {
            r#type: "units",
            session: dag.session,
            form: dag.form.name,
            own_only: dag.form.own_only,
            guardians: dag.guardians,
            databases,
            past_end,
            shape: &shape,
        })?;
        return dag
            .proposals(session.encoding)
            .try_for_each(|proposal| output.json(&item_line(dag.session, &proposal)));
    }
    output.line(&format!("session    {} (in progress), units in the form {}", dag.session, dag.form.name))?;
    for line in databases {
        let (rows, bytes) = (group_digits(line.rows as u64), group_digits(line.stream_bytes as u64));
        output.line(&format!(
            "database   {} (era {}, {}): {rows} rows, {bytes} bytes",
            line.path, line.era, line.layout
        ))?;
    }
    for line in shape_lines(&shape, dag.guardians) {
        output.line(&line)?;
    }
    if let Some(past_end) = past_end.filter(|past_end| past_end.units > 0) {
        output.line(&format!(
            "past end   {} units with {} items are of round {} and later: the session ended before it, they do not count",
            group_digits(past_end.units),
            group_digits(past_end.items),
            group_digits(past_end.rounds.into())
        ))?;
    }
    if dag.form.own_only {
        output.line(&format!(
            "order      none claimed: these are the own units of {} of {} guardians{}",
            shape.creators.len(),
            dag.guardians,
            if shape.closed { ", each with all its parents" } else { "" }
        ))?;
    }
    for proposal in dag.proposals(session.encoding).take(MOST_PRINTED) {
        output.line(&describe(&proposal))?;
    }
    if let Some(more) = shape.items.checked_sub(MOST_PRINTED).filter(|more| *more > 0) {
        output.line(&format!(
            "           … and {} more items (--json prints all)",
            group_digits(more as u64)
        ))?;
    }
    Ok(())
}

fn shape_lines(shape: &Shape, guardians: usize) -> Vec<String> {
    let digits = |number: usize| group_digits(number as u64);
    let rounds = shape.rounds.map_or(String::new(), |(first, last)| format!(", rounds {first} to {last}"));
    let signatures = match (shape.signatures_valid, shape.signatures_invalid) {
        (0, 0) => "UNCHECKED, for want of keys".to_owned(),
        (valid, invalid) => format!("{} valid, {} invalid", digits(valid), digits(invalid)),
    };
    let mut lines = vec![
        format!(
            "units      {}, made by {} of {guardians} guardians{rounds}",
            digits(shape.units),
            shape.creators.len()
        ),
        format!("signatures {signatures}"),
    ];
    lines.extend(shape.creators.iter().map(|creator| {
        format!(
            "guardian   {}: {} units, rounds {} to {} ({} missing), {} batches, {} items",
            creator.creator,
            digits(creator.units),
            creator.rounds.0,
            creator.rounds.1,
            digits(creator.rounds_missing),
            digits(creator.batches),
            digits(creator.items)
        )
    }));
    lines.push(format!(
        "graph      {} forks, {} fork alerts, {} stored twice, {} with missing parents",
        shape.forks,
        shape.alerts,
        shape.repeated,
        digits(shape.with_missing_parents)
    ));
    lines.push(format!(
        "content    {} items in {} batches ({} empty, {} undecodable), {} header signatures, {} units without data",
        digits(shape.items),
        digits(shape.batches),
        digits(shape.empty_batches),
        digits(shape.undecodable_batches),
        digits(shape.header_signatures),
        digits(shape.without_data)
    ));
    lines
}

fn item_line(session: u64, proposal: &Proposal<'_>) -> ItemLine {
    let (kind, txid, module) = kind_of(proposal.item.item.as_ref());
    ItemLine {
        r#type: "item",
        session,
        round: proposal.round,
        peer: proposal.peer,
        position: proposal.position,
        kind,
        txid,
        module,
        bytes: hex::encode(proposal.item.bytes),
    }
}

/// Returns the kind, transaction id and module of an item.
pub(super) fn kind_of(item: Option<&ConsensusItem>) -> (&'static str, Option<String>, Option<u16>) {
    match item {
        None => ("bytes", None, None),
        Some(ConsensusItem::Transaction(transaction)) => {
            ("transaction", Some(transaction.txid().to_string()), None)
        }
        Some(ConsensusItem::Module(module)) => ("module_item", None, Some(module.instance)),
        Some(ConsensusItem::Default { .. }) => ("unknown", None, None),
    }
}

fn describe(proposal: &Proposal<'_>) -> String {
    let bytes = proposal.item.bytes;
    let what = match kind_of(proposal.item.item.as_ref()) {
        (kind, Some(txid), _) => format!("{kind} {txid}"),
        (_, _, Some(module)) => format!("item of module {module}, {} bytes", bytes.len()),
        _ => {
            let shown = &bytes[..bytes.len().min(32)];
            let more = if shown.len() < bytes.len() { "…" } else { "" };
            format!("{} bytes {}{more}", bytes.len(), hex::encode(shown))
        }
    };
    format!("item       round {} guardian {} #{}: {what}", proposal.round, proposal.peer, proposal.position)
}

/// Prints the sessions in progress of which a database holds no unit.
pub(super) fn without_units<'a>(
    output: &mut Output,
    databases: impl Iterator<Item = &'a StoredUnits>,
    keys: Option<&PinnedKeys>,
    json: bool,
) -> Result<(), Failure> {
    let is_alone = keys.and_then(|keys| keys.session.as_ref()).is_some_and(|keys| keys.guardians() == 1);
    for stored in databases {
        if json {
            output.json(&OpenLine {
                r#type: "open",
                session: stored.open,
                path: stored.path.display().to_string(),
                accepted_items: stored.accepted.len(),
            })?;
            continue;
        }
        let why = if is_alone { ": a guardian who is alone makes none" } else { "" };
        output.line(&format!(
            "session    {} (in progress): {} accepted items and no unit{why} ({})",
            group_digits(stored.open),
            group_digits(stored.accepted.len() as u64),
            stored.path.display()
        ))?;
    }
    Ok(())
}

/// Says that the outcome was written.
pub(super) fn written(output: &mut Output, path: &Path, json: bool) -> Result<(), Failure> {
    let path = path.display().to_string();
    if json {
        #[derive(Serialize)]
        struct Written {
            r#type: &'static str,
            path: String,
            classification: &'static str,
        }
        return output.json(&Written {
            r#type: "written",
            path,
            classification: fm_migration::PENDING_CLASSIFICATION,
        });
    }
    output.line(&format!("written    {path}: an outcome that NOBODY HAS SIGNED"))
}

/// Prints the verdict and returns the exit status.
pub(super) fn verdict(
    output: &mut Output,
    sessions: &[Session<'_>],
    databases: &[StoredUnits],
    counts: &BTreeMap<Severity, u64>,
    found: Option<&PinnedKeys>,
    arguments: &UnitsArgs,
) -> Result<Exit, Failure> {
    let count = |severity| counts.get(&severity).copied().unwrap_or(0);
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let unpinned = sessions.iter().any(|session| !session.is_pinned);
    let (exit, verdict) = match (arguments.strict.failing(errors, warnings), unpinned) {
        (1.., _) => (Exit::Findings, "findings"),
        (0, true) => (Exit::Partial, "unpinned"),
        (0, false) => (Exit::Done, "sound"),
    };
    let units = sessions.iter().map(|session| session.dag.nodes.len()).sum();
    let accepted_items = databases.iter().map(|stored| stored.accepted.len()).sum();
    if arguments.json {
        let sessions = sessions.len();
        let keys_found = found.map(|keys| keys.path.display().to_string());
        output.json(&Verdict {
            r#type: "verdict",
            verdict,
            sessions,
            units,
            accepted_items,
            errors,
            warnings,
            keys_found,
        })?;
        return Ok(exit);
    }
    let warned = if verdict == "findings" || warnings == 0 {
        String::new()
    } else {
        format!("; {warnings} warning(s)")
    };
    let summary = match verdict {
        "findings" => format!("verdict    FINDINGS: {errors} error(s), {warnings} warning(s)"),
        "unpinned" if found.is_some() => {
            "verdict    UNPROVEN: consistent, also with the keys in the data directory, which nobody confirmed (--config \
             or --keys)"
                .to_owned()
        }
        "unpinned" => {
            "verdict    UNPROVEN: consistent, but no signature was checked (--config or --keys)".to_owned()
        }
        _ if units == 0 && accepted_items == 0 => {
            "verdict    SOUND: no unit and no accepted item of a session in progress is stored".to_owned()
        }
        _ if units == 0 => {
            "verdict    SOUND: no unit is stored; nobody has signed the accepted items yet".to_owned()
        }
        _ => "verdict    SOUND: every unit is its creator's; nobody has signed the session yet".to_owned(),
    };
    output.line(&format!("{summary}{warned}"))?;
    Ok(exit)
}
