//! `import`.

use fm_backup::{ImportOptions, State};
use fm_cli::{
    Exit, Failure, FindingPrinter, PinnedKeys, TerminalProgress, check_target, group_digits, interrupt_flag,
};
use serde::Serialize;

use crate::args::ImportArgs;
use crate::show::{print_history, with_refusal};

#[derive(Serialize)]
struct ImportVerdict {
    r#type: &'static str,
    verdict: &'static str,
    identity: String,
    history_root: Option<String>,
    records: u64,
    key_bytes: u64,
    value_bytes: u64,
    errors: u64,
    warnings: u64,
}

pub(crate) fn run(arguments: &ImportArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let keys = arguments.keys.load()?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let archive = arguments.archive.archive()?;
    check_target(&arguments.to, archive.path())?;
    let mut printer = FindingPrinter::new(arguments.json.json);
    let state = State::open_at(&archive, arguments.archive.base()?.as_ref(), layout, control)?;
    let federation = keys.as_ref().and_then(PinnedKeys::federation);
    let options = ImportOptions {
        target: &arguments.to,
        keys: keys.as_ref().map(|keys| keys.of_history(&state.layout())).transpose()?,
        federation: federation.as_deref(),
        accept_findings: arguments.accept_findings,
    };
    let imported = fm_backup::import(&state, &options, control, &mut |finding| printer.print(&finding));
    drop(progress);
    let mut output = printer.finish()?;
    let imported = with_refusal(imported, arguments.json.json, &mut output)?;
    let survey = imported.survey.as_ref();
    if arguments.json.json {
        let anchor = survey.and_then(|survey| survey.audit.proven.as_ref());
        let stated = state.metadata().and_then(|stated| stated.get("history_root").map(str::to_owned));
        output.json(&ImportVerdict {
            r#type: "verdict",
            verdict: if imported.existed { "exists" } else { "imported" },
            identity: imported.identity.to_string(),
            history_root: anchor.map(|anchor| anchor.history_root.to_string()).or(stated),
            records: imported.summary.rows,
            key_bytes: imported.summary.key_bytes,
            value_bytes: imported.summary.value_bytes,
            errors: survey.map_or(0, |survey| survey.errors),
            warnings: survey.map_or(0, |survey| survey.warnings),
        })?;
        return Ok(Exit::Done);
    }
    if let Some(survey) = survey {
        print_history(survey, keys.as_ref(), &mut output)?;
    }
    output.line(&format!("identity   {}", imported.identity))?;
    let database = arguments.to.join(fm_datadir::DATABASE_NAME);
    if imported.existed {
        output.line(&format!("was there already, unchanged: {}", database.display()))?;
    } else {
        output.line(&format!(
            "written: {} ({} records, read back, byte for byte those of the archive)",
            database.display(),
            group_digits(imported.summary.rows)
        ))?;
    }
    Ok(Exit::Done)
}
