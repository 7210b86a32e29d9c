//! `status`.

use std::path::{Path, PathBuf};

use fm_cli::{Exit, Failure, Output, group_digits, root_line};
use fm_restore::{DataDir, Guard, Journal, Moved, MovedStep, RestoreError, Status, Step, aside};
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
    next: &'static str,
    guard: Option<&'a Guard>,
    kept: &'a [PathBuf],
}

#[derive(Serialize)]
struct MovedLine<'a> {
    r#type: &'static str,
    verdict: &'static str,
    running: bool,
    next: &'static str,
    moved: &'a Moved,
    sealed: PathBuf,
}

pub(crate) fn run(arguments: &StatusArgs) -> Result<Exit, Failure> {
    let dir = DataDir::open_to_move(&arguments.data_dir)?;
    if let Some(moved) = dir.marker()? {
        return run_moved(arguments, &dir, &moved);
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
            kept: &status.kept,
        })?;
    } else {
        print(&mut output, &status, dir.path())?;
    }
    Ok(if under_way { Exit::Partial } else { Exit::Done })
}

/// Of a guardian that was moved away, or is on its way.
fn run_moved(arguments: &StatusArgs, dir: &DataDir, moved: &Moved) -> Result<Exit, Failure> {
    let (verdict, next) = match moved.step {
        MovedStep::Moved => (
            "moved",
            "start it at the new place only; remove the sealed directory when it has taken part in a session there",
        ),
        MovedStep::Sealing | MovedStep::Sealed => {
            ("under-way", "run the same `move` again to finish, or `move --undo` to go back")
        }
        MovedStep::Undoing => ("under-way", "run `move --undo` again to finish the way back"),
    };
    let running = matches!(dir.clone().lock(), Err(RestoreError::Busy { .. }));
    let sealed = aside(dir, moved);
    let mut output = Output::default();
    if arguments.json {
        output.json(&MovedLine { r#type: "verdict", verdict, running, next, moved, sealed })?;
    } else {
        output.line(&format!(
            "move       of guardian {} to {}, begun {}",
            moved.peer,
            moved.archive.display(),
            moved.began
        ))?;
        output.line(&format!("step       {}", moved.step.name()))?;
        if let (Some(root), Some(last)) = (&moved.history_root, moved.last) {
            output.line(&root_line(root, last))?;
        }
        output.line(&format!("sealed     {}", sealed.display()))?;
        output.line(&format!("next       {next}"))?;
    }
    Ok(if moved.step == MovedStep::Moved { Exit::Done } else { Exit::Partial })
}

fn next(status: &Status) -> &'static str {
    if status.busy {
        return "wait: a restore is at work right now";
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
        Some(Step::Done) => "start the node when the guard allows it; undo leads back",
        Some(Step::Undoing) => "run undo again to finish the way back",
        Some(Step::Undone) => "nothing: it was taken back",
    }
}

fn print(output: &mut Output, status: &Status, dir: &Path) -> Result<(), Failure> {
    match &status.journal {
        None => output.line(&format!("restore    none in {}", dir.display()))?,
        Some(journal) => print_journal(output, journal)?,
    }
    output.line(&format!("next       {}", next(status)))?;
    if let Some(guard) = &status.guard {
        output.line(&format!(
            "guard      no units up to session {}: {}",
            group_digits(guard.until_session),
            guard.evidence
        ))?;
    }
    status.kept.iter().try_for_each(|path| output.line(&format!("kept       {}", path.display())))
}

fn print_journal(output: &mut Output, journal: &Journal) -> Result<(), Failure> {
    output.line(&format!("restore    {}, begun {}", journal.source, journal.began))?;
    output.line(&format!("step       {}", journal.step.name()))?;
    output.line(&root_line(&journal.proof.history_root, journal.proof.last))
}
