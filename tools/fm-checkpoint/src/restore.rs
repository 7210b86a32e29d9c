//! `restore`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::Control;
use fm_backup::Location;
use fm_cli::{
    Exit, Failure, KeyArgs, Output, PinnedKeys, TerminalProgress, group_digits, interrupt_flag, keep_private,
    number, or_refused, quoted, root_line, warn,
};
use fm_restore::{Chosen, DataDir, Journal, LockedDir, Restore, RestoreError};
use serde::Serialize;

use crate::configuration::{exposed, say as say_exposed};
use crate::restore_args::RestoreArgs;
use crate::restore_plan::{PlanLine, print_plan};

/// The word for the newest good checkpoint.
const LATEST: &str = "latest";

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    data_dir: &'a Path,
    source: String,
    last: u64,
    items: u64,
    identity: &'a str,
    history_root: &'a str,
    guard_until: Option<u64>,
    kept: Option<PathBuf>,
}

pub(crate) fn run(arguments: &RestoreArgs) -> Result<Exit, Failure> {
    let mut output = Output::default();
    let restored = match &arguments.backup {
        Some(backup) => crate::restore_whole::run(arguments, backup, &mut output),
        None => restore(arguments, &mut output),
    };
    or_refused(restored, arguments.json, &mut output)
}

/// Reads the keys that the user named, or those of the data directory.
pub(crate) fn keys_of(arguments: &KeyArgs, data_dir: &Path) -> Result<PinnedKeys, Failure> {
    if let Some(keys) = arguments.load()? {
        return Ok(keys);
    }
    let own = KeyArgs { config: Some(data_dir.to_owned()), keys: None };
    let keys = own.load().map_err(|failure| {
        failure.or_hint(Some("signatures cannot be checked without keys; give --config or --keys"))
    })?;
    let none = || Failure::new(Exit::Usage, "no keys, and nothing unproven is restored");
    Ok(PinnedKeys { is_found: true, ..keys.ok_or_else(none)? })
}

/// Creates a failure; if the keys prove nothing, it says which these are and who named them.
pub(crate) fn naming_keys(error: RestoreError, arguments: &KeyArgs, keys: &PinnedKeys) -> Failure {
    let is_of_keys = matches!(error, RestoreError::WrongKeys { .. });
    let failure = Failure::from(error);
    if !is_of_keys {
        return failure;
    }
    let origin = if keys.is_found { "found in the data directory" } else { arguments.named_by() };
    let message = format!("{} (keys: {}, {origin})", failure.message, keys.path.display());
    Failure { message, ..failure }
}

fn restore(arguments: &RestoreArgs, output: &mut Output) -> Result<Exit, Failure> {
    keep_private();
    let dir = DataDir::open(&arguments.data_dir)?.lock()?;
    let keys = keys_of(&arguments.keys, &arguments.data_dir)?;
    if !arguments.json {
        keys.say_found(output)?;
    }
    let federation = keys.federation();
    let kinds = keys.config.as_ref().map(|config| config.modules.clone()).unwrap_or_default();
    let at = |location: &Location| arguments.identity.at(location);
    let archive = arguments.archive.as_ref().map(at).transpose()?;
    let base = arguments.base.as_ref().map(at).transpose()?;
    let copies = arguments.compare.iter().map(at);
    let compare = copies.collect::<Result<Vec<_>, _>>()?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let restore = Restore {
        source: chosen(arguments, &dir, &keys, control)?,
        keys: keys.of_sessions()?,
        kinds: &kinds,
        federation: federation.as_deref(),
        archive: archive.as_ref(),
        base: base.as_ref(),
        accept_other_guardian: arguments.accept_other_guardian,
        compare: &compare,
        guard_until: arguments.guard_until,
        accept_permanent_loss: arguments.accept_permanent_loss,
        rounds_per_session: keys.rounds_per_session(),
        now: SystemTime::now(),
        tool_version: env!("CARGO_PKG_VERSION"),
    };
    let journal = match restore.begun(&dir, control)? {
        Some(journal) if arguments.dry_run && journal.step.is_under_way() => {
            return Err(unfinished(&journal));
        }
        Some(journal) if !arguments.dry_run => {
            say(arguments.json, output, &format!("continuing from the step {:?}", journal.step.name()))?;
            restore.resume(&dir, journal, control)?
        }
        _ => {
            let plan = restore.plan(&dir, control);
            let mut plan = plan.map_err(|error| naming_keys(error, &arguments.keys, &keys))?;
            let line = PlanLine::new(&plan, &restore.source, &keys);
            if arguments.json {
                output.json(&line)?
            } else {
                print_plan(output, &line)?
            }
            if arguments.dry_run && plan.guard.is_ok() {
                say_exposed(&exposed(&[dir.path()]));
                return planned(arguments, &line, output);
            }
            plan.check()?;
            confirm(arguments.yes, plan.proof.last, "the last session of the restored state")?;
            restore.run(&dir, plan, control)?
        }
    };
    drop(progress);
    say_exposed(&exposed(&[dir.path()]));
    conclude(arguments, &dir, &journal, output)
}

