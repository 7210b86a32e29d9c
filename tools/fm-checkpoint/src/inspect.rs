//! `inspect`: what an archive says that it holds, and, if asked, its tables with their counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use fm_audit::{ArchiveSource, AuditError};
use fm_cli::{
    Exit, Failure, ModuleLine, Output, TableLine, group_digits, module_lines, prefix_of, print_modules,
    print_tables, table_lines,
};
use fm_eras::modules::Modules;
use fm_eras::{Layout, Tables};
use fm_rows::SourceError;
use serde::Serialize;

use crate::args::InspectArgs;

#[derive(Serialize)]
struct Inspected<'a> {
    r#type: &'static str,
    verdict: &'static str,
    metadata: BTreeMap<&'a str, &'a str>,
    records: u64,
    key_bytes: u64,
    value_bytes: u64,
    frames: u64,
    file_bytes: u64,
    identity: String,
    root: String,
    #[serde(flatten)]
    counted: Option<Counted>,
}

/// Facts that are known only after the whole archive was read.
#[derive(Serialize)]
struct Counted {
    modules: Vec<ModuleLine>,
    tables: Vec<TableLine>,
}

pub(crate) fn run(arguments: &InspectArgs) -> Result<Exit, Failure> {
    crate::place::check_archive(&arguments.archive)?;
    let location = arguments.identity.at(&arguments.archive)?;
    location.check_keys()?;
    let archive = ArchiveSource::over(Arc::new(location))?;
    let (summary, metadata) = (archive.summary(), archive.all_metadata());
    let inspected = Inspected {
        r#type: "verdict",
        verdict: "inspected",
        metadata: metadata.iter().collect(),
        records: summary.records,
        key_bytes: summary.key_bytes,
        value_bytes: summary.value_bytes,
        frames: summary.frames,
        file_bytes: summary.length,
        identity: hex::encode(summary.identity),
        root: hex::encode(summary.root),
        counted: arguments.tables.then(|| count(&archive, arguments)).transpose()?,
    };
    let mut output = Output::default();
    if arguments.json.json {
        output.json(&inspected)?;
        return Ok(Exit::Done);
    }
    for (name, value) in &inspected.metadata {
        output.line(&format!("{name:<24} {value}"))?;
    }
    output.line(&format!("{:<24} {}", "records", group_digits(inspected.records)))?;
    output.line(&format!("{:<24} {}", "bytes", group_digits(inspected.file_bytes)))?;
    output.line(&format!("{:<24} {}", "identity", inspected.identity))?;
    output.line(&format!("{:<24} {}", "root", inspected.root))?;
    if let Some(Counted { modules, tables }) = &inspected.counted {
        print_modules(&mut output, modules)?;
        print_tables(&mut output, tables)?;
    }
    Ok(Exit::Done)
}

/// Counts the records by table, according to the layout in the header.
fn count(archive: &ArchiveSource, arguments: &InspectArgs) -> Result<Counted, Failure> {
    let name = archive.metadata("layout").unwrap_or_default();
    let Some(layout) = Layout::by_name(&name) else {
        let message = format!("{} names no layout that is known: {name:?}", archive.path().display());
        return Err(Failure::new(Exit::CannotLook, message).hint("without --tables the rest is shown"));
    };
    let unreadable = |source: SourceError| Failure::from(AuditError::rows(archive.path(), source));
    let modules = Modules::read(archive, layout, &arguments.kinds.kinds()?).map_err(unreadable)?;
    let tables = Tables::count(archive, |key| prefix_of(key, &modules), |_, _| {}).map_err(unreadable)?;
    Ok(Counted { modules: module_lines(&tables, &modules), tables: table_lines(&tables, &layout, &modules) })
}
