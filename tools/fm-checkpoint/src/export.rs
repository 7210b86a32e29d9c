//! `export`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fm_audit::Source;
use fm_backup::{ExportOptions, Exported, Location, Making, State, guardian_of};
use fm_cli::{
    Exit, Failure, FindingPrinter, LiveSource, NamedKeys, Output, PinnedKeys, TerminalProgress,
    directories_around, group_digits, interrupt_flag, is_federation,
};
use fm_datadir::{CONSENSUS, ENCRYPTED, PRIVATE};
use serde::Serialize;

use crate::args::ExportArgs;
use crate::configuration;
use crate::place::check_target;
use crate::show::{print_classes, print_history};

#[derive(Serialize)]
struct ExportVerdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    identity: String,
    history_root: Option<String>,
    state_identity: Option<&'a str>,
    records: u64,
    bytes: u64,
    uncompressed: u64,
    kept: u64,
    left: Option<&'a str>,
    sessions: u64,
    last: Option<u64>,
    pending: u64,
    errors: u64,
    warnings: u64,
    config: Option<&'a Path>,
    keys: Option<NamedKeys>,
    metadata: BTreeMap<&'a str, &'a str>,
}

pub(crate) fn run(arguments: &ExportArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let places = [Some(arguments.source.path()), arguments.data_dir.as_deref()];
    let places: Vec<&Path> = places.into_iter().flatten().collect();
    let live = match is_federation(arguments.source.path()) {
        true => Some(arguments.federation.open(arguments.source.path(), arguments.keys.load()?)?),
        false => None,
    };
    let keys = match &live {
        Some(live) => Some(live.keys.clone()),
        None => arguments.keys.load_first_or_warn(&places, "fm-checkpoint")?,
    };
    check_target(&arguments.to, &arguments.source)?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let mut printer = FindingPrinter::new(arguments.json.json);
    let state = match live {
        Some(LiveSource { source: Source::Federation(federation), .. }) => State::of_federation(federation),
        _ => State::open_at(&arguments.identity.at(&arguments.source)?, None, layout, control)?,
    };
    let federation = keys.as_ref().and_then(PinnedKeys::federation).unwrap_or_default();
    let found = data_dir_of(&state, arguments.source.path());
    let data_dir = arguments.data_dir.as_deref().or(found.as_deref());
    let since = arguments.since.as_ref().map(|since| arguments.identity.at(since)).transpose()?;
    let recipients = fm_backup::recipients(&arguments.recipient)?;
    configuration::check(arguments.with_config.as_ref(), &arguments.to, &recipients)?;
    if arguments.with_config.is_some() && data_dir.is_none() {
        let message = format!("no guardian's files are beside {}", arguments.source.path().display());
        return Err(Failure::new(Exit::Usage, message).hint("name its data directory with --data-dir"));
    }
    let guardian = data_dir.and_then(guardian_of);
    let layout = state.layout();
    let history_keys = keys.as_ref().map(|keys| keys.usable_for(&layout)).transpose()?.flatten();
    let target = arguments.identity.at(&arguments.to)?;
    let options = ExportOptions {
        target: &target,
        profile: arguments.profile,
        since: since.as_ref(),
        recipients: &recipients,
        data_dir,
        keys: history_keys,
        accept_findings: arguments.accept_findings,
        level: arguments.level,
        making: Making { federation, guardian, tool: crate::TOOL.to_owned(), handover: None },
    };
    let exported = fm_backup::export(&state, &options, control, &mut |finding| printer.print(&finding));
    drop(progress);
    let mut output = printer.finish()?;
    let exported = crate::show::with_refusal(exported, arguments.json.json, &mut output)?;
    let directories: Vec<&Path> = data_dir.into_iter().collect();
    let config = configuration::write(arguments.with_config.as_ref(), &directories, &recipients);
    let config = fm_cli::or_refused(config, arguments.json.json, &mut output)?;
    show(arguments, &exported, keys.as_ref(), &mut output)?;
    if let Some(config) = config.filter(|_| !arguments.json.json) {
        output.line(&config)?;
    }
    Ok(Exit::Done)
}

/// Returns the directory where the guardian's secret files may lie: beside the database, or two directories
/// above a checkpoint.
fn data_dir_of(state: &State, source: &Path) -> Option<PathBuf> {
    if state.metadata().is_some() || is_federation(source) {
        return None;
    }
    let holds_database = source.join(fm_datadir::DATABASE_NAME).is_dir();
    let own = holds_database.then(|| source.to_owned());
    let is_guardians = |directory: &PathBuf| {
        [CONSENSUS, PRIVATE, ENCRYPTED].iter().any(|name| directory.join(name).exists())
    };
    own.into_iter().chain(directories_around(state.path(), 2)).find(is_guardians)
}

fn show(
    arguments: &ExportArgs,
    exported: &Exported,
    keys: Option<&PinnedKeys>,
    output: &mut Output,
) -> Result<(), Failure> {
    let (survey, summary) = (&exported.survey, &exported.summary);
    let anchor = survey.audit.proven.as_ref();
    if arguments.json.json {
        return output.json(&ExportVerdict {
            r#type: "verdict",
            verdict: if exported.existed { "exists" } else { "exported" },
            identity: hex::encode(summary.identity),
            history_root: anchor.map(|anchor| anchor.history_root.to_string()),
            state_identity: exported.metadata.get("state_identity"),
            records: summary.records,
            bytes: summary.length,
            uncompressed: summary.uncompressed,
            kept: exported.kept,
            left: exported.left.as_deref(),
            sessions: anchor.map_or(0, |anchor| anchor.sessions),
            last: anchor.map(|anchor| anchor.last),
            pending: survey.audit.pending,
            errors: survey.errors,
            warnings: survey.warnings,
            config: arguments.with_config.as_ref().map(Location::path),
            keys: NamedKeys::of(keys, [&survey.layout, &survey.layout]),
            metadata: exported.metadata.iter().collect(),
        });
    }
    print_history(survey, keys, output)?;
    if arguments.profile == fm_backup::Profile::Full {
        print_classes(survey, output)?;
    }
    output.line(&format!("identity   {}", hex::encode(summary.identity)))?;
    if exported.kept > 0 {
        let bytes = group_digits(exported.kept);
        output.line(&format!("kept       {bytes} bytes that an interrupted run had written"))?;
    }
    if let Some(left) = &exported.left {
        output.line(&format!("left       {left}"))?;
    }
    let done = if exported.existed { "was there already, unchanged:" } else { "written:" };
    output.line(&format!(
        "{done} {} ({} records, {} bytes)",
        arguments.to.path().display(),
        group_digits(summary.records),
        group_digits(summary.length)
    ))
}
