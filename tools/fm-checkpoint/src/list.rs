//! `list`.

use fm_backup::{Found, Listed, Standing};
use fm_cli::{Exit, Failure, Output, TerminalProgress, group_digits, interrupt_flag, quoted};
use fm_datadir::check_not_moved;
use fm_restore::RestoreError;
use serde::Serialize;

use crate::args::ListArgs;
use crate::quantities::{shown_age, shown_bytes};

#[derive(Serialize)]
pub(crate) struct ListLine<'a> {
    r#type: &'static str,
    path: String,
    checkpoint: bool,
    link: bool,
    age_seconds: u64,
    disk_bytes: u64,
    shared_bytes: u64,
    opens: bool,
    good: bool,
    standing: &'static str,
    reason: Option<&'a str>,
    error: Option<&'a str>,
    era: Option<&'static str>,
    last: Option<u64>,
    history_root: Option<String>,
    sessions: u64,
    signed: Option<u64>,
    pending: u64,
    units: u64,
    errors: u64,
    warnings: u64,
    lost_sessions: Option<u64>,
    lost_pending: Option<u64>,
}

#[derive(Serialize)]
struct ListVerdict {
    r#type: &'static str,
    verdict: &'static str,
    checkpoints: usize,
    good: usize,
    empty: usize,
    bad: usize,
    in_use: usize,
    unknown: usize,
}

/// What would be lost by replacing the database in use with another state.
struct Loss {
    sessions: u64,
    pending: u64,
}

fn loss(listed: &Listed, current: Option<&Found>) -> Option<Loss> {
    let (found, current) = (listed.found.as_ref()?, current?);
    let (last, current_last) = (found.last, current.last?);
    let sessions = current_last.saturating_sub(last.unwrap_or(0)) + u64::from(last.is_none());
    // Accepted items of a session other than the open one are not lost.
    let kept = if sessions == 0 { found.pending } else { 0 };
    Some(Loss { sessions, pending: current.pending.saturating_sub(kept) })
}

pub(crate) fn run(arguments: &ListArgs) -> Result<Exit, Failure> {
    check_not_moved(&arguments.data_dir).map_err(RestoreError::from)?;
    let keys = arguments.keys.load_beside(&arguments.data_dir)?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let keys_for = |layout: &fm_eras::Layout| keys.as_ref().map(|keys| keys.of_history(layout)).transpose();
    let listed = fm_backup::list::<Failure>(&arguments.data_dir, &keys_for, control)?;
    drop(progress);
    let current = listed.iter().find(|listed| !listed.is_checkpoint);
    let current = current.and_then(|listed| listed.found.as_ref());
    let mut output = Output::default();
    match &keys {
        _ if arguments.json.json => {}
        Some(keys) => keys.say_found(&mut output)?,
        None => {
            output.line("signatures NOT CHECKED: without --config or --keys this shows consistency only")?
        }
    }
    for listed in &listed {
        let loss = if listed.is_checkpoint { loss(listed, current) } else { None };
        if arguments.json.json {
            output.json(&line(listed, keys.is_some(), loss.as_ref()))?;
        } else {
            print(&mut output, listed, keys.is_some(), loss.as_ref())?;
        }
    }
    let checkpoints: Vec<&Standing> =
        listed.iter().filter(|listed| listed.is_checkpoint).map(|listed| &listed.standing).collect();
    let count = |name| checkpoints.iter().filter(|standing| standing.name() == name).count();
    if arguments.json.json {
        output.json(&ListVerdict {
            r#type: "verdict",
            verdict: "listed",
            checkpoints: checkpoints.len(),
            good: count("good"),
            empty: count("empty"),
            bad: count("bad"),
            in_use: count("in-use"),
            unknown: count("unknown"),
        })?;
    } else {
        output.line(&format!("{} checkpoint(s), {} of them good", checkpoints.len(), count("good")))?;
    }
    Ok(worst(listed.iter().map(|listed| &listed.standing)))
}

