//! `restore --backup`: a whole guardian in a new directory.

use std::path::Path;
use std::time::SystemTime;

use fm_audit::Control;
use fm_backup::{Location, read_backup};
use fm_cli::{
    Exit, Failure, Output, PasswordArgs, PinnedKeys, TerminalProgress, check_target, group_digits,
    interrupt_flag, keep_private, keys_of_files, quoted, root_line,
};
use fm_config::GuardianFiles;
use fm_datadir::GuardFile;
use fm_history::PeerId;
use fm_restore::{KeyCheck, Whole, WholePlan, read_guard, target_of};
use serde::Serialize;

use crate::configuration::{exposed, say};
use crate::restore::confirm;
use crate::restore_args::RestoreArgs;

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    data_dir: &'a Path,
    guardian: PeerId,
    source: String,
    last: u64,
    items: u64,
    identity: &'a str,
    history_root: &'a str,
    guard_until: Option<u64>,
    moved: Option<&'a str>,
    private_key: &'static str,
}

pub(crate) fn run(arguments: &RestoreArgs, backup: &Location, output: &mut Output) -> Result<Exit, Failure> {
    keep_private();
    let at = |location: &Location| arguments.identity.at(location);
    let archive = arguments.archive.as_ref().map(at).transpose()?;
    let archive = archive.ok_or_else(|| Failure::new(Exit::Usage, "give --archive beside --backup"))?;
    let base = arguments.base.as_ref().map(at).transpose()?;
    let compare = arguments.compare.iter().map(at).collect::<Result<Vec<_>, _>>()?;
    check_target(&arguments.data_dir, archive.path())?;
    let target = target_of(&arguments.data_dir)?;
    let files = GuardianFiles::of_backup(backup.path().to_owned(), read_backup(&at(backup)?)?);
    let keys = keys_of(arguments, &files)?;
    let federation = keys.federation();
    let password = PasswordArgs { password_file: arguments.password_file.clone() }.given()?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let whole = Whole {
        target: &target,
        files: &files,
        keys: keys.of_sessions()?,
        federation: federation.as_deref(),
        archive: &archive,
        base: base.as_ref(),
        accept_other_guardian: arguments.accept_other_guardian,
        compare: &compare,
        guard_until: arguments.guard_until,
        password: password.as_ref().map(|password| password.trim()),
        now: SystemTime::now(),
    };
    let mut plan = whole.plan(control)?;
    let is_done = whole.is_done(&plan, control)?;
    if !arguments.json {
        print_plan(output, &plan, arguments)?;
    }
    let verdict = if is_done {
        "exists"
    } else if arguments.dry_run && plan.guard.is_ok() {
        "planned"
    } else {
        plan.check()?;
        confirm(arguments.yes, plan.proof.last, "the last session of the restored state")?;
        "restored"
    };
    let guard = match verdict {
        "restored" => whole.run(&mut plan, control)?,
        "exists" => read_guard(&target)?,
        _ => std::mem::replace(&mut plan.guard, Ok(None))?,
    };
    drop(progress);
    say(&exposed(&[backup.path()]));
    conclude(arguments, &plan, verdict, guard.as_ref(), output)
}

/// Reads the keys of the backup; keys that the user named must be the same.
fn keys_of(arguments: &RestoreArgs, files: &GuardianFiles) -> Result<PinnedKeys, Failure> {
    let keys = keys_of_files(files)?;
    let Some(named) = arguments.keys.load()? else { return Ok(keys) };
    if named.of_sessions()?.tag() == keys.of_sessions()?.tag() {
        return Ok(keys);
    }
    let (backup, named) = (files.path().display(), named.path.display());
    let message = format!("{backup} is of another federation than the keys of {named}");
    Err(Failure::new(Exit::Findings, message).hint("nothing was changed; give the backup of this federation"))
}

