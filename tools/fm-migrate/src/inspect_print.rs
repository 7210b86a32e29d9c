//! What `inspect` prints for people.
//!
//! Invariant: kinds and versions are texts that others wrote; they are printed on one line, with every character visible.

use fm_cli::{Failure, Output, group_digits};
use fm_history::printable;

use crate::inspect::{Inspection, ModuleLine, Omitted, ServerVersions, TableLine};

pub(crate) fn print(output: &mut Output, inspection: &Inspection) -> Result<(), Failure> {
    output.line(&format!("era        {} ({})", inspection.era, inspection.dialect))?;
    if let (Some(first), Some(last)) = (inspection.first, inspection.last) {
        output.line(&format!("range      {} to {}", group_digits(first), group_digits(last)))?;
    }
    if inspection.is_epochs {
        let pointer = inspection.last_pointer.map_or("none".to_owned(), group_digits);
        output.line(&format!("last epoch {pointer} (as the database says)"))?;
    }
    output.line(&format!("signatures {} (not checked here)", group_digits(inspection.signatures)))?;
    if inspection.is_epochs {
        let tip = group_digits(inspection.tip);
        output.line(&format!("tip        {tip} newest epoch(s) without a signature"))?;
    }
    output.line(&format!("damaged    {} records do not decode", group_digits(inspection.undecodable)))?;
    if let Some(server) = &inspection.server {
        let ServerVersions { first, last } = server;
        output.line(&format!("server     {last} ran on it last, {first} first (as the database says)"))?;
    }
    for Omitted { code, message } in &inspection.omissions {
        output.line(&format!("not read   {code}: {message}"))?;
    }
    inspection.found.iter().try_for_each(|keys| keys.say_found(output))?;
    for (peer, name) in &inspection.guardians {
        output.line(&format!("guardian   {peer} {name}"))?;
    }
    inspection.modules.iter().try_for_each(|module| output.line(&module_text(module)))?;
    output.line("")?;
    output.line("prefix      records    key bytes    value bytes  table")?;
    for table in &inspection.tables {
        output.line(&format!(
            "{:<10} {:>8} {:>12} {:>14}  {}",
            table.prefix,
            group_digits(table.records),
            group_digits(table.key_bytes),
            group_digits(table.value_bytes),
            table_text(table)
        ))?;
    }
    Ok(())
}

fn module_text(module: &ModuleLine) -> String {
    let kind = match &module.kind {
        Some(kind) => printable(kind),
        None => "of an unknown kind (the consensus.json of the federation names it: --config)".into(),
    };
    let database = module.database.map(|version| format!(", database version {version}")).unwrap_or_default();
    let unknown = match module.unknown_records {
        Some(0) => String::new(),
        Some(records) => format!(", {} of them in tables that it does not have", group_digits(records)),
        None if module.kind.is_some() => ", whose tables are not known".to_owned(),
        None => String::new(),
    };
    format!(
        "module     {} {kind}{database}: {} records{unknown}",
        module.module,
        group_digits(module.records)
    )
}

fn table_text(table: &TableLine) -> String {
    match (&table.module, &table.kind) {
        (Some(module), Some(kind)) => format!("{} ({module} {})", table.name, printable(kind)),
        (Some(module), None) => format!("{} ({module})", table.name),
        _ => table.name.clone(),
    }
}
