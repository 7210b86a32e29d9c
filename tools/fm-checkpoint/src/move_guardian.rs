//! `move`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::Control;
use fm_backup::{Exported, Location};
use fm_cli::{
    Exit, Failure, FindingPrinter, Output, PinnedKeys, TerminalProgress, group_digits, interrupt_flag,
    keep_private, or_refused, quoted, root_line,
};
use fm_datadir::{Moved, MovedStep};
use fm_history::PeerId;
use fm_restore::{DataDir, LockedDir, Move, MoveBack, MovePlan, aside};
use serde::Serialize;

use crate::configuration;
use crate::move_args::MoveArgs;
use crate::place::check_target;
use crate::restore::{confirm, keys_of, naming_keys};

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    data_dir: &'a Path,
    guardian: PeerId,
    archive: &'a Path,
    last: Option<u64>,
    identity: Option<&'a str>,
    history_root: Option<&'a str>,
    guard_until: Option<u64>,
    sealed: Option<PathBuf>,
    encrypted: bool,
    config: Option<&'a Path>,
    next: Vec<String>,
}

pub(crate) fn run(arguments: &MoveArgs) -> Result<Exit, Failure> {
    let mut output = Output::default();
    let moved = match &arguments.to {
        Some(_) => move_away(arguments, &mut output),
        None => move_back(arguments, &mut output),
    };
    or_refused(moved, arguments.json, &mut output)
}

fn move_away(arguments: &MoveArgs, output: &mut Output) -> Result<Exit, Failure> {
    let to = arguments.to.as_ref().ok_or_else(|| Failure::new(Exit::Usage, "give --to or --undo"))?;
    keep_private();
    let dir = DataDir::open_to_move(&arguments.data_dir)?.lock()?;
    check_target(to, &dir.database().as_path().into())?;
    let keys = keys_of(&arguments.keys, &arguments.data_dir)?;
    if !arguments.json {
        keys.say_found(output)?;
    }
    let federation = keys.federation();
    let recipients = fm_backup::recipients(&arguments.recipient)?;
    let with_config = arguments.with_config.as_ref();
    if dir.marker()?.is_none() {
        configuration::check(with_config, to, &recipients)?;
    }
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let job = Move {
        keys: keys.of_sessions()?,
        federation: federation.as_deref(),
        archive: to,
        recipients: &recipients,
        level: arguments.level,
        guard_until: arguments.guard_until,
        now: SystemTime::now(),
        tool: crate::TOOL,
    };
    let plan = job.plan(&dir, control).map_err(|error| naming_keys(error, &arguments.keys, &keys))?;
    // The secrets go where nobody else reads them, but those that could be read until now may be known.
    let exposed = configuration::exposed(&[dir.path()]);
    if !arguments.json {
        print_plan(output, &dir, &plan)?;
    }
    if arguments.dry_run {
        configuration::say(&exposed);
        return planned(arguments, &dir, &plan.marker, output);
    }
    if !plan.is_begun {
        confirm(arguments.yes, plan.last, "the last session of the guardian that is moved")?;
    }
    let mut printer = FindingPrinter::new(arguments.json);
    let done = job.run(&dir, plan, control, &mut |finding| printer.print(&finding));
    drop(progress);
    printer.finish()?;
    let (marker, exported) = done?;
    configuration::say(&exposed);
    let directories = [&*aside(&dir, &marker), dir.path()];
    let config = configuration::write(with_config, &directories, &recipients)?;
    conclude(arguments, &dir, &keys, (&marker, &exported), config, output)
}

fn print_plan(output: &mut Output, dir: &DataDir, plan: &MovePlan) -> Result<(), Failure> {
    let marker = &plan.marker;
    if plan.is_begun {
        return output.line(&format!("continuing from the step {:?}", marker.step.name()));
    }
    output.line(&format!(
        "move       guardian {}, sessions 0 to {}, out of {}",
        marker.peer,
        group_digits(plan.last),
        dir.path().display()
    ))?;
    output
        .line(&format!("seals      {}: the database and the private keys", aside(dir, marker).display()))?;
    print_guard(output, marker)?;
    if plan.evidence.is_empty() { Ok(()) } else { output.line(&format!("           {}", plan.evidence)) }
}

fn print_guard(output: &mut Output, marker: &Moved) -> Result<(), Failure> {
    output.line(&match marker.guard_until {
        Some(until) => format!(
            "guard      no units up to session {} at the new place; the archive says so to `restore`",
            group_digits(until)
        ),
        None => "guard      not needed: the archive holds all units that this guardian signed".to_owned(),
    })
}

fn planned(
    arguments: &MoveArgs,
    dir: &DataDir,
    marker: &Moved,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if arguments.json {
        output.json(&verdict(arguments, dir, marker, "planned", Vec::new()))?;
    } else {
        output.line("nothing was changed (--dry-run)")?;
    }
    Ok(Exit::Done)
}

