//! `compare`.

use std::collections::BTreeMap;

use fm_backup::{Comparison, State, TableStanding};
use fm_cli::{Exit, Failure, KeyArgs, Output, TerminalProgress, interrupt_flag, warn};
use fm_eras::modules::Modules;
use serde::Serialize;

use crate::args::CompareArgs;
use crate::compare_federations::Federations;
use crate::compare_print::print;

#[derive(Serialize)]
struct SourceLine<'a> {
    r#type: &'static str,
    source: usize,
    path: String,
    federation: Option<&'a str>,
    sessions: u64,
    last: Option<u64>,
    history_root: Option<String>,
    common_root: Option<String>,
    pending: u64,
    hole: Option<u64>,
    group: Option<usize>,
    off_since: Option<u64>,
    /// Versions of the server's tables ("server") and of every module, where the database says them.
    database_versions: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct ModuleLine<'a> {
    r#type: &'static str,
    module: u16,
    kind: Option<&'a str>,
    equal: bool,
    hashes: BTreeMap<usize, String>,
    differing_rows: u64,
    telling_rows: u64,
    first_key: Option<String>,
}

#[derive(Serialize)]
struct TableLine<'a> {
    r#type: &'static str,
    table: String,
    name: &'static str,
    module: Option<u16>,
    kind: Option<&'a str>,
    rows: &'static str,
    what: Option<&'static str>,
    differing_rows: u64,
    telling_rows: u64,
    first_key: String,
}

#[derive(Serialize)]
struct CompareVerdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    identity: Option<String>,
    history_root: Option<String>,
    common_end: Option<u64>,
    session: Option<u64>,
    groups: &'a [Vec<usize>],
    majority: Option<usize>,
    state_compared: &'a [usize],
    state_differs: Vec<u16>,
    tables_differ: Vec<String>,
}

pub(crate) fn run(arguments: &CompareArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let states = arguments
        .sources
        .iter()
        .map(|source| {
            let location = arguments.identity.at(source)?;
            Ok(State::open_at(&location, None, layout, control)?)
        })
        .collect::<Result<Vec<State>, Failure>>()?;
    let comparison = fm_backup::compare(&states, &kinds(arguments)?, control)?;
    drop(progress);
    let federations = Federations::of(arguments, &states, &comparison);
    let (_, exit) = verdict(&comparison, &federations);
    let mut output = Output::default();
    if arguments.json.json {
        print_json(&states, &comparison, &federations, &mut output)?;
    } else {
        print(&states, &comparison, &federations, &mut output)?;
    }
    Ok(exit)
}

/// Returns the kinds of the modules: those of the named configuration, or else those beside the sources, if
/// these agree.
fn kinds(arguments: &CompareArgs) -> Result<BTreeMap<u16, String>, Failure> {
    let keys = KeyArgs { config: arguments.config.clone(), keys: None };
    let modules_of = |keys: fm_cli::PinnedKeys| Some((keys.path, keys.config?.modules));
    if let Some(named) = keys.load()?.and_then(modules_of) {
        return Ok(named.1);
    }
    let mut found: Option<(std::path::PathBuf, BTreeMap<u16, String>)> = None;
    for source in &arguments.sources {
        let Some((path, modules)) = keys.load_or_warn(source.path(), "fm-checkpoint")?.and_then(modules_of)
        else {
            continue;
        };
        match &found {
            Some((first, others)) if *others != modules => {
                let message = format!(
                    "{} and {} name other modules; no table is named after either: name one with --config",
                    first.display(),
                    path.display()
                );
                warn("fm-checkpoint", &message);
                return Ok(BTreeMap::new());
            }
            Some(_) => {}
            None => found = Some((path, modules)),
        }
    }
    Ok(found.map(|(_, modules)| modules).unwrap_or_default())
}

