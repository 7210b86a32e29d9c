//! The audit of one source, and its verdict.

use std::path::Path;

use fm_audit::{
    AuditError, Control, HistoryAudit, HistoryKeys, Observer, OldSession, Origin, PROVENANCE_NAME, SealAudit,
    Source, SourceAudit, SourceRequest, audit_source, check_archive,
};
use fm_cli::{
    Exit, Failure, FindingPrinter, PinnedKeys, StrictArgs, TerminalProgress, WhichGuardians, interrupt_flag,
};
use fm_eras::Layout;
use fm_history::{Finding, Hash, Tally};

use crate::audit_args::AuditArgs;
use crate::guardians;
use crate::open_session::{self, CheckedUnits};
use crate::opened::{Live, Opening};
use crate::pending;
use crate::reported::Reported;
use crate::scope_args::{Limits, ScopeArgs};
use crate::verdict::conclude;

/// The name of a source that is a running federation.
pub(crate) const FEDERATION: &str = "running federation";

/// What was looked at, and the result.
pub(crate) struct Outcome {
    pub(crate) source: &'static str,
    /// The layout; none if nothing of the source could be read.
    pub(crate) layout: Option<Layout>,
    pub(crate) audit: HistoryAudit,
    pub(crate) seal: SealAudit,
    /// The audit of the database by itself, if a guardian continued from a conversion.
    pub(crate) continued: Option<HistoryAudit>,
    /// Units of the session in progress.
    pub(crate) units: CheckedUnits,
    /// The identity of all rows; none if not all were read.
    pub(crate) identity: Option<Hash>,
    /// The counts of the findings.
    pub(crate) tally: Tally,
    /// Whether warnings count as errors.
    pub(crate) strict: StrictArgs,
    /// What the user chose to leave out.
    pub(crate) limits: Limits,
}

/// What to look at, and how.
pub(crate) struct Request<'a> {
    pub(crate) strict: StrictArgs,
    pub(crate) path: &'a Path,
    pub(crate) keys: Option<&'a PinnedKeys>,
    pub(crate) scope: &'a ScopeArgs,
    /// The running federation that is looked at.
    live: Option<Live>,
    /// Whether every one of its guardians is asked.
    is_every: bool,
}

impl Request<'_> {
    /// Returns the keys that a history of this layout is signed with.
    fn history_keys(&self, layout: &Layout) -> Result<Option<HistoryKeys<'_>>, Failure> {
        Ok(self.keys.map(|keys| keys.usable_for(layout)).transpose()?.flatten())
    }
}

/// The receivers of findings, and of every epoch or session after its findings.
pub(crate) struct Watch<'w> {
    pub(crate) on_finding: &'w mut dyn FnMut(&Finding),
    pub(crate) on_session: &'w mut dyn FnMut(&OldSession<'_>),
}

pub(crate) fn run(arguments: &AuditArgs) -> Result<Exit, Failure> {
    if let Some(archive) = pending::open(arguments.source()?) {
        return pending::run(&archive, arguments);
    }
    let mut printer = FindingPrinter::new(arguments.json);
    let opening = arguments.begin()?;
    let keys = opening.keys.clone();
    let watch = Watch { on_finding: &mut |finding| printer.print(finding), on_session: &mut |_| {} };
    let outcome = look(arguments, opening, watch);
    let output = printer.finish()?;
    conclude(&outcome?, keys.as_ref(), arguments.json, output)
}

/// Opens a source and audits it. An archive that is damaged is a finding, not a failure to look.
pub(crate) fn look(
    arguments: &AuditArgs,
    opening: Opening,
    mut watch: Watch<'_>,
) -> Result<Outcome, Failure> {
    let (path, layout, scope) = (arguments.source()?, arguments.layout.get()?, &arguments.scope);
    scope.use_jobs()?;
    let (keys, live) = (opening.keys.clone(), opening.live());
    let is_every = arguments.federation.guardians == WhichGuardians::All;
    let request = Request { path, keys: keys.as_ref(), scope, strict: arguments.strict, live, is_every };
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let source = match opening.source(path, layout, control) {
        Err(error @ (AuditError::Archive { .. } | AuditError::Detect { .. })) => {
            let archive = [path.to_owned(), path.join(PROVENANCE_NAME), path.with_file_name(PROVENANCE_NAME)];
            let archive = archive.into_iter().find(|path| path.is_file());
            let checked = archive.map(|archive| check_archive(&archive, control));
            let Some(Ok((None, damage))) = checked else { return Err(error.into()) };
            return Ok(damaged(damage, &request, &mut watch));
        }
        source => source?.0,
    };
    audit(&source, &request, control, &mut watch)
}

