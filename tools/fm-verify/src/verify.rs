//! The audit of one source, and its verdict.

use std::path::Path;

use fm_audit::{
    AuditError, Control, HistoryAudit, HistoryOptions, MigratedOptions, OldSession, PROVENANCE_NAME,
    SealAudit, Source, audit_history, audit_migrated_sessions, check_archive, omission_findings, open_source,
};
use fm_cli::{Exit, Failure, FindingPrinter, PinnedKeys, TerminalProgress, interrupt_flag};
use fm_eras::Detected;
use fm_history::{Finding, Severity};

use crate::audit_args::AuditArgs;
use crate::open_session;
use crate::pending;
use crate::scope_args::{Limits, Plan, ScopeArgs};
use crate::verdict::conclude;

/// What was looked at, and what it came to.
pub(crate) struct Outcome {
    pub(crate) source: &'static str,
    /// None if nothing of it could be read.
    pub(crate) layout: Option<Detected>,
    pub(crate) audit: HistoryAudit,
    pub(crate) seal: SealAudit,
    /// The audit of the database by itself, where a guardian goes on from a conversion.
    pub(crate) continued: Option<HistoryAudit>,
    /// Units of the session in progress.
    pub(crate) units: u64,
    pub(crate) errors: u64,
    pub(crate) warnings: u64,
    /// What was left out because the user said so.
    pub(crate) limits: Limits,
}

/// What is to be looked at, and how.
pub(crate) struct Request<'a> {
    pub(crate) path: &'a Path,
    pub(crate) keys: Option<&'a PinnedKeys>,
    pub(crate) scope: &'a ScopeArgs,
}

/// Who is told of findings, and of every epoch or session after its findings.
pub(crate) struct Watch<'w> {
    pub(crate) on_finding: &'w mut dyn FnMut(&Finding),
    pub(crate) on_session: &'w mut dyn FnMut(&OldSession<'_>),
}

pub(crate) fn run(arguments: &AuditArgs) -> Result<Exit, Failure> {
    if let Some(archive) = pending::open(arguments.source()?) {
        return pending::run(&archive, arguments);
    }
    let mut printer = FindingPrinter::new(arguments.json);
    let keys = arguments.keys.load()?;
    let watch = Watch { on_finding: &mut |finding| printer.print(finding), on_session: &mut |_| {} };
    let outcome = look(arguments, keys.as_ref(), watch);
    let output = printer.finish()?;
    conclude(&outcome?, keys.as_ref(), arguments.json, output)
}

/// Opens a source and audits it. An archive that is damaged is a finding, not a failure to look.
pub(crate) fn look(
    arguments: &AuditArgs,
    keys: Option<&PinnedKeys>,
    mut watch: Watch<'_>,
) -> Result<Outcome, Failure> {
    let (path, layout, scope) = (arguments.source()?, arguments.layout.get()?, &arguments.scope);
    scope.use_jobs()?;
    if pending::open(path).is_some() {
        let message = format!("{} is the outcome of a session in progress, and no history", path.display());
        return Err(Failure::new(Exit::Usage, message).hint("`fm-verify FILE` checks it"));
    }
    let request = Request { path, keys, scope };
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let source = match open_source(path, layout, control) {
        Err(error @ (AuditError::Archive { .. } | AuditError::Detect { .. })) => {
            let archive = [path.to_owned(), path.join(PROVENANCE_NAME), path.with_file_name(PROVENANCE_NAME)];
            let archive = archive.into_iter().find(|path| path.is_file());
            let checked = archive.map(|archive| check_archive(&archive, control));
            let Some(Ok((None, damage))) = checked else { return Err(error.into()) };
            return Ok(damaged(&damage, None, &mut watch));
        }
        source => source?,
    };
    audit(&source, &request, control, &mut watch)
}

