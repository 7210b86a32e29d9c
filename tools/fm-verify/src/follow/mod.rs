//! `--follow`: audits every session of a running federation as soon as it is finished.
//!
//! Invariants: a session is audited once, in order, and printed before the state file says so: after a kill a
//! line may come again, and none is missing. A guardian that does not answer, or a federation that
//! finishes nothing, is a finding and not a reason to end.

mod metrics;
mod notes;
mod notify;
mod state;
mod watch;

pub(crate) use notes::keygen;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use fm_audit::{
    AuditError, Control, HistoryKeys, Observer, OldSession, Origin, Request, Scope, Silent, audit_history,
};
use fm_cli::{Exit, Failure, FindingPrinter, Output, group_digits, interrupt_flag, shown, trust_root_line};
use fm_history::{Code, Finding, PeerId, Place, SessionLeaf};
use serde::Serialize;

use crate::audit_args::AuditArgs;
use crate::guardians;
use crate::opened::Live;
use metrics::Metrics;
use notes::Notes;
use notify::Notifier;
use state::{State, StateFile};
use watch::Watcher;

/// The interval at which it is looked whether a session was finished.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The most sessions that are audited before the state is written.
const AT_A_TIME: u64 = 256;

/// The options of `--follow`.
#[derive(Args, Clone, Debug)]
pub(crate) struct FollowArgs {
    /// Keep on: audit each session of a running federation as soon as it is finished, until interrupted.
    #[arg(long, requires = "state")]
    pub(crate) follow: bool,
    /// The file that says up to where was audited; it is made if it does not exist. Needs --follow.
    #[arg(long, value_name = "FILE", env = "FM_STATE", requires = "follow")]
    pub(crate) state: Option<PathBuf>,
    /// Start this program for every finding that is a warning or an error, with the finding as one JSON argument. No
    /// shell is involved.
    #[arg(long, value_name = "PROGRAM", env = "FM_ON_FINDING", requires = "follow")]
    pub(crate) on_finding: Option<PathBuf>,
    /// Serve metrics for Prometheus at this address, such as 127.0.0.1:9184, under /metrics.
    #[arg(long, value_name = "ADDRESS", env = "FM_METRICS", requires = "follow")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Write the history root after every session to this file, as a signed note (C2SP tlog-checkpoint).
    #[arg(long, value_name = "FILE", env = "FM_CHECKPOINT_OUT", requires_all = ["follow", "checkpoint_key"])]
    pub(crate) checkpoint_out: Option<PathBuf>,
    /// The file with the key that signs the notes, as `fm-verify keygen` makes it.
    #[arg(long, value_name = "FILE", env = "FM_CHECKPOINT_KEY", requires = "checkpoint_out")]
    pub(crate) checkpoint_key: Option<PathBuf>,
    /// A file with the notes of another auditor: its root is compared, and its signatures are added to ours.
    #[arg(long, value_name = "FILE", env = "FM_WITNESS", requires_all = ["checkpoint_out", "witness_key"])]
    pub(crate) witness: Vec<PathBuf>,
    /// The public key of another auditor, as its `fm-verify keygen` prints it.
    #[arg(long, value_name = "KEY", env = "FM_WITNESS_KEY", requires = "witness")]
    pub(crate) witness_key: Vec<String>,
    /// Report a guardian that has finished this many sessions less than the others.
    #[arg(long, value_name = "N", env = "FM_LAG", default_value_t = 3, requires = "follow")]
    pub(crate) lag: u64,
    /// Report a federation that finishes no session, and a guardian that does not answer, for this many seconds.
    #[arg(long, value_name = "SECONDS", env = "FM_STALL", default_value_t = 900, requires = "follow")]
    pub(crate) stall: u64,
}

/// A session that was audited.
#[derive(Serialize)]
struct SessionLine {
    r#type: &'static str,
    session: u64,
    items: u64,
    header_root: String,
    /// The history root over all sessions up to this one.
    history_root: String,
}

#[derive(Serialize)]
struct FollowVerdict {
    r#type: &'static str,
    verdict: &'static str,
    sessions: u64,
    items: u64,
    history_root: String,
    errors: u64,
    warnings: u64,
    /// Whether the user named the keys, or what pins them.
    is_confirmed: bool,
}

