//! The audit of one source, and its verdict.

use std::path::Path;

use fm_audit::{
    AuditError, Control, EpochStream, HbbftAudit, HbbftOptions, PROVENANCE_NAME, SealAudit, Source,
    audit_hbbft, audit_migrated, check_archive, omission_findings, open_source,
};
use fm_cli::{
    Exit, Failure, FindingPrinter, Output, PinnedKeys, TerminalProgress, group_digits, interrupt_flag,
};
use fm_eras::hbbft::Layout;
use fm_history::{Finding, Severity};
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
    /// Sessions that a threshold of guardians signed after the conversion; none if that was not checked.
    sealed: Option<u64>,
    items: u64,
    last: Option<u64>,
    proven_to: Option<u64>,
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
    seal: SealAudit,
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
    let outcome = look(&arguments.source, layout, keys.as_ref(), control, &mut printer);
    drop(progress);
    let output = printer.finish()?;
    conclude(outcome?, keys.as_ref(), arguments.json, output)
}

/// Opens a source and audits it. An archive that is damaged is a finding, not a failure to look.
fn look(
    path: &Path,
    layout: Option<Layout>,
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

fn damaged(damage: &[Finding], layout: Option<Layout>, printer: &mut FindingPrinter) -> Outcome {
    damage.iter().for_each(|finding| printer.print(finding));
    let (audit, errors) = (HbbftAudit::default(), damage.len() as u64);
    Outcome { source: "archive", layout, audit, seal: SealAudit::default(), errors, warnings: 0 }
}

fn audit(
    source: &Source,
    keys: Option<&PinnedKeys>,
    control: Control<'_>,
    printer: &mut FindingPrinter,
) -> Result<Outcome, Failure> {
    let federation = keys.and_then(PinnedKeys::federation);
    let pinned = keys;
    let keys = keys.map(|keys| &keys.epoch);
    let mut omissions = Vec::new();
    let (name, layout, stream) = match source {
        Source::Migrated(dir) => {
            let federation = federation.as_deref();
            let session_keys = pinned.map(PinnedKeys::session_keys).transpose()?.flatten();
            let on_finding = &mut |finding| printer.print(&finding);
            let audit =
                audit_migrated(dir, keys, session_keys.as_ref(), federation, true, control, on_finding)?;
            return Ok(Outcome {
                source: "migrated directory",
                layout: Some(dir.layout),
                audit: audit.original,
                seal: audit.seal,
                errors: audit.errors,
                warnings: audit.warnings,
            });
        }
        Source::Database { store, layout } => {
            omissions = omission_findings(store.omissions());
            omissions.iter().for_each(|finding| printer.print(finding));
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
    let count = |severity| omissions.iter().filter(|finding| finding.severity == severity).count() as u64;
    let errors = audit.errors + count(Severity::Error);
    let warnings = audit.warnings + count(Severity::Warning);
    Ok(Outcome { source: name, layout: Some(layout), audit, seal: SealAudit::default(), errors, warnings })
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
        sealed: outcome.seal.sealed,
        items: anchor.map_or(0, |anchor| anchor.items),
        last: anchor.map(|anchor| anchor.last),
        proven_to: chain.last_signed,
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
        print(&mut output, &verdict, outcome.seal, chain.last)?;
    }
    Ok(exit)
}

fn print(
    output: &mut Output,
    verdict: &Verdict,
    seal: SealAudit,
    last_stored: Option<u64>,
) -> Result<(), Failure> {
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
    output.line(&match (&verdict.keys, verdict.unchecked_signatures) {
        (Some(_), 0) => format!(
            "epochs     {}: {} signed, {} covered by later signatures, {} unsigned at the tip, {} unproven",
            group_digits(verdict.epochs),
            group_digits(verdict.signed),
            group_digits(verdict.covered),
            group_digits(verdict.tip),
            group_digits(verdict.unproven)
        ),
        (_, unchecked) => format!(
            "epochs     {}: {} with a signature, none of them checked",
            group_digits(verdict.epochs),
            group_digits(unchecked)
        ),
    })?;
    if let (Some(last), Some(root)) = (verdict.last, &verdict.history_root) {
        output.line(&format!(
            "sessions   {} (0 to {}), {} items",
            group_digits(verdict.sessions),
            group_digits(last),
            group_digits(verdict.items)
        ))?;
        let is_proven = verdict.errors == 0 && verdict.proven_to.is_some();
        let proven = if is_proven { "" } else { " (NOT PROVEN)" };
        output.line(&format!("root       {root}{proven}"))?;
    }
    if let Some(sealed) = seal.sealed.filter(|sealed| *sealed > 0) {
        output.line(&format!(
            "sealed     {} sessions, each signed by {} of {} guardians",
            group_digits(sealed),
            seal.threshold,
            seal.guardians
        ))?;
    }
    let scope = proven_scope(verdict, last_stored);
    let summary = match verdict.verdict {
        "sound" => format!("SOUND {}", scope.unwrap_or_default()),
        "unpinned" => "UNPINNED: consistent in itself, signatures not checked for want of keys".to_owned(),
        _ => {
            let scope = scope.map(|scope| format!("; proven {scope}")).unwrap_or_default();
            format!("FINDINGS: {} error(s), {} warning(s){scope}", verdict.errors, verdict.warnings)
        }
    };
    output.line(&format!("verdict    {summary}"))
}

/// What the signatures prove, and what they do not; none if there are errors or nothing is signed.
fn proven_scope(verdict: &Verdict, last_stored: Option<u64>) -> Option<String> {
    let signed = verdict.proven_to.filter(|_| verdict.errors == 0)?;
    let guardians_own = match last_stored.filter(|last| *last > signed).map(|last| (signed + 1, last)) {
        None => "module data is".to_owned(),
        Some((first, last)) if first == last => format!("epoch {} and module data are", group_digits(last)),
        Some((first, last)) => {
            format!("epochs {} to {} and module data are", group_digits(first), group_digits(last))
        }
    };
    Some(format!("up to epoch {}; {guardians_own} this guardian's own word", group_digits(signed)))
}