fn print_plan(output: &mut Output, plan: &WholePlan, arguments: &RestoreArgs) -> Result<(), Failure> {
    let proof = &plan.proof;
    output.line(&format!(
        "restore    guardian {}, whole, into {}",
        plan.peer,
        arguments.data_dir.display()
    ))?;
    output.line(&format!(
        "proven     sessions 0 to {}, {} items, each session signed by a threshold of the guardians in the backup",
        group_digits(proof.last),
        group_digits(proof.items)
    ))?;
    output.line(&root_line(&proof.history_root, proof.last))?;
    output.line(&format!("identity   {}", proof.identity))?;
    plan.warnings.iter().try_for_each(|warning| output.line(&format!("warning    {warning}")))?;
    for witness in &plan.witnesses {
        let verdict = if witness.agrees { "agrees" } else { "DIFFERS" };
        let (path, common) = (witness.path.display(), group_digits(witness.common));
        output.line(&format!("compared   {path}: {verdict} up to session {common}"))?;
    }
    output.line(&format!("key        {}", said_of(plan.key)))?;
    if let Some(handover) = &plan.handover {
        output.line(&format!(
            "moved      at {}: this is the guardian's last state, unless it was started at the old place again since",
            handover.moved
        ))?;
    }
    let guard = match &plan.guard {
        Ok(Some(guard)) => {
            format!("no units up to and including session {}", group_digits(guard.until_session))
        }
        Ok(None) => "not needed".to_owned(),
        Err(_) => "it is not known up to which session this guardian made units".to_owned(),
    };
    output.line(&format!("guard      {guard}: {}", plan.evidence))?;
    if plan.alone && plan.handover.is_none() {
        output.line(
            "FOR EVER   this federation has one guardian: what came after the archive was written is lost, and what it \
             spent can be spent again",
        )?;
    }
    if plan.free > plan.bytes {
        return Ok(());
    }
    output.line(&format!(
        "space      about {} bytes to write, and only {} free",
        group_digits(plan.bytes),
        group_digits(plan.free)
    ))
}

fn said_of(key: KeyCheck) -> &'static str {
    match key {
        KeyCheck::InClear => {
            "this guardian's, and in clear: who reads the backup or the directory can sign for it"
        }
        KeyCheck::Opened => "this guardian's; the password opens it",
        KeyCheck::NotOpened => "encrypted, and not opened: FM_PASSWORD or --password-file would check it",
    }
}

fn name_of(key: KeyCheck) -> &'static str {
    match key {
        KeyCheck::InClear => "in-clear",
        KeyCheck::Opened => "opened",
        KeyCheck::NotOpened => "not-opened",
    }
}

fn conclude(
    arguments: &RestoreArgs,
    plan: &WholePlan,
    verdict: &'static str,
    guard: Option<&GuardFile>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let proof = &plan.proof;
    let archive = arguments.archive.as_ref().map(|archive| archive.path().display().to_string());
    let guard_until = guard.map(|guard| guard.until_session);
    if arguments.json {
        output.json(&Verdict {
            r#type: "verdict",
            verdict,
            data_dir: &arguments.data_dir,
            guardian: plan.peer,
            source: format!("archive {}", archive.unwrap_or_default()),
            last: proof.last,
            items: proof.items,
            identity: &proof.identity,
            history_root: &proof.history_root,
            guard_until,
            moved: plan.handover.as_ref().map(|handover| handover.moved.as_str()),
            private_key: name_of(plan.key),
        })?;
        return Ok(Exit::Done);
    }
    let directory = quoted(&arguments.data_dir);
    match verdict {
        "planned" => return output.line("nothing was changed (--dry-run)").map(|()| Exit::Done),
        "exists" => output.line(&format!("was there already, unchanged: {directory}"))?,
        _ => output.line(&format!("restored   {directory}: configuration, database and guard, read back"))?,
    }
    if let Some(until) = guard_until {
        output.line(&format!(
            "guard      no units up to session {}: start fedimintd only when the others have finished it",
            group_digits(until)
        ))?;
    }
    output
        .line("next       start the guardian here, and nowhere else; a second copy would sign other units")?;
    Ok(Exit::Done)
}