pub(crate) fn run(arguments: &AuditArgs, follow: &FollowArgs) -> Result<Exit, Failure> {
    let opening = arguments.begin()?;
    let Some(live) = opening.live() else {
        let message = "--follow is for a running federation: name its invite code, or a guardian's address";
        return Err(Failure::new(Exit::Usage, message));
    };
    let flag = interrupt_flag()?;
    let control = Control { progress: &Silent, interrupted: &flag };
    let (source, keys) = opening.source(arguments.source()?, None, control)?;
    let keys = keys.ok_or_else(|| Failure::new(Exit::Usage, "no keys"))?;
    let session_keys = keys.of_sessions()?;
    if keys.is_found && follow.checkpoint_out.is_some() {
        let message = "nobody confirmed the keys that the federation states: no root is signed by them";
        return Err(Failure::new(Exit::Usage, message).hint("give --config, --keys or --federation-id"));
    }
    let path = follow.state.as_deref().ok_or_else(|| Failure::new(Exit::Usage, "--follow needs --state"))?;
    let file = StateFile::open(path, &session_keys.name())?;
    let metrics = Arc::new(Metrics::default());
    if let Some(address) = follow.metrics {
        metrics::serve(address, metrics.clone())?;
    }
    let mut notes = Notes::of(follow, &session_keys.name())?;
    // What was audited before this start is published, too.
    if file.state().sessions > 0 {
        notes.iter_mut().for_each(|notes| notes.push(file.state()));
    }
    let mut follower = Follower {
        notes,
        live,
        is_confirmed: !keys.is_found,
        stall: None,
        refusals: BTreeMap::new(),
        origin: source.original(),
        keys: HistoryKeys::Session(session_keys),
        state: file.state().clone(),
        file,
        watcher: Watcher::new(follow.lag, Duration::from_secs(follow.stall)),
        reports: Reports {
            printer: FindingPrinter::without_limit(arguments.json),
            notifier: Notifier::new(follow.on_finding.clone()),
            metrics,
        },
        json: arguments.json,
        output: Output::default(),
    };
    if !arguments.json {
        let layout = &follower.origin.layout;
        follower.output.line(&trust_root_line(Some(&keys), [layout, layout]))?;
        follower.output.line(&format!(
            "following  {} from session {}",
            shown(arguments.source()?).display(),
            group_digits(follower.state.sessions)
        ))?;
    }
    follower.follow(control)?;
    follower.conclude()
}

/// Where findings go.
struct Reports {
    printer: FindingPrinter,
    notifier: Notifier,
    metrics: Arc<Metrics>,
}

impl Reports {
    fn report(&mut self, finding: &Finding) {
        self.metrics.count(finding.severity);
        self.printer.print(finding);
        self.notifier.start(finding);
    }
}

/// Sessions that were audited.
struct Batch {
    leaves: Vec<SessionLeaf>,
    findings: Vec<Finding>,
}

struct Follower<'a> {
    live: Live,
    /// Whether the user named the keys, or what pins them.
    is_confirmed: bool,
    /// Why the last sessions could not be audited, if that was printed.
    stall: Option<String>,
    /// How many refused records of each guardian were printed.
    refusals: BTreeMap<PeerId, usize>,
    origin: Origin<'a>,
    keys: HistoryKeys<'a>,
    state: State,
    file: StateFile,
    watcher: Watcher,
    notes: Option<Notes>,
    reports: Reports,
    json: bool,
    output: Output,
}

