//! The audit of one source, and its verdict.

use std::path::Path;

use fm_audit::{
    AuditError, Control, EpochStream, HbbftAudit, HbbftOptions, PROVENANCE_NAME, Source, audit_hbbft,
    audit_migrated, check_archive, open_source,
};
use fm_cli::{
    Exit, Failure, FindingPrinter, Output, PinnedKeys, TerminalProgress, group_digits, interrupt_flag,
};
use fm_crypto::EpochKeys;
use fm_eras::hbbft::Layout;
use fm_history::{Code, Finding, Place};
use serde::Serialize;

use crate::Arguments;

#[derive(Serialize)]
struct Verdict {
    r#type: &'static str,
    verdict: &'static str,
    source: &'static str,
    era: Option<&'static str>,
    dialect: Option<&'static str>,
    epochs: u64,
    signed: u64,
    covered: u64,
    tip: u64,
    unproven: u64,
    unchecked_signatures: u64,
    sessions: u64,
    items: u64,
    last: Option<u64>,
    history_root: Option<String>,
    errors: u64,
    warnings: u64,
    keys: Option<KeySource>,
}

#[derive(Serialize)]
struct KeySource {
    path: String,
    epoch_public_key: String,
    degree: usize,
}

/// What was looked at, and what it came to.
struct Outcome {
    source: &'static str,
    /// None if nothing of it could be read.
    layout: Option<Layout>,
    audit: HbbftAudit,
    errors: u64,
    warnings: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let layout = match &arguments.layout {
        None => None,
        Some(name) => Some(
            Layout::by_name(name)
                .ok_or_else(|| Failure::new(Exit::Usage, format!("there is no layout {name:?}")))?,
        ),
    };
    let keys = arguments.keys.load()?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let mut printer = FindingPrinter::new(arguments.json);
    let outcome =
        look(&arguments.source, layout, keys.as_ref().map(|keys| &keys.epoch), control, &mut printer);
    drop(progress);
    let output = printer.finish()?;
    conclude(outcome?, keys.as_ref(), arguments.json, output)
}