/// Returns the exit status for a list: bad states first, then those that could not be looked at. A state that
/// another process works on is not at fault.
fn worst<'a>(all: impl Iterator<Item = &'a Standing>) -> Exit {
    let exits = all.map(|standing| match standing {
        Standing::Good | Standing::Empty | Standing::InUse(_) => Exit::Done,
        Standing::Bad(_) => Exit::Findings,
        Standing::Unknown(doubt) if doubt.of_keys => Exit::WrongKey,
        Standing::Unknown(_) => Exit::CannotLook,
    });
    let rank = |exit: &Exit| match exit {
        Exit::Findings => 3,
        Exit::WrongKey => 2,
        Exit::CannotLook => 1,
        _ => 0,
    };
    exits.max_by_key(rank).unwrap_or(Exit::CannotLook)
}

fn line<'a>(listed: &'a Listed, has_keys: bool, loss: Option<&Loss>) -> ListLine<'a> {
    let found = listed.found.as_ref();
    ListLine {
        r#type: "database",
        path: listed.path.display().to_string(),
        checkpoint: listed.is_checkpoint,
        link: listed.is_link,
        age_seconds: listed.age.as_secs(),
        disk_bytes: listed.disk_bytes,
        shared_bytes: listed.shared_bytes,
        opens: found.is_some(),
        good: listed.is_good(),
        standing: listed.standing.name(),
        reason: listed.standing.reason(),
        error: listed.standing.reason().filter(|_| found.is_none()),
        era: found.map(|found| found.layout.era().as_str()),
        last: found.and_then(|found| found.last),
        history_root: found.and_then(|found| found.history_root).map(|root| root.to_string()),
        sessions: found.map_or(0, |found| found.sessions),
        signed: found.filter(|_| has_keys).map(|found| found.signed),
        pending: found.map_or(0, |found| found.pending),
        units: found.map_or(0, |found| found.units),
        errors: found.map_or(0, |found| found.errors),
        warnings: found.map_or(0, |found| found.warnings),
        lost_sessions: loss.map(|loss| loss.sessions),
        lost_pending: loss.map(|loss| loss.pending),
    }
}

fn print(output: &mut Output, listed: &Listed, has_keys: bool, loss: Option<&Loss>) -> Result<(), Failure> {
    let kind = if listed.is_checkpoint { "checkpoint" } else { "database" };
    let shared = match listed.shared_bytes {
        0 => String::new(),
        bytes => format!(", {} of it shared", shown_bytes(bytes)),
    };
    output.line(&format!("{kind} {}", listed.path.display()))?;
    let size = shown_bytes(listed.disk_bytes);
    output.line(&format!("  written  {} ago, {size} on disk{shared}", shown_age(listed.age)))?;
    if let Some(reason) = listed.standing.reason() {
        output.line(&format!("  {:<8} {reason}", shown(&listed.standing)))?;
    }
    let Some(found) = &listed.found else { return Ok(()) };
    let last = found.last.map_or("none".to_owned(), group_digits);
    let signed = match has_keys {
        true => format!("{} of {} signed", group_digits(found.signed), group_digits(found.sessions)),
        false => format!("{} stored", group_digits(found.sessions)),
    };
    output.line(&format!(
        "  tip      {last} (era {}), {signed}; open session: {} items, {} rows of units",
        found.layout.era(),
        group_digits(found.pending),
        group_digits(found.units)
    ))?;
    if let (Some(root), Some(at)) = (found.history_root, found.root_last) {
        output.line(&format!("  root     {root} at {}", group_digits(at)))?;
    }
    if found.errors + found.warnings > 0 {
        output.line(&format!(
            "  note     {} error(s), {} warning(s): fm-verify {} lists them",
            found.errors,
            found.warnings,
            quoted(&listed.path)
        ))?;
    }
    if let Some(loss) = loss {
        output.line(&format!(
            "  loses    {} session(s) and {} pending item(s) against the database",
            group_digits(loss.sessions),
            group_digits(loss.pending)
        ))?;
    }
    Ok(())
}

/// Returns a short word for a standing that is not good.
pub(crate) fn shown(standing: &Standing) -> &'static str {
    match standing {
        Standing::Good => "good",
        Standing::Empty => "empty",
        Standing::Bad(_) => "BAD",
        Standing::InUse(_) => "in use",
        Standing::Unknown(_) => "UNKNOWN",
    }
}
