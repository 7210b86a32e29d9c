//! `create`: copies the database of a stopped guardian, or asks a running `fm-node`.

use fm_backup::Created;
use fm_cli::{
    Exit, Failure, FindingPrinter, NamedKeys, Output, PinnedKeys, TerminalProgress, check_target,
    interrupt_flag, keep_private, warn,
};
use fm_datadir::check_not_moved;
use fm_restore::RestoreError;
use serde::Serialize;

use crate::args::CreateArgs;
use crate::create_running::ask_node;
use crate::show::print_history;

#[derive(Serialize)]
struct CreateVerdict {
    r#type: &'static str,
    verdict: &'static str,
    path: String,
    identity: String,
    history_root: Option<String>,
    last: Option<u64>,
    pending: u64,
    standing: &'static str,
    errors: u64,
    warnings: u64,
    keys: Option<NamedKeys>,
}

pub(crate) fn run(arguments: &CreateArgs) -> Result<Exit, Failure> {
    if let Some(target) = &arguments.to {
        check_target(target, &arguments.data_dir.join(fm_datadir::DATABASE_NAME))?;
    }
    check_not_moved(&arguments.data_dir).map_err(RestoreError::from)?;
    let keys = arguments.keys.load_or_warn(&arguments.data_dir, "fm-checkpoint")?;
    keep_private();
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let mut printer = FindingPrinter::new(arguments.json.json);
    let copied = fm_backup::create::<Failure>(
        &arguments.data_dir,
        arguments.to.as_deref(),
        arguments.link,
        |layout| keys.as_ref().map(|keys| keys.usable_for(layout)).transpose().map(Option::flatten),
        control,
        &mut |finding| printer.print(&finding),
    );
    let created = match copied {
        Err(failure) if failure.exit == Exit::Locked => {
            ask_node(arguments, keys.as_ref(), failure, control, &mut |finding| printer.print(&finding))
        }
        copied => copied,
    };
    drop(progress);
    let output = printer.finish()?;
    let created = created?;
    if let Some(lacking) = &created.owner_lacking {
        warn("fm-checkpoint", lacking);
    }
    show(arguments, &created, keys.as_ref(), output)
}

fn show(
    arguments: &CreateArgs,
    created: &Created,
    keys: Option<&PinnedKeys>,
    mut output: Output,
) -> Result<Exit, Failure> {
    let survey = &created.survey;
    let exit = if survey.errors > 0 { Exit::Findings } else { Exit::Done };
    let anchor = survey.audit.proven.as_ref();
    if arguments.json.json {
        output.json(&CreateVerdict {
            r#type: "verdict",
            verdict: if survey.errors > 0 { "created-with-findings" } else { "created" },
            path: created.path.display().to_string(),
            identity: survey.classes.identity.to_string(),
            history_root: anchor.map(|anchor| anchor.history_root.to_string()),
            last: survey.audit.chain.last,
            pending: survey.audit.pending,
            standing: survey.standing.name(),
            errors: survey.errors,
            warnings: survey.warnings,
            keys: NamedKeys::of(keys, [&survey.layout, &survey.layout]),
        })?;
        return Ok(exit);
    }
    print_history(survey, keys, &mut output)?;
    output
        .line(&format!("written: {} (opened, and has the rows of the database)", created.path.display()))?;
    Ok(exit)
}
