//! The audit of one source, and its verdict.

use std::path::Path;

use fm_audit::{
    AuditError, Control, EpochStream, HistoryAudit, HistoryOptions, PROVENANCE_NAME, SealAudit, Source,
    audit_history, audit_migrated, check_archive, omission_findings, open_source,
};
use fm_cli::{Exit, Failure, FindingPrinter, PinnedKeys, TerminalProgress, interrupt_flag};
use fm_eras::Detected;
use fm_history::{Finding, Severity};

use crate::audit_args::AuditArgs;
use crate::verdict::conclude;

/// What was looked at, and what it came to.
pub(crate) struct Outcome {
    pub(crate) source: &'static str,
    /// None if nothing of it could be read.
    pub(crate) layout: Option<Detected>,
    pub(crate) audit: HistoryAudit,
    pub(crate) seal: SealAudit,
    pub(crate) errors: u64,
    pub(crate) warnings: u64,
}

pub(crate) fn run(arguments: &AuditArgs) -> Result<Exit, Failure> {
    let (source, layout) = (arguments.source()?, arguments.layout.get()?);
    let keys = arguments.keys.load()?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let mut printer = FindingPrinter::new(arguments.json);
    let outcome = look(source, layout, keys.as_ref(), control, &mut printer);
    drop(progress);
    let output = printer.finish()?;
    conclude(&outcome?, keys.as_ref(), arguments.json, output)
}

/// Opens a source and audits it. An archive that is damaged is a finding, not a failure to look.
fn look(
    path: &Path,
    layout: Option<Detected>,
    keys: Option<&PinnedKeys>,
    control: Control<'_>,
    printer: &mut FindingPrinter,
) -> Result<Outcome, Failure> {
    let source = match open_source(path, layout, control) {
        Err(error @ (AuditError::Archive { .. } | AuditError::Detect { .. })) => {
            let archive = [path.to_owned(), path.join(PROVENANCE_NAME), path.with_file_name(PROVENANCE_NAME)];
            let archive = archive.into_iter().find(|path| path.is_file());
            let checked = archive.map(|archive| check_archive(&archive, control));
            let Some(Ok((None, damage))) = checked else { return Err(error.into()) };
            return Ok(damaged(&damage, None, printer));
        }
        source => source?,
    };
    audit(&source, keys, control, printer)
}

fn damaged(damage: &[Finding], layout: Option<Detected>, printer: &mut FindingPrinter) -> Outcome {
    damage.iter().for_each(|finding| printer.print(finding));
    let (audit, errors) = (HistoryAudit::default(), damage.len() as u64);
    Outcome { source: "archive", layout, audit, seal: SealAudit::default(), errors, warnings: 0 }
}

fn audit(
    source: &Source,
    keys: Option<&PinnedKeys>,
    control: Control<'_>,
    printer: &mut FindingPrinter,
) -> Result<Outcome, Failure> {
    let federation = keys.and_then(PinnedKeys::federation);
    let layout = match source {
        Source::Migrated(dir) => dir.layout,
        Source::Database { layout, .. } | Source::Archive { layout, .. } => *layout,
    };
    // Sealed sessions are signed with a tag, whatever the old ones were.
    let session_keys = keys.and_then(|keys| keys.session.as_ref()).filter(|keys| keys.tag().is_some());
    let keys = keys.map(|keys| keys.of_history(&layout)).transpose()?;
    let mut omissions = Vec::new();
    let (name, stream) = match source {
        Source::Migrated(dir) => {
            let federation = federation.as_deref();
            let on_finding = &mut |finding| printer.print(&finding);
            let audit = audit_migrated(dir, keys, session_keys, federation, true, control, on_finding)?;
            return Ok(Outcome {
                source: "migrated directory",
                layout: Some(layout),
                audit: audit.original,
                seal: audit.seal,
                errors: audit.errors,
                warnings: audit.warnings,
            });
        }
        Source::Database { store, .. } => {
            omissions = omission_findings(store.omissions());
            omissions.iter().for_each(|finding| printer.print(finding));
            ("database", EpochStream { rows: store, path: store.path() })
        }
        Source::Archive { archive, .. } => {
            let (identity, damage) = check_archive(archive.path(), control)?;
            if identity.is_none() {
                return Ok(damaged(&damage, Some(layout), printer));
            }
            ("archive", EpochStream { rows: archive.as_ref(), path: archive.path() })
        }
    };
    let options = HistoryOptions { layout, keys, shares: true, until: None, side_records: true };
    let audit =
        audit_history(stream, options, control, &mut |finding| printer.print(&finding), &mut |_| Ok(()))?;
    let count = |severity| omissions.iter().filter(|finding| finding.severity == severity).count() as u64;
    let errors = audit.errors + count(Severity::Error);
    let warnings = audit.warnings + count(Severity::Warning);
    let layout = Some(audit.layout.unwrap_or(layout));
    Ok(Outcome { source: name, layout, audit, seal: SealAudit::default(), errors, warnings })
}