fn verdict(comparison: &Comparison, federations: &Federations) -> (&'static str, Exit) {
    if federations.are_several() {
        return ("different-federations", Exit::Findings);
    }
    match (comparison.is_one_history(), comparison.hole()) {
        (false, _) => ("different", Exit::Findings),
        (true, _) if !comparison.tables.is_one_state() => ("state-differs", Exit::Findings),
        (true, Some(_)) => ("incomplete", Exit::Partial),
        (true, None) => ("equal", Exit::Done),
    }
}

fn database_versions(modules: &Modules) -> BTreeMap<String, u64> {
    let server = modules.server.map(|version| ("server".to_owned(), version));
    let each =
        modules.modules.iter().filter_map(|(number, module)| Some((number.to_string(), module.database?)));
    server.into_iter().chain(each).collect()
}

/// Returns the kind of a module, if the configuration says it.
pub(crate) fn kind_of(comparison: &Comparison, module: u16) -> Option<&str> {
    comparison.modules.first()?.modules.get(&module)?.kind.as_deref()
}

/// Returns the root that all of the first group share at the common end.
pub(crate) fn common_root(comparison: &Comparison) -> Option<String> {
    let first = *comparison.groups.first()?.first()?;
    comparison.states[first].common_root.map(|root| root.to_string())
}

fn group_of(comparison: &Comparison, number: usize) -> Option<usize> {
    comparison.groups.iter().position(|group| group.contains(&number))
}

/// Without a majority, nobody is known to differ.
fn off_since(comparison: &Comparison, number: usize) -> Option<u64> {
    comparison.majority?;
    comparison.off.iter().find(|(off, _)| *off == number).map(|(_, since)| *since)
}

fn print_json(
    states: &[State],
    comparison: &Comparison,
    federations: &Federations,
    output: &mut Output,
) -> Result<(), Failure> {
    for (number, (state, compared)) in states.iter().zip(&comparison.states).enumerate() {
        output.json(&SourceLine {
            r#type: "source",
            source: number,
            path: state.path().display().to_string(),
            federation: federations.of_source(number),
            sessions: compared.sessions,
            last: compared.last,
            history_root: compared.history_root.map(|root| root.to_string()),
            common_root: compared.common_root.map(|root| root.to_string()),
            pending: compared.pending,
            hole: compared.hole,
            group: group_of(comparison, number),
            off_since: off_since(comparison, number),
            database_versions: comparison.modules.get(number).map(database_versions).unwrap_or_default(),
        })?;
    }
    for module in &comparison.tables.modules {
        output.json(&ModuleLine {
            r#type: "module",
            module: module.module,
            kind: kind_of(comparison, module.module),
            equal: module.differing == 0,
            hashes: module.hashes.iter().map(|(number, hash)| (*number, hash.to_string())).collect(),
            differing_rows: module.differing,
            telling_rows: module.telling,
            first_key: module.first_key.as_ref().map(hex::encode),
        })?;
    }
    for table in &comparison.tables.tables {
        output.json(&TableLine {
            r#type: "table",
            table: hex::encode(&table.prefix),
            name: table.name,
            module: table.module,
            kind: table.module.and_then(|module| kind_of(comparison, module)),
            rows: table.standing.name(),
            what: if let TableStanding::Own(what) = table.standing { Some(what) } else { None },
            differing_rows: table.differing,
            telling_rows: table.telling,
            first_key: hex::encode(&table.first_key),
        })?;
    }
    output.json(&CompareVerdict {
        r#type: "verdict",
        verdict: verdict(comparison, federations).0,
        identity: None,
        history_root: common_root(comparison),
        common_end: comparison.common_end,
        session: comparison.first_difference,
        groups: &comparison.groups,
        majority: comparison.majority,
        state_compared: &comparison.tables.compared,
        state_differs: comparison
            .tables
            .modules
            .iter()
            .filter(|module| module.telling > 0)
            .map(|module| module.module)
            .collect(),
        tables_differ: comparison.tables.telling().map(|table| hex::encode(&table.prefix)).collect(),
    })
}
