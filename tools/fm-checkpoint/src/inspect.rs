//! `inspect`.

use std::collections::BTreeMap;
use std::sync::Arc;

use fm_audit::ArchiveSource;
use fm_cli::{Exit, Failure, Output, group_digits};
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
    Ok(Exit::Done)
}