fn damaged(damage: Vec<Finding>, request: &Request<'_>, watch: &mut Watch<'_>) -> Outcome {
    let mut reported = Reported::new(&mut *watch.on_finding);
    damage.into_iter().for_each(|finding| reported.take(finding));
    let (audit, seal, limits) = (HistoryAudit::default(), SealAudit::default(), Limits::default());
    let (tally, strict) = (reported.tally, request.strict);
    Outcome {
        source: "archive",
        layout: None,
        audit,
        seal,
        continued: None,
        units: CheckedUnits::default(),
        identity: None,
        tally,
        strict,
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
    let keys = request.history_keys(&layout)?;
    let is_migrated = matches!(source, Source::Migrated(_));
    // A sample or a trust file rests on keys that the user named.
    let pinned = keys.filter(|_| request.keys.is_some_and(|keys| !keys.is_found));
    let plan = request.scope.plan(request.path, history, is_migrated, pinned, control)?;
    let name = match source {
        Source::Migrated(_) => "migrated directory",
        Source::Database { .. } => "database",
        Source::Archive { .. } => "archive",
        Source::Federation(_) => FEDERATION,
    };
    // A configuration that was written after the conversion is that of the new federation.
    let federation = request.keys.filter(|_| keys.is_some()).and_then(PinnedKeys::federation);
    // Sealed sessions are signed with a tag, whatever the old ones were.
    let session_keys =
        request.keys.and_then(|keys| keys.session.as_ref()).filter(|keys| keys.tag().is_some());
    let (federation, scope) = (federation.as_deref(), plan.scope());
    let asked = SourceRequest { keys, session_keys, federation, shares: true, scope };
    let Watch { on_finding, on_session } = watch;
    let mut reported = Reported::new(&mut **on_finding);
    if !is_migrated {
        reported.lacks(&source.lacks());
    }
    let observer = Observer {
        on_finding: &mut |found| reported.take(found),
        on_session: Some(&mut |session| {
            on_session(&session);
            Ok(())
        }),
        on_row: None,
    };
    let SourceAudit { history: audit, continued, seal, identity } =
        audit_source(source, asked, control, observer)?;
    let is_damaged = audit.layout.is_none();
    let layout = audit.layout.unwrap_or(layout);
    let mut units = CheckedUnits::default();
    if let Layout::Blocks(layout) = layout
        && plan.scope().is_whole()
        && !is_damaged
        && !is_migrated
    {
        // Keys of another federation are reported already.
        let is_checked = audit.chain.unchecked == 0 || plan.scope().sample.is_some();
        let keys = request.keys.and_then(|keys| keys.session.as_ref()).filter(|_| is_checked);
        let rounds = request.keys.and_then(PinnedKeys::rounds_per_session);
        units = open_session::check(
            Origin { layout: Layout::Blocks(layout), ..history },
            layout,
            keys,
            rounds,
            &mut |finding| reported.take(finding),
        )?;
    }
    if let Some(live) = &request.live {
        if request.is_every {
            guardians::compare(live, control, &mut |finding| reported.take(finding))?;
        }
        guardians::report(live, request.is_every, &mut |finding| reported.take(finding));
    }
    let (tally, strict) = (reported.tally, request.strict);
    let limits =
        if is_damaged && !is_migrated { Limits::default() } else { plan.conclude(&audit, tally.errors)? };
    let layout = Some(layout);
    Ok(Outcome { source: name, layout, audit, seal, continued, units, identity, tally, strict, limits })
}
