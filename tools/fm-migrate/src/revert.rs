//! `revert`.

use fm_audit::{ArchiveSource, Control, PROVENANCE_NAME, check_identity};
use fm_cli::{Exit, Failure, Output, TerminalProgress, check_target, group_digits, interrupt_flag};
use serde::Serialize;

use crate::args::RevertArgs;

#[derive(Serialize)]
struct RevertVerdict {
    r#type: &'static str,
    verdict: &'static str,
    records: u64,
    key_bytes: u64,
    value_bytes: u64,
    identity: String,
}

pub(crate) fn run(arguments: &RevertArgs) -> Result<Exit, Failure> {
    let flag = interrupt_flag()?;
    let from = arguments.source.path()?;
    let inside = from.join(PROVENANCE_NAME);
    let path = if from.is_dir() { &inside } else { from };
    check_target(&arguments.to, from)?;
    let archive = ArchiveSource::open(path)?;
    if from.is_dir() {
        check_identity(&archive, from)?;
    }
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let reverted = fm_migration::revert(&archive, &arguments.to, control)?;
    let mut output = Output::default();
    if arguments.json {
        output.json(&RevertVerdict {
            r#type: "verdict",
            verdict: if reverted.existed { "exists" } else { "reverted" },
            records: reverted.summary.rows,
            key_bytes: reverted.summary.key_bytes,
            value_bytes: reverted.summary.value_bytes,
            identity: reverted.identity.to_string(),
        })?;
        return Ok(Exit::Done);
    }
    let done = if reverted.existed { "was there already, unchanged:" } else { "written:" };
    output.line(&format!(
        "{done} {} ({} records, byte for byte those of the archive)",
        arguments.to.join(fm_datadir::DATABASE_NAME).display(),
        group_digits(reverted.summary.rows)
    ))?;
    Ok(Exit::Done)
}