/// Returns what to restore. A path is kept in a form that holds in any working directory, for the same
/// command given again.
fn chosen(
    arguments: &RestoreArgs,
    dir: &DataDir,
    keys: &PinnedKeys,
    control: Control<'_>,
) -> Result<Chosen, Failure> {
    match (&arguments.checkpoint, &arguments.archive) {
        (Some(name), _) if name == LATEST => {
            let keys_for = |layout: &fm_eras::Layout| keys.of_history(layout).map(Some);
            let path = fm_backup::newest_good::<Failure>(dir.path(), &keys_for, control)?;
            let name = path.file_name().and_then(|name| name.to_str());
            Ok(Chosen::checkpoint(name.unwrap_or_default())?)
        }
        (Some(name), _) => match number(name) {
            // Numbers are shown with commas; no server makes such a name, but a person may have.
            Ok(session) if name.contains(',') && dir.checkpoint(name).symlink_metadata().is_err() => {
                Ok(Chosen::checkpoint(&session.to_string())?)
            }
            _ => Ok(Chosen::checkpoint(name)?),
        },
        (None, Some(archive)) if archive.is_remote() => {
            Ok(Chosen::Archive { path: archive.path().to_owned() })
        }
        (None, Some(archive)) => {
            let path = std::path::absolute(archive.path())
                .map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
            Ok(Chosen::Archive { path })
        }
        (None, None) => Err(Failure::new(Exit::Usage, "give --checkpoint or --archive")),
    }
}

fn unfinished(journal: &Journal) -> Failure {
    RestoreError::UnderWay { chosen: journal.source.to_string(), step: journal.step.name() }.into()
}

fn say(json: bool, output: &mut Output, text: &str) -> Result<(), Failure> {
    if json { Ok(()) } else { output.line(text) }
}

fn planned(arguments: &RestoreArgs, line: &PlanLine<'_>, output: &mut Output) -> Result<Exit, Failure> {
    if !arguments.json {
        if line.permanent_loss.is_some() && !arguments.accept_permanent_loss {
            output.line("without --accept-permanent-loss this restore is refused")?;
        }
        output.line("nothing was changed (--dry-run)")?;
        return Ok(Exit::Done);
    }
    output.json(&Verdict {
        r#type: "verdict",
        verdict: "planned",
        data_dir: &arguments.data_dir,
        source: line.source.clone(),
        last: line.last,
        items: line.items,
        identity: line.identity,
        history_root: line.history_root,
        guard_until: line.guard_until,
        kept: None,
    })?;
    Ok(Exit::Done)
}

/// Asks the user to type a number; any other input ends the program with nothing changed.
pub(crate) fn confirm(yes: bool, number: u64, what: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let nothing = |message: &str| {
        Failure::new(Exit::Usage, message).hint("nothing was changed; --yes continues without asking")
    };
    if !io::stdin().is_terminal() {
        return Err(nothing("not confirmed, and there is no terminal to ask at"));
    }
    eprint!("Type {number} ({what}) to continue: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
    if fm_cli::number(answer.trim()) == Ok(number) { Ok(()) } else { Err(nothing("not confirmed")) }
}

fn conclude(
    arguments: &RestoreArgs,
    dir: &LockedDir,
    journal: &Journal,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if let Some(lacking) = dir.owner_lacking(journal) {
        warn("fm-checkpoint", &lacking);
    }
    let kept = journal.had_database.then(|| dir.broken(journal));
    let proof = &journal.proof;
    let guard_until = journal.guard.as_ref().map(|guard| guard.until_session);
    if arguments.json {
        output.json(&Verdict {
            r#type: "verdict",
            verdict: "restored",
            data_dir: &arguments.data_dir,
            source: journal.source.to_string(),
            last: proof.last,
            items: proof.items,
            identity: &proof.identity,
            history_root: &proof.history_root,
            guard_until,
            kept,
        })?;
        return Ok(Exit::Done);
    }
    output.line(&format!(
        "restored   {}: sessions 0 to {}, proven again in their place",
        journal.source,
        group_digits(proof.last)
    ))?;
    output.line(&root_line(&proof.history_root, proof.last))?;
    output.line(&format!("identity   {}", proof.identity))?;
    if let Some(kept) = kept {
        output.line(&format!("kept       {}", kept.display()))?;
    }
    if let Some(until) = guard_until {
        output.line(&format!(
            "guard      no units up to session {}: start fedimintd only when the others have finished it",
            group_digits(until)
        ))?;
    }
    output.line(&format!("way back   fm-checkpoint undo --data-dir {}", quoted(&arguments.data_dir)))?;
    Ok(Exit::Done)
}
