//! `status` of a guardian that was moved away, or is on its way.

use std::path::PathBuf;

use fm_cli::{Exit, Failure, Output, root_line};
use fm_datadir::{Moved, MovedStep};
use fm_restore::{DataDir, RestoreError, aside};
use serde::Serialize;

use crate::restore_args::StatusArgs;

#[derive(Serialize)]
struct MovedLine<'a> {
    r#type: &'static str,
    verdict: &'static str,
    running: bool,
    next: &'static str,
    moved: &'a Moved,
    sealed: PathBuf,
}

/// Prints the status of a guardian that was moved away, or whose move is not finished.
pub(crate) fn run(arguments: &StatusArgs, dir: &DataDir, moved: &Moved) -> Result<Exit, Failure> {
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
