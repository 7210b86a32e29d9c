//! The tables of a database or an archive, by name, and the modules that they belong to: as data, and for
//! people.
//!
//! Invariant: kinds and versions are foreign text; they are printed on one line, with every character
//! visible.

use std::collections::BTreeMap;

use fm_eras::modules::{ModuleKey, Modules, UNKNOWN_TABLE};
use fm_eras::{Layout, TableCount, Tables};
use fm_history::printable;
use serde::Serialize;

use crate::{Failure, Output, group_digits};

/// A table with rows.
#[derive(Serialize)]
pub struct TableLine {
    /// The prefix in hex; in module space with the module's id and the prefix of the module's own table.
    pub prefix: String,
    /// The name; `unknown` for a table without one.
    pub name: String,
    /// The module whose table it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<u16>,
    /// The module's kind, if the configuration says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The number of rows.
    pub records: u64,
    /// The number of bytes of all keys.
    pub key_bytes: u64,
    /// The number of bytes of all values.
    pub value_bytes: u64,
}

/// A module, as configuration and database describe it.
#[derive(Serialize)]
pub struct ModuleLine {
    /// The module's number.
    pub module: u16,
    /// The module's kind, if the configuration says it.
    pub kind: Option<String>,
    /// The version of the module's database, as the database says.
    pub database: Option<u64>,
    /// The number of rows.
    pub records: u64,
    /// The number of records in tables that the module's kind does not have in that version; none if the kind
    /// is not known.
    pub unknown_records: Option<u64>,
}

/// Returns the first byte of a key; in module space with the module's id and the first byte of its own key.
pub fn prefix_of(key: &[u8], modules: &Modules) -> Vec<u8> {
    match modules.key_of(key) {
        Some(key) => key.prefix.to_vec(),
        None => key.iter().take(1).copied().collect(),
    }
}

/// Lists every table that has rows.
pub fn table_lines(tables: &Tables, layout: &Layout, modules: &Modules) -> Vec<TableLine> {
    let line = |(prefix, count): (&Vec<u8>, &TableCount)| {
        let name = layout.table_name(prefix).unwrap_or("unknown");
        let module = modules.key_of(prefix).map(|key| {
            // A prefix is a whole key only if it is the key of the one row that it counts.
            let is_key = count.key_bytes == prefix.len() as u64;
            if is_key { key } else { ModuleKey { rest: &[], ..key } }
        });
        let known = module.and_then(|key| modules.modules.get(&key.module));
        TableLine {
            prefix: hex::encode(prefix),
            name: module.map_or(name, |key| modules.name_of(&key)).to_owned(),
            module: module.map(|key| key.module),
            kind: known.and_then(|module| module.kind.clone()),
            records: count.records,
            key_bytes: count.key_bytes,
            value_bytes: count.value_bytes,
        }
    };
    tables.counts.iter().map(line).collect()
}

/// Lists every module that the configuration names, that has a database version, or that has rows.
pub fn module_lines(tables: &Tables, modules: &Modules) -> Vec<ModuleLine> {
    let mut lines: BTreeMap<u16, ModuleLine> = modules
        .modules
        .iter()
        .map(|(number, module)| {
            let unknown_records = module.is_known(modules.is_v0_1()).then_some(0);
            let (kind, database) = (module.kind.clone(), module.database);
            (*number, ModuleLine { module: *number, kind, database, records: 0, unknown_records })
        })
        .collect();
    for (prefix, count) in &tables.counts {
        let Some(key) = modules.key_of(prefix) else { continue };
        let line = lines.entry(key.module).or_insert(ModuleLine {
            module: key.module,
            kind: None,
            database: None,
            records: 0,
            unknown_records: None,
        });
        line.records += count.records;
        if modules.name_of(&key) == UNKNOWN_TABLE {
            line.unknown_records = line.unknown_records.map(|records| records + count.records);
        }
    }
    lines.into_values().collect()
}

/// Prints a line for each module.
///
/// # Errors
/// If the output cannot be written.
pub fn print_modules(output: &mut Output, modules: &[ModuleLine]) -> Result<(), Failure> {
    modules.iter().try_for_each(|module| output.line(&module_text(module)))
}

/// Prints the tables, with a heading.
///
/// # Errors
/// If the output cannot be written.
pub fn print_tables(output: &mut Output, tables: &[TableLine]) -> Result<(), Failure> {
    output.line("")?;
    output.line("prefix      records    key bytes    value bytes  table")?;
    for table in tables {
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