fn verdict<'a>(
    arguments: &'a MoveArgs,
    dir: &DataDir,
    marker: &'a Moved,
    verdict: &'static str,
    next: Vec<String>,
) -> Verdict<'a> {
    Verdict {
        r#type: "verdict",
        verdict,
        data_dir: &arguments.data_dir,
        guardian: marker.peer,
        archive: &marker.archive,
        last: marker.last,
        identity: marker.identity.as_deref(),
        history_root: marker.history_root.as_deref(),
        guard_until: marker.guard_until,
        sealed: (marker.step == MovedStep::Moved).then(|| aside(dir, marker)),
        config: arguments.with_config.as_ref().map(Location::path),
        encrypted: !arguments.recipient.is_empty(),
        next,
    }
}

fn conclude(
    arguments: &MoveArgs,
    dir: &LockedDir,
    keys: &PinnedKeys,
    (marker, exported): (&Moved, &Exported),
    config: Option<String>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let next = next_steps(arguments, dir, keys, marker);
    if arguments.json {
        output.json(&verdict(arguments, dir, marker, "moved", next))?;
        return Ok(Exit::Done);
    }
    let last = marker.last.unwrap_or_default();
    output.line(&format!(
        "moved      guardian {}, sessions 0 to {}: nothing starts it here any more",
        marker.peer,
        group_digits(last)
    ))?;
    output.line(&root_line(marker.history_root.as_deref().unwrap_or_default(), last))?;
    output.line(&format!("identity   {}", marker.identity.as_deref().unwrap_or_default()))?;
    output.line(&format!(
        "archive    {} ({} records, {} bytes, read back)",
        marker.archive.display(),
        group_digits(exported.summary.records),
        group_digits(exported.summary.length)
    ))?;
    config.map_or(Ok(()), |config| output.line(&config))?;
    output.line(&format!("sealed     {}", aside(dir, marker).display()))?;
    print_guard(output, marker)?;
    for (number, step) in next.iter().enumerate() {
        let name = if number == 0 { "next" } else { "" };
        output.line(&format!("{name:<10} {}. {step}", number + 1))?;
    }
    Ok(Exit::Done)
}

/// Returns what remains to be done, in order.
fn next_steps(arguments: &MoveArgs, dir: &DataDir, keys: &PinnedKeys, marker: &Moved) -> Vec<String> {
    let identity = if arguments.recipient.is_empty() { "" } else { " --identity KEYFILE" };
    let archive = quoted(&marker.archive);
    let (backup, which) = match &arguments.with_config {
        Some(config) => (quoted(config.path()), quoted(config.path())),
        None => ("guardian.tar".to_owned(), "the guardian's backup tar".to_owned()),
    };
    let address = arguments.new_address.as_deref().unwrap_or("wss://NEW.EXAMPLE/");
    let is_iroh = keys
        .config
        .as_ref()
        .is_some_and(|config| config.guardians.values().all(|guardian| guardian.url.starts_with("iroh://")));
    let announce = if is_iroh {
        "the other guardians and clients find the new place by its keys (iroh): there is no address to announce".to_owned()
    } else {
        format!(
            "if the host name changes: `fm-node announce --api ws://127.0.0.1:8174/ --address {address}` once the guardian runs there, and \
             every other guardian changes this one's entry of p2p_endpoints in its local.json"
        )
    };
    let aside = aside(dir, marker);
    vec![
        format!("carry {archive} and {which} to the new machine"),
        format!(
            "there: fm-checkpoint restore --data-dir NEW --backup {backup} --archive {archive}{identity}"
        ),
        "start the guardian there, and nowhere else; a second copy would sign other units".to_owned(),
        announce,
        format!(
            "when it has taken part in a finished session there: remove {}, which holds the private keys",
            quoted(&aside)
        ),
    ]
}

fn move_back(arguments: &MoveArgs, output: &mut Output) -> Result<Exit, Failure> {
    keep_private();
    let dir = DataDir::open_to_move(&arguments.data_dir)?.lock()?;
    let keys = keys_of(&arguments.keys, &arguments.data_dir)?;
    let back = MoveBack { keys: keys.of_sessions()?, guard_until: arguments.guard_until };
    let marker = back.plan(&dir)?;
    let was_moved = marker.step == MovedStep::Moved;
    if !arguments.json {
        output.line(&format!(
            "undo       the move of guardian {}, {}, step {}",
            marker.peer,
            marker.began,
            marker.step.name()
        ))?;
    }
    if arguments.dry_run {
        return planned(arguments, &dir, &marker, output);
    }
    if was_moved {
        confirm(
            arguments.yes,
            marker.last.unwrap_or_default(),
            "the last session that was moved; the guardian does not run at the new place and will not",
        )?;
    }
    let marker = back.run(&dir, marker)?;
    if arguments.json {
        output.json(&verdict(arguments, &dir, &marker, "undone", Vec::new()))?;
        return Ok(Exit::Done);
    }
    output.line(
        "undone     the database and the private keys are in their places: the guardian starts here again",
    )?;
    output.line(&format!(
        "remove     {}, if it is there: a guardian that is restored from it would run in two places",
        marker.archive.display()
    ))?;
    Ok(Exit::Done)
}