/// Opens a source and audits it. An archive that is damaged is a finding, not a failure to look.
fn look(
    path: &Path,
    layout: Option<Layout>,
    keys: Option<&EpochKeys>,
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

fn damaged(damage: &[Finding], layout: Option<Layout>, printer: &mut FindingPrinter) -> Outcome {
    damage.iter().for_each(|finding| printer.print(finding));
    let (audit, errors) = (HbbftAudit::default(), damage.len() as u64);
    Outcome { source: "archive", layout, audit, errors, warnings: 0 }
}

fn audit(
    source: &Source,
    keys: Option<&EpochKeys>,
    control: Control<'_>,
    printer: &mut FindingPrinter,
) -> Result<Outcome, Failure> {
    let mut torn = 0;
    let (name, layout, stream) = match source {
        Source::Migrated(dir) => {
            let audit = audit_migrated(dir, keys, true, control, &mut |finding| printer.print(&finding))?;
            return Ok(Outcome {
                source: "migrated directory",
                layout: Some(dir.layout),
                audit: audit.original,
                errors: audit.errors,
                warnings: audit.warnings,
            });
        }
        Source::Database { store, layout } => {
            if let Some(reason) = store.torn_tail() {
                printer.print(&Finding::new(Code::LogTailTorn, Place::everywhere(), reason));
                torn = 1;
            }
            ("database", *layout, EpochStream { rows: store, path: store.path() })
        }
        Source::Archive { archive, layout } => {
            let (identity, damage) = check_archive(archive.path(), control)?;
            if identity.is_none() {
                return Ok(damaged(&damage, Some(*layout), printer));
            }
            ("archive", *layout, EpochStream { rows: archive.as_ref(), path: archive.path() })
        }
    };
    let options = HbbftOptions { layout, keys, shares: true, until: None, side_records: true };
    let audit =
        audit_hbbft(stream, options, control, &mut |finding| printer.print(&finding), &mut |_| Ok(()))?;
    let (errors, warnings) = (audit.errors, audit.warnings + torn);
    Ok(Outcome { source: name, layout: Some(layout), audit, errors, warnings })
}

fn conclude(
    outcome: Outcome,
    keys: Option<&PinnedKeys>,
    json: bool,
    mut output: Output,
) -> Result<Exit, Failure> {
    let (name, exit) = match (outcome.errors + outcome.warnings, keys) {
        (0, Some(_)) => ("sound", Exit::Done),
        (0, None) => ("unpinned", Exit::Partial),
        _ => ("findings", Exit::Findings),
    };
    let chain = &outcome.audit.chain;
    let anchor = outcome.audit.anchor.as_ref();
    let verdict = Verdict {
        r#type: "verdict",
        verdict: name,
        source: outcome.source,
        era: outcome.layout.map(|layout| layout.era()),
        dialect: outcome.layout.map(|layout| layout.name()),
        epochs: chain.epochs,
        signed: chain.signed,
        covered: chain.covered,
        tip: chain.tip,
        unproven: chain.unproven,
        unchecked_signatures: chain.unchecked,
        sessions: anchor.map_or(0, |anchor| anchor.sessions),
        items: anchor.map_or(0, |anchor| anchor.items),
        last: anchor.map(|anchor| anchor.last),
        history_root: anchor.map(|anchor| anchor.history_root.to_string()),
        errors: outcome.errors,
        warnings: outcome.warnings,
        keys: keys.map(|keys| KeySource {
            path: keys.path.display().to_string(),
            epoch_public_key: keys.epoch.public_key().iter().map(|byte| format!("{byte:02x}")).collect(),
            degree: keys.epoch.degree(),
        }),
    };
    if json {
        output.json(&verdict)?;
    } else {
        print(&mut output, &verdict)?;
    }
    Ok(exit)
}

fn print(output: &mut Output, verdict: &Verdict) -> Result<(), Failure> {
    match &verdict.keys {
        Some(keys) => output.line(&format!(
            "trust root {} from {} (degree {}: {} guardians sign together)",
            keys.epoch_public_key,
            keys.path,
            keys.degree,
            keys.degree + 1
        ))?,
        None => output.line(
            "trust root NONE: without --config or --keys this shows consistency only, NOT that the federation \
             agreed to it",
        )?,
    }
    output.line(&format!(
        "source     {}, era {} ({})",
        verdict.source,
        verdict.era.unwrap_or("unknown"),
        verdict.dialect.unwrap_or("nothing of it can be read")
    ))?;
    output.line(&match verdict.keys {
        Some(_) => format!(
            "epochs     {}: {} signed, {} covered by later signatures, {} unsigned at the tip, {} unproven",
            group_digits(verdict.epochs),
            group_digits(verdict.signed),
            group_digits(verdict.covered),
            group_digits(verdict.tip),
            group_digits(verdict.unproven)
        ),
        None => format!(
            "epochs     {}: {} with a signature, none of them checked",
            group_digits(verdict.epochs),
            group_digits(verdict.unchecked_signatures)
        ),
    })?;
    if let (Some(last), Some(root)) = (verdict.last, &verdict.history_root) {
        output.line(&format!(
            "sessions   {} (0 to {}), {} items",
            group_digits(verdict.sessions),
            group_digits(last),
            group_digits(verdict.items)
        ))?;
        let proven = if verdict.verdict == "sound" { "" } else { " (NOT PROVEN)" };
        output.line(&format!("root       {root}{proven}"))?;
    }
    let summary = match verdict.verdict {
        "sound" => "SOUND".to_owned(),
        "unpinned" => "UNPINNED: consistent in itself, signatures not checked for want of keys".to_owned(),
        _ => format!("FINDINGS: {} error(s), {} warning(s)", verdict.errors, verdict.warnings),
    };
    output.line(&format!("verdict    {summary}"))
}
