//! `undo`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::Control;
use fm_cli::{
    Exit, Failure, Output, TerminalProgress, group_digits, interrupt_flag, keep_private, or_refused, warn,
};
use fm_restore::{DataDir, Step, Undo, UndoPlan};
use serde::Serialize;

use crate::restore::{confirm, keys_of};
use crate::restore_args::UndoArgs;

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    data_dir: &'a Path,
    source: String,
    swapped: bool,
    identity: &'a str,
    history_root: &'a str,
    kept: Option<PathBuf>,
}

pub(crate) fn run(arguments: &UndoArgs) -> Result<Exit, Failure> {
    let mut output = Output::default();
    or_refused(undo(arguments, &mut output), arguments.json, &mut output)
}

fn undo(arguments: &UndoArgs, output: &mut Output) -> Result<Exit, Failure> {
    keep_private();
    let dir = DataDir::open(&arguments.data_dir)?.lock()?;
    let keys = keys_of(&arguments.keys, &arguments.data_dir)?;
    if !arguments.json {
        keys.say_found(output)?;
    }
    let federation = keys.federation();
    let undo = Undo {
        keys: keys.of_sessions()?,
        federation: federation.as_deref(),
        discard_written: arguments.discard_written,
        guard_until: arguments.guard_until,
        now: SystemTime::now(),
    };
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let plan = undo.plan(&dir, Control { progress: &progress, interrupted: &flag })?;
    drop(progress);
    if !arguments.json {
        print_plan(output, &plan, undo.keys.guardians() == 1)?;
    }
    let verdict = if arguments.dry_run { "planned" } else { "undone" };
    let swapped = plan.swaps;
    let journal = if arguments.dry_run {
        plan.journal
    } else {
        // A decision that was made before is not asked for again, nor one that only removes unfinished work.
        let decided = !plan.swaps || plan.journal.step == Step::Undoing;
        confirm(arguments.yes || decided, plan.journal.proof.last, "the last session of the restored state")?;
        let journal = undo.run(&dir, plan)?;
        if let Some(lacking) = dir.owner_lacking(&journal) {
            warn("fm-checkpoint", &lacking);
        }
        journal
    };
    let kept = swapped.then(|| dir.undone(&journal));
    if arguments.json {
        output.json(&Verdict {
            r#type: "verdict",
            verdict,
            data_dir: &arguments.data_dir,
            source: journal.source.to_string(),
            swapped,
            identity: &journal.proof.identity,
            history_root: &journal.proof.history_root,
            kept,
        })?;
    } else if arguments.dry_run {
        output.line("nothing was changed (--dry-run)")?;
    } else {
        output.line(&format!("undone     the restore of {}", journal.source))?;
        if let Some(kept) = kept {
            output.line(&format!("kept       {}", kept.display()))?;
        }
    }
    Ok(Exit::Done)
}

fn print_plan(output: &mut Output, plan: &UndoPlan, alone: bool) -> Result<(), Failure> {
    output.line(&format!(
        "undo       the restore of {}, step {}",
        plan.journal.source,
        plan.journal.step.name()
    ))?;
    match (&plan.old, plan.swaps) {
        (_, false) => output.line("back to    the old database, which never left its place")?,
        (Some(old), true) => output.line(&format!("back to    {}", old.display()))?,
        (None, true) => output.line("back to    no database: there was none")?,
    }
    if let Some(written) = &plan.written {
        output.line(&format!(
            "lost       what the node wrote since: {} session(s), {} items; {}",
            group_digits(written.lost.sessions),
            group_digits(written.lost.content.items),
            match alone {
                true => "LOST FOR EVER: no other guardian has them, and what their transactions spent can be spent again",
                false => "its peers have the signed ones",
            }
        ))?;
        output.line(&format!("guard      {}", written.evidence))?;
    }
    Ok(())
}
