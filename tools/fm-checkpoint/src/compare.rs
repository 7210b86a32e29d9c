//! `compare`.

use std::collections::BTreeMap;

use fm_backup::{Compared, Comparison, ModuleState, State};
use fm_cli::{Exit, Failure, Output, TerminalProgress, group_digits, interrupt_flag, root_line};
use serde::Serialize;

use crate::args::CompareArgs;

#[derive(Serialize)]
struct SourceLine {
    r#type: &'static str,
    source: usize,
    path: String,
    sessions: u64,
    last: Option<u64>,
    history_root: Option<String>,
    common_root: Option<String>,
    pending: u64,
    hole: Option<u64>,
    group: Option<usize>,
    off_since: Option<u64>,
}

#[derive(Serialize)]
struct ModuleLine {
    r#type: &'static str,
    module: u16,
    equal: bool,
    hashes: BTreeMap<usize, String>,
    differing_rows: u64,
    first_key: Option<String>,
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
    let comparison = fm_backup::compare(&states, control)?;
    drop(progress);
    let (_, exit) = verdict(&comparison);
    let mut output = Output::default();
    if arguments.json.json {
        print_json(&states, &comparison, &mut output)?;
    } else {
        print(&states, &comparison, &mut output)?;
    }
    Ok(exit)
}

fn verdict(comparison: &Comparison) -> (&'static str, Exit) {
    match (comparison.is_one_history(), comparison.hole()) {
        (false, _) => ("different", Exit::Findings),
        (true, Some(_)) => ("incomplete", Exit::Partial),
        (true, None) => ("equal", Exit::Done),
    }
}

/// The root that all of the first group share at the common end.
fn common_root(comparison: &Comparison) -> Option<String> {
    let first = *comparison.groups.first()?.first()?;
    comparison.states[first].common_root.map(|root| root.to_string())
}

fn group_of(comparison: &Comparison, number: usize) -> Option<usize> {
    comparison.groups.iter().position(|group| group.contains(&number))
}

/// Without a majority nobody is known to be off.
fn off_since(comparison: &Comparison, number: usize) -> Option<u64> {
    comparison.majority?;
    comparison.off.iter().find(|(off, _)| *off == number).map(|(_, since)| *since)
}

fn print_json(states: &[State], comparison: &Comparison, output: &mut Output) -> Result<(), Failure> {
    for (number, (state, compared)) in states.iter().zip(&comparison.states).enumerate() {
        output.json(&SourceLine {
            r#type: "source",
            source: number,
            path: state.path().display().to_string(),
            sessions: compared.sessions,
            last: compared.last,
            history_root: compared.history_root.map(|root| root.to_string()),
            common_root: compared.common_root.map(|root| root.to_string()),
            pending: compared.pending,
            hole: compared.hole,
            group: group_of(comparison, number),
            off_since: off_since(comparison, number),
        })?;
    }
    for module in &comparison.modules.modules {
        output.json(&ModuleLine {
            r#type: "module",
            module: module.module,
            equal: module.differing == 0,
            hashes: module.hashes.iter().map(|(number, hash)| (*number, hash.to_string())).collect(),
            differing_rows: module.differing,
            first_key: module.first_key.as_ref().map(hex::encode),
        })?;
    }
    output.json(&CompareVerdict {
        r#type: "verdict",
        verdict: verdict(comparison).0,
        identity: None,
        history_root: common_root(comparison),
        common_end: comparison.common_end,
        session: comparison.first_difference,
        groups: &comparison.groups,
        majority: comparison.majority,
        state_compared: &comparison.modules.compared,
        state_differs: comparison.modules.differing().map(|module| module.module).collect(),
    })
}

fn print(states: &[State], comparison: &Comparison, output: &mut Output) -> Result<(), Failure> {
    for (number, (state, compared)) in states.iter().zip(&comparison.states).enumerate() {
        output.line(&format!("{number:>3}  {}", state.path().display()))?;
        output.line(&format!("     {}", shown(compared)))?;
    }
    match (comparison.common_end, common_root(comparison)) {
        (Some(end), Some(root)) => output.line(&root_line(root, end))?,
        _ => output.line("root       they have no session in common")?,
    }
    for group in comparison.groups.iter().filter(|group| group.len() > 1) {
        output.line(&format!("together   {}", numbers(group)))?;
    }
    for (number, since) in &comparison.off {
        let what = if comparison.majority.is_some() { "off  " } else { "apart" };
        output.line(&format!("{what}      {number}, since session {}", group_digits(*since)))?;
    }
    print_modules(comparison, output)?;
    let all = states.len();
    output.line(&match (comparison.first_difference, comparison.majority) {
        (None, _) if comparison.hole().is_some() => {
            let (number, session) = comparison.hole().unwrap_or_default();
            format!(
                "verdict    INCOMPLETE: {number} lacks session {} and has later ones; what is there is equal",
                group_digits(session)
            )
        }
        (None, _) => format!("verdict    EQUAL: the {all} histories are one, as far as each goes"),
        (Some(session), Some(group)) => format!(
            "verdict    DIFFERENT from session {} on; {} of {all} are together",
            group_digits(session),
            comparison.groups[group].len()
        ),
        (Some(session), None) => {
            format!(
                "verdict    DIFFERENT from session {} on, and no majority: which of the {all} is off is not known; \
                 `fm-verify` says which of them the guardians signed",
                group_digits(session)
            )
        }
    })
}

fn shown(compared: &Compared) -> String {
    let last = compared.last.map_or("nothing".to_owned(), |last| format!("up to {}", group_digits(last)));
    let pending = match compared.pending {
        0 => String::new(),
        pending => format!(", {} items of the open session", group_digits(pending)),
    };
    // The root of all that it has, which `last` says.
    let root = compared
        .history_root
        .map_or("no root: a session is missing or hidden".to_owned(), |root| format!("root {root}"));
    format!("{last}{pending}, {root}")
}

fn numbers(group: &[usize]) -> String {
    group.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn print_modules(comparison: &Comparison, output: &mut Output) -> Result<(), Failure> {
    let modules = &comparison.modules;
    if modules.compared.is_empty() {
        return output.line("state      not compared: no two of them are at the same point with every row");
    }
    let who = numbers(&modules.compared);
    let equal: Vec<&ModuleState> = modules.modules.iter().filter(|module| module.differing == 0).collect();
    output.line(&format!("state      of {who}: {} module(s) are equal", equal.len()))?;
    for module in modules.differing() {
        let key = module.first_key.as_ref().map(hex::encode).unwrap_or_default();
        output.line(&format!(
            "           module {} is not: {} row(s) differ, the first is {key}",
            module.module,
            group_digits(module.differing)
        ))?;
    }
    Ok(())
}
