//! The outcome of a session in progress, as `fm-migrate units --out` writes it, and how little it proves.

use std::path::Path;

use fm_audit::{ArchiveSource, Control, check_archive};
use fm_cli::{Exit, Failure, FindingPrinter, TerminalProgress, group_digits, interrupt_flag};
use fm_history::{Code, Finding, Place};
use fm_migration::{PendingOutcome, check_pending_outcome, is_pending_outcome};
use serde::Serialize;

use crate::audit_args::AuditArgs;

#[derive(Serialize)]
struct PendingVerdict {
    r#type: &'static str,
    verdict: &'static str,
    source: &'static str,
    session: u64,
    items: u64,
    units: u64,
    header_root: String,
    errors: usize,
    warnings: u64,
}

/// Opens such an archive; returns none if the path holds something else or cannot be read as an archive.
pub(crate) fn open(path: &Path) -> Option<ArchiveSource> {
    path.is_file().then(|| ArchiveSource::open(path).ok()).flatten().filter(is_pending_outcome)
}

/// Checks every byte of it, and that what it says follows from its accepted items.
pub(crate) fn run(archive: &ArchiveSource, arguments: &AuditArgs) -> Result<Exit, Failure> {
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let mut printer = FindingPrinter::new(arguments.json);
    let (_, damage) = check_archive(archive.path(), control)?;
    let found = match damage.is_empty() {
        true => check_pending_outcome(archive, control)?,
        false => PendingOutcome::default(),
    };
    drop(progress);
    damage.iter().for_each(|finding| printer.print(finding));
    for fault in &found.faults {
        printer.print(&Finding::new(Code::ArchiveMisstated, Place::everywhere(), fault.clone()));
    }
    let mut output = printer.finish()?;
    let errors = damage.len() + found.faults.len();
    let (verdict, exit) =
        if errors == 0 { ("unsigned", Exit::Partial) } else { ("findings", Exit::Findings) };
    if arguments.json {
        output.json(&PendingVerdict {
            r#type: "verdict",
            verdict,
            source: "pending session outcome",
            session: found.session,
            items: found.items,
            units: found.units,
            header_root: found.header_root.to_string(),
            errors,
            warnings: 0,
        })?;
        return Ok(exit);
    }
    let (session, items) = (group_digits(found.session), group_digits(found.items));
    output.line(&format!("outcome    of session {session} in progress: {items} accepted items"))?;
    output.line(&format!("root       {} over its items", found.header_root))?;
    output.line(&match errors {
        0 => "verdict    UNSIGNED: it follows from one guardian's accepted items, and no guardian signed it"
            .to_owned(),
        errors => format!("verdict    FINDINGS: {errors} error(s)"),
    })?;
    Ok(exit)
}