impl Follower<'_> {
    fn follow(&mut self, control: Control<'_>) -> Result<(), Failure> {
        for finding in guardians::configurations(&self.live, true) {
            self.reports.report(&finding);
        }
        loop {
            let sessions = self.live.history.refresh();
            if self.state.sessions < sessions {
                self.advance(sessions.min(self.state.sessions + AT_A_TIME), control)?;
            }
            let counts = self.live.history.counts();
            let name = |peer| fm_cli::guardian_name(&self.live.federation.config, peer);
            for finding in self.watcher.look(&counts, self.state.sessions, Instant::now(), &name) {
                self.reports.report(&finding);
            }
            self.report_refusals();
            if let Some(notes) = &mut self.notes {
                for finding in notes.look()? {
                    self.reports.report(&finding);
                }
            }
            self.reports.metrics.note(&self.state, &counts);
            self.reports.notifier.reap();
            if control.check().is_err() || self.output.is_closed() {
                return Ok(());
            }
            if self.state.sessions >= sessions || self.stall.is_some() {
                sleep(LOOK_AGAIN);
            }
        }
    }

    /// Audits the sessions up to `end`. That guardians do not return them is reported once; what is wrong here
    /// ends the program.
    fn advance(&mut self, end: u64, control: Control<'_>) -> Result<(), Failure> {
        match self.audit(end, control) {
            Ok(audited) => {
                self.accept(audited)?;
                self.watcher.progressed(Instant::now());
                self.stall = None;
            }
            Err(AuditError::Interrupted) => {}
            Err(error) => {
                let message = Failure::from_error(Exit::CannotLook, &error).message;
                if self.stall.as_ref() != Some(&message) {
                    let place = Place::session(self.state.sessions);
                    self.reports.report(&Finding::new(Code::FederationStalled, place, message.clone()));
                }
                self.stall = Some(message);
            }
        }
        Ok(())
    }

    fn report_refusals(&mut self) {
        let mut seen: BTreeMap<PeerId, usize> = BTreeMap::new();
        let mut new = Vec::new();
        for refusal in self.live.history.refusals() {
            let count = seen.entry(refusal.peer).or_default();
            *count += 1;
            if *count > self.refusals.get(&refusal.peer).copied().unwrap_or(0) {
                new.push(refusal);
            }
        }
        self.refusals = seen;
        for finding in guardians::refused(&self.live, &new) {
            self.reports.report(&finding);
        }
    }

    fn audit(&self, end: u64, control: Control<'_>) -> Result<Batch, AuditError> {
        let scope = Scope { from: self.state.sessions, to: Some(end - 1), ..Scope::default() };
        let request = Request { keys: Some(self.keys), scope, ..Request::default() };
        let (mut leaves, mut findings) = (Vec::new(), Vec::new());
        let mut on_session = |session: OldSession<'_>| {
            leaves.extend(session.converted.map(|converted| converted.leaf));
            Ok(())
        };
        let observer = Observer {
            // That only a part was read is known.
            on_finding: &mut |finding| {
                if finding.code != Code::TransactionIndexUnchecked {
                    findings.push(finding);
                }
            },
            on_session: Some(&mut on_session),
            on_row: None,
        };
        audit_history(self.origin, request, control, observer)?;
        Ok(Batch { leaves, findings })
    }

    /// Prints sessions that were audited, and writes the state.
    fn accept(&mut self, batch: Batch) -> Result<(), Failure> {
        batch.findings.iter().for_each(|finding| self.reports.report(finding));
        for leaf in batch.leaves {
            let mut next = self.state.clone();
            next.push(leaf);
            self.print(leaf, &next)?;
            // The reader went away: the line is not counted, and comes again.
            if self.output.is_closed() {
                break;
            }
            self.state = next;
            self.notes.iter_mut().for_each(|notes| notes.push(&self.state));
        }
        Ok(self.file.replace(&self.state)?)
    }

    fn print(&mut self, leaf: SessionLeaf, state: &State) -> Result<(), Failure> {
        let root = state.root.root().to_string();
        if self.json {
            return self.output.json(&SessionLine {
                r#type: "session",
                session: leaf.header.index,
                items: leaf.items,
                header_root: leaf.header.root.to_string(),
                history_root: root,
            });
        }
        let (session, items) = (group_digits(leaf.header.index), group_digits(leaf.items));
        self.output.line(&format!("session    {session}  {items} items  root {root}"))
    }

    fn conclude(mut self) -> Result<Exit, Failure> {
        let (errors, warnings) = self.reports.metrics.findings();
        let mut output = self.reports.printer.finish()?;
        let verdict = FollowVerdict {
            r#type: "verdict",
            verdict: "followed",
            sessions: self.state.sessions,
            items: self.state.items,
            history_root: self.state.root.root().to_string(),
            errors,
            warnings,
            is_confirmed: self.is_confirmed,
        };
        self.reports.notifier.wait();
        if self.json {
            output.json(&verdict)?;
        } else {
            output.line(&format!(
                "verdict    FOLLOWED to session {}; {errors} error(s), {warnings} warning(s){}",
                group_digits(self.state.sessions.saturating_sub(1)),
                if self.is_confirmed { "" } else { "; UNPINNED: nobody confirmed the keys" }
            ))?;
        }
        Ok(match (errors, self.is_confirmed) {
            (0, true) => Exit::Done,
            (0, false) => Exit::Partial,
            _ => Exit::Findings,
        })
    }
}
