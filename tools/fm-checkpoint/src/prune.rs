//! `prune`.

use std::path::PathBuf;

use fm_backup::{Listed, PruneRule, Pruned, Standing};
use fm_cli::{Exit, Failure, Output, TerminalProgress, interrupt_flag};
use fm_datadir::check_not_moved;
use fm_restore::RestoreError;
use fm_store::StoreError;
use serde::Serialize;

use crate::args::PruneArgs;
use crate::list::shown;
use crate::quantities::{shown_age, shown_bytes};

#[derive(Serialize)]
struct PruneVerdict {
    r#type: &'static str,
    verdict: &'static str,
    kept: Vec<String>,
    removed: Vec<String>,
    leftovers: Vec<String>,
    failed: Vec<FailedLine>,
    last_good: Option<String>,
    none_good: bool,
    reason: Option<String>,
    enough_space: bool,
}

#[derive(Serialize)]
struct FailedLine {
    path: String,
    reason: String,
}

pub(crate) fn run(arguments: &PruneArgs) -> Result<Exit, Failure> {
    let rule = match (arguments.keep, arguments.older_than, arguments.min_free) {
        (Some(count), _, _) => PruneRule::Keep(count),
        (_, Some(age), _) => PruneRule::OlderThan(age),
        (_, _, Some(bytes)) => PruneRule::MinFree(bytes),
        _ => return Err(Failure::new(Exit::Usage, "give --keep, --older-than or --min-free")),
    };
    check_not_moved(&arguments.data_dir).map_err(RestoreError::from)?;
    let keys = arguments.keys.load_beside(&arguments.data_dir)?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let keys_for = |layout: &fm_eras::Layout| keys.as_ref().map(|keys| keys.of_history(layout)).transpose();
    let pruned =
        fm_backup::prune::<Failure>(&arguments.data_dir, rule, arguments.dry_run, &keys_for, control)?;
    drop(progress);
    let exit = exit_of(&pruned);
    let reason = pruned.none_good.then(|| why_none(&pruned));
    let mut output = Output::default();
    let paths = |list: &[Listed]| list.iter().map(|listed| listed.path.display().to_string()).collect();
    if arguments.json.json {
        output.json(&PruneVerdict {
            r#type: "verdict",
            verdict: match (arguments.dry_run, pruned.failed.is_empty()) {
                (true, _) => "planned",
                (false, true) => "pruned",
                (false, false) => "pruned-in-part",
            },
            kept: paths(&pruned.kept),
            removed: paths(&pruned.removed),
            leftovers: pruned.leftovers.iter().map(|path| path.display().to_string()).collect(),
            failed: pruned.failed.iter().map(FailedLine::new).collect(),
            last_good: pruned.last_good.map(|path| path.display().to_string()),
            none_good: pruned.none_good,
            reason,
            enough_space: pruned.is_satisfied,
        })?;
        return of_failed(&pruned.failed, arguments.dry_run).map_or(Ok(exit), Err);
    }
    keys.iter().try_for_each(|keys| keys.say_found(&mut output))?;
    let removes = if arguments.dry_run { "would go" } else { "removed " };
    for (word, list) in [("kept    ", &pruned.kept), (removes, &pruned.removed)] {
        for listed in list {
            let good = shown(&listed.standing);
            output.line(&format!(
                "{word}  {} ({good}, {}, {} old)",
                listed.path.display(),
                shown_bytes(listed.disk_bytes),
                shown_age(listed.age)
            ))?;
        }
    }
    for path in &pruned.leftovers {
        output.line(&format!("{removes}  {} (left unfinished by a run that was killed)", path.display()))?;
    }
    if let Some(path) = &pruned.last_good {
        output.line(&format!("{} is the last good one, and is kept despite the rule", path.display()))?;
    }
    if let Some(reason) = reason {
        let nothing = if arguments.dry_run { "nothing would be removed" } else { "nothing was removed" };
        output.line(&format!("none is known to be good, so {nothing}: {reason}"))?;
    }
    if !pruned.is_satisfied {
        output.line("there is less space than asked for, and nothing more may be removed")?;
    }
    of_failed(&pruned.failed, arguments.dry_run).map_or(Ok(exit), Err)
}

impl FailedLine {
    fn new((path, error): &(PathBuf, StoreError)) -> Self {
        let reason = Failure::from_error(Exit::CannotLook, error).message;
        Self { path: path.display().to_string(), reason }
    }
}

/// Returns the failure for states that could not be removed: the first one, and how many more there are.
fn of_failed(failed: &[(PathBuf, StoreError)], dry_run: bool) -> Option<Failure> {
    let ((_, error), more) = failed.split_first()?;
    let failure = Failure::from_error(Exit::CannotLook, error).or_hint(match error {
        StoreError::Pinned { .. } => Some(
            "unmount it if it is a mount point, or `rm -r` it if it is in the image of a container; then run the same \
             command again",
        ),
        _ => None,
    });
    let more = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
    let (done, others) = if dry_run { ("would stay", "would go") } else { ("was not removed", "is gone") };
    let message =
        format!("a checkpoint {done}: {}{more}; the list above says what {others}", failure.message);
    Some(Failure { message, ..failure })
}

/// Returns the exit status. If no state is good, it says why; a reason that may pass by itself comes first.
fn exit_of(pruned: &Pruned) -> Exit {
    let any = |is: &dyn Fn(&Standing) -> bool| pruned.kept.iter().any(|listed| is(&listed.standing));
    if !pruned.none_good {
        return if pruned.is_satisfied { Exit::Done } else { Exit::OutOfSpace };
    }
    if any(&|standing| matches!(standing, Standing::Unknown(doubt) if doubt.of_keys)) {
        Exit::WrongKey
    } else if any(&|standing| matches!(standing, Standing::Unknown(_))) {
        Exit::CannotLook
    } else if any(&|standing| matches!(standing, Standing::InUse(_))) {
        Exit::Locked
    } else if any(&|standing| matches!(standing, Standing::Bad(_))) {
        Exit::Findings
    } else {
        Exit::Done
    }
}

/// Says why no state is good: the reason of the newest.
fn why_none(pruned: &Pruned) -> String {
    let first = pruned.kept.iter().find(|listed| !listed.is_good());
    let of = |listed: &Listed| {
        let reason = listed.standing.reason().unwrap_or_default();
        format!("{} ({}): {reason}", listed.path.display(), shown(&listed.standing))
    };
    first.map_or_else(|| "there are only links".to_owned(), of)
}
