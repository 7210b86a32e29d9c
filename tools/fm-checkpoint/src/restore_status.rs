//! `status`.

use std::path::{Path, PathBuf};

use fm_cli::{Exit, Failure, Output, group_digits, root_line};
use fm_datadir::GuardFile;
use fm_restore::{DataDir, Journal, Reached, Status, Step};
use serde::Serialize;

use crate::restore_args::StatusArgs;

#[derive(Serialize)]
struct StatusLine<'a> {
    r#type: &'static str,
    verdict: &'static str,
    running: bool,
    step: Option<&'static str>,
    source: Option<String>,
    began: Option<&'a str>,
    last: Option<u64>,
    identity: Option<&'a str>,
    history_root: Option<&'a str>,
    next: String,
    guard: Option<&'a GuardFile>,
    guard_passed: Option<bool>,
    kept: &'a [PathBuf],
}

pub(crate) fn run(arguments: &StatusArgs) -> Result<Exit, Failure> {
    let dir = DataDir::open_to_move(&arguments.data_dir)?;
    if let Some(moved) = dir.marker()? {
        return crate::move_status::run(arguments, &dir, &moved);
    }
    let status = Status::of(&dir)?;
    let journal = status.journal.as_ref();
    let under_way = journal.is_some_and(|journal| journal.step.is_under_way());
    let verdict = match journal {
        None => "none",
        Some(_) if under_way => "under-way",
        Some(_) => "restored",
    };
    let mut output = Output::default();
    if arguments.json {
        output.json(&StatusLine {
            r#type: "verdict",
            verdict,
            running: status.busy,
            step: journal.map(|journal| journal.step.name()),
            source: journal.map(|journal| journal.source.to_string()),
            began: journal.map(|journal| journal.began.as_str()),
            last: journal.map(|journal| journal.proof.last),
            identity: journal.map(|journal| journal.proof.identity.as_str()),
            history_root: journal.map(|journal| journal.proof.history_root.as_str()),
            next: next(&status),
            guard: status.guard.as_ref(),
            guard_passed: status.guard_passed(),
            kept: &status.kept,
        })?;
    } else {
        print(&mut output, &status, dir.path())?;
    }
    Ok(if under_way { Exit::Partial } else { Exit::Done })
}

fn next(status: &Status) -> String {
    if status.busy {
        return "wait: a restore is at work right now".to_owned();
    }
    match status.journal.as_ref().map(|journal| journal.step) {
        None => "nothing: no restore is under way",
        Some(Step::Building | Step::Built) => {
            "the old database is in its place; run the same command again, or undo to drop what it began"
        }
        Some(Step::Guarded) => {
            "the databases may have changed places; run the same command again to finish, or undo to go back"
        }
        Some(Step::Swapped) => {
            "the restored database is in its place; run the same command again for its last proof, or undo to go back"
        }
        Some(Step::Done) => return format!("{}; undo leads back", after_restore(status)),
        Some(Step::Undoing) => "run undo again to finish the way back",
        Some(Step::Undone) => "nothing: it was taken back",
    }
    .to_owned()
}

/// Returns what remains to be done after a restore is finished.
fn after_restore(status: &Status) -> String {
    let Some(guard) = &status.guard else { return "nothing: no guard is in place".to_owned() };
    let until = group_digits(guard.until_session);
    let server = format!("fedimintd when the others have finished session {until}");
    match &status.reached {
        Some(Reached::Sessions(finished)) if *finished > guard.until_session => {
            format!("nothing: session {until} is finished, the guard has no effect any more")
        }
        Some(Reached::Running) => {
            format!(
                "nothing: a process works with the database; fm-node makes no units up to session {until} by itself"
            )
        }
        Some(Reached::Unknown(why)) => {
            format!("start fm-node now, or {server}; how far the database is cannot be read: {why}")
        }
        Some(Reached::Sessions(_)) | None => format!("start fm-node now, or {server}"),
    }
}

fn print(output: &mut Output, status: &Status, dir: &Path) -> Result<(), Failure> {
    match &status.journal {
        None => output.line(&format!("restore    none in {}", dir.display()))?,
        Some(journal) => print_journal(output, journal)?,
    }
    output.line(&format!("next       {}", next(status)))?;
    if let Some(guard) = &status.guard {
        let until = group_digits(guard.until_session);
        output.line(&match status.guard_passed() {
            Some(true) => format!("guard      passed: session {until} is finished"),
            _ => format!("guard      no units up to session {until}: {}", guard.evidence()),
        })?;
    }
    status.kept.iter().try_for_each(|path| output.line(&format!("kept       {}", path.display())))
}

fn print_journal(output: &mut Output, journal: &Journal) -> Result<(), Failure> {
    output.line(&format!("restore    {}, begun {}", journal.source, journal.began))?;
    output.line(&format!("step       {}", journal.step.name()))?;
    output.line(&root_line(&journal.proof.history_root, journal.proof.last))
}
