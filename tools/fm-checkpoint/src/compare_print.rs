//! What `compare` prints for people.

use std::collections::BTreeMap;

use fm_backup::{Compared, Comparison, State, TableDifference, TableStanding};
use fm_cli::{Failure, Output, group_digits, root_line};
use fm_history::printable;

use crate::compare::{common_root, kind_of};
use crate::compare_federations::Federations;

pub(crate) fn print(
    states: &[State],
    comparison: &Comparison,
    federations: &Federations,
    output: &mut Output,
) -> Result<(), Failure> {
    for (number, (state, compared)) in states.iter().zip(&comparison.states).enumerate() {
        output.line(&format!("{number:>3}  {}", state.path().display()))?;
        output.line(&format!("     {}", shown(compared)))?;
    }
    print_versions(comparison, output)?;
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
    print_state(comparison, output)?;
    if federations.are_several() {
        for (id, sources) in federations.groups() {
            output.line(&format!("federation {id}: {}", numbers(&sources)))?;
        }
        let count = match federations.groups().len() {
            2 => "two".to_owned(),
            count => count.to_string(),
        };
        return output.line(&format!(
            "verdict    DIFFERENT FEDERATIONS: these are {count} federations, and guardians of one only can be compared"
        ));
    }
    let all = states.len();
    output.line(&match (comparison.first_difference, comparison.majority) {
        (None, _) if !comparison.tables.is_one_state() => {
            let rows: u64 = comparison.tables.telling().map(|table| table.telling).sum();
            format!(
                "verdict    STATE DIFFERS: the {all} histories are one, but {} row(s) that honest guardians share are not \
                 the same",
                group_digits(rows)
            )
        }
        (None, _) if comparison.hole().is_some() => {
            let (number, session) = comparison.hole().unwrap_or_default();
            format!(
                "verdict    INCOMPLETE: {number} lacks session {} and has later ones; what is there is equal",
                group_digits(session)
            )
        }
        (None, _) => format!("verdict    EQUAL: the {all} histories are one, as far as each goes"),
        (Some(session), Some(group)) => format!(
            "verdict    DIFFERENT from session {} on; {} of {all} agree",
            group_digits(session),
            comparison.groups[group].len()
        ),
        (Some(session), None) => {
            format!(
                "verdict    DIFFERENT from session {} on, and no majority: which of the {all} differs is not known; \
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
    // The root of all sessions of the source, up to `last`.
    let root = compared
        .history_root
        .map_or("no root: a session is missing or hidden".to_owned(), |root| format!("root {root}"));
    format!("{last}{pending}, {root}")
}

fn numbers(group: &[usize]) -> String {
    group.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Prints the database versions of the sources, before any comparison.
fn print_versions(comparison: &Comparison, output: &mut Output) -> Result<(), Failure> {
    let mut versions: BTreeMap<Option<u16>, Vec<Option<u64>>> = BTreeMap::new();
    let all = comparison.modules.len();
    for (number, modules) in comparison.modules.iter().enumerate() {
        let each = modules.modules.iter().map(|(module, known)| (Some(*module), known.database));
        for (module, version) in each.chain([(None, modules.server)]) {
            versions.entry(module).or_insert_with(|| vec![None; all])[number] = version;
        }
    }
    let name = |module: &Option<u16>| match module {
        None => "server".to_owned(),
        Some(module) => named(comparison, *module),
    };
    let is_same = |of: &[Option<u64>]| of.windows(2).all(|pair| pair[0] == pair[1]);
    let same: Vec<String> = versions
        .iter()
        .filter(|(_, of)| is_same(of))
        .filter_map(|(module, of)| Some(format!("{} {}", name(module), of.first().copied().flatten()?)))
        .collect();
    if !same.is_empty() {
        output.line(&format!("versions   of the databases, the same in all: {}", same.join(", ")))?;
    }
    for (module, of) in versions.iter().filter(|(_, of)| !is_same(of)) {
        let each: Vec<String> = of
            .iter()
            .enumerate()
            .map(|(number, version)| {
                format!("{number} has {}", version.map_or("none".to_owned(), |version| version.to_string()))
            })
            .collect();
        output.line(&format!(
            "versions   of {} are not the same: {}; tables that all of them keep are compared",
            name(module),
            each.join(", ")
        ))?;
    }
    Ok(())
}

fn named(comparison: &Comparison, module: u16) -> String {
    match kind_of(comparison, module) {
        Some(kind) => format!("module {module} {}", printable(kind)),
        None => format!("module {module}"),
    }
}

fn print_state(comparison: &Comparison, output: &mut Output) -> Result<(), Failure> {
    let tables = &comparison.tables;
    if tables.compared.is_empty() {
        return output.line("state      not compared: no two of them are at the same point with every row");
    }
    let who = numbers(&tables.compared);
    let shared = if tables.is_one_state() { "are equal" } else { "are NOT equal" };
    let equal = tables.modules.iter().filter(|module| module.differing == 0).count();
    output.line(&format!(
        "state      of {who}: rows that honest guardians share {shared}; {} of {} module(s) are equal in every row",
        group_digits(equal as u64),
        group_digits(tables.modules.len() as u64)
    ))?;
    tables.telling().try_for_each(|table| output.line(&table_text(comparison, table)))?;
    tables
        .tables
        .iter()
        .filter(|table| table.telling == 0)
        .try_for_each(|table| output.line(&table_text(comparison, table)))
}

fn table_text(comparison: &Comparison, table: &TableDifference) -> String {
    let of = table.module.map(|module| format!(" of {}", named(comparison, module))).unwrap_or_default();
    let differing = group_digits(table.differing);
    let prefix = hex::encode(&table.prefix);
    let what = match table.standing {
        _ if table.telling > 0 => {
            let (telling, key) = (group_digits(table.telling), hex::encode(&table.first_key));
            format!("{telling} row(s) DIFFER, and all honest guardians share them; the first is {key}")
        }
        TableStanding::Own(what) => {
            format!("{differing} row(s) differ: {what}, which every guardian has for itself")
        }
        TableStanding::OtherVersions => {
            format!("{differing} row(s) differ: not all of these database versions keep them")
        }
        TableStanding::Shared | TableStanding::SinceUpgrade => {
            format!("{differing} row(s) are not everywhere: a guardian has them since its own upgrade")
        }
        TableStanding::Unknown
            if table.module.is_some_and(|module| kind_of(comparison, module).is_none()) =>
        {
            format!("{differing} row(s) differ; the kind of the module is not known: --config names it")
        }
        TableStanding::Unknown => {
            format!("{differing} row(s) differ; whether guardians share them is not known")
        }
    };
    format!("  table    {prefix} {}{of}: {what}", table.name)
}