fn damaged(damage: &[Finding], layout: Option<Detected>, watch: &mut Watch<'_>) -> Outcome {
    damage.iter().for_each(|finding| (watch.on_finding)(finding));
    let (audit, seal, limits) = (HistoryAudit::default(), SealAudit::default(), Limits::default());
    Outcome {
        source: "archive",
        layout,
        audit,
        seal,
        continued: None,
        units: 0,
        errors: damage.len() as u64,
        warnings: 0,
        limits,
    }
}

fn audit(
    source: &Source,
    request: &Request<'_>,
    control: Control<'_>,
    watch: &mut Watch<'_>,
) -> Result<Outcome, Failure> {
    let history = source.original();
    let layout = history.layout;
    let keys = request.keys.map(|keys| keys.of_history(&layout)).transpose()?;
    let is_migrated = matches!(source, Source::Migrated(_));
    let plan = request.scope.plan(request.path, history, is_migrated, keys, control)?;
    let mut omissions = Vec::new();
    let name = match source {
        Source::Migrated(dir) => return audit_directory(dir, request, plan, control, watch),
        Source::Database { store, .. } => {
            omissions = omission_findings(store.omissions());
            omissions.iter().for_each(|finding| (watch.on_finding)(finding));
            "database"
        }
        Source::Archive { archive, .. } => {
            let (identity, damage) = check_archive(archive.path(), control)?;
            if identity.is_none() {
                return Ok(damaged(&damage, Some(layout), watch));
            }
            "archive"
        }
    };
    let scope = plan.scope();
    let options =
        HistoryOptions { layout, keys, shares: true, until: None, side_records: true, on_row: None, scope };
    let Watch { on_finding, on_session } = watch;
    let audit = audit_history(
        history.stream,
        options,
        control,
        &mut |finding| on_finding(&finding),
        &mut |session| {
            on_session(&session);
            Ok(())
        },
    )?;
    let layout = audit.layout.unwrap_or(layout);
    let mut others = omissions;
    let mut units = 0;
    if let Detected::Blocks(layout) = layout
        && plan.scope().is_whole()
    {
        // Keys that are of another federation were told already.
        let is_checked = audit.chain.unchecked == 0 || plan.scope().sample.is_some();
        let keys = request.keys.and_then(|keys| keys.session.as_ref()).filter(|_| is_checked);
        units = open_session::check(history.stream, layout, keys, &mut |finding| {
            on_finding(&finding);
            others.push(finding);
        })?;
    }
    let count = |severity| others.iter().filter(|finding| finding.severity == severity).count() as u64;
    let errors = audit.errors + count(Severity::Error);
    let warnings = audit.warnings + count(Severity::Warning);
    let (layout, limits) = (Some(layout), plan.conclude(&audit, errors)?);
    let (seal, continued) = (SealAudit::default(), None);
    Ok(Outcome { source: name, layout, audit, seal, continued, units, errors, warnings, limits })
}

fn audit_directory(
    dir: &fm_audit::MigratedDir,
    request: &Request<'_>,
    plan: Plan,
    control: Control<'_>,
    watch: &mut Watch<'_>,
) -> Result<Outcome, Failure> {
    let federation = request.keys.and_then(PinnedKeys::federation);
    // Sealed sessions are signed with a tag, whatever the old ones were.
    let session_keys =
        request.keys.and_then(|keys| keys.session.as_ref()).filter(|keys| keys.tag().is_some());
    let options = MigratedOptions {
        keys: request.keys.map(|keys| keys.of_history(&dir.layout)).transpose()?,
        session_keys,
        federation: federation.as_deref(),
        shares: true,
        scope: plan.scope(),
    };
    let Watch { on_finding, on_session } = watch;
    let audit = audit_migrated_sessions(
        dir,
        options,
        control,
        &mut |finding| on_finding(&finding),
        &mut |session| {
            on_session(&session);
            Ok(())
        },
    )?;
    let limits = plan.conclude(&audit.original, audit.errors)?;
    Ok(Outcome {
        source: "migrated directory",
        layout: Some(dir.layout),
        audit: audit.original,
        seal: audit.seal,
        continued: audit.continued,
        units: 0,
        errors: audit.errors,
        warnings: audit.warnings,
        limits,
    })
}
