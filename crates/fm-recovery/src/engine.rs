//! The recovery: the end first, then session by session, then the results.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fm_audit::{AuditError, Control, HistoryKeys, Observer, OldSession, Request, Scope, audit_history};
use fm_crypto::SessionKeys;
use fm_history::{Code, Finding, Hash, Severity};
use serde_json::Value;

use crate::error::RecoveryError;
use crate::module::ModuleRecovery;
use crate::sessions::Sessions;
use crate::state::{Phase, Snapshot, StateFile};

/// How a recovery is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Also recover from the session that is open at the start, once it is finished: what was accepted before
    /// the start may be in it.
    pub with_open_session: bool,
    /// How long that may take.
    pub patience: Duration,
    /// The state is stored after this time,
    pub save_after: Duration,
    /// or after this many bytes of items, whichever comes first.
    pub save_after_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            with_open_session: true,
            patience: Duration::from_secs(900),
            save_after: Duration::from_secs(10),
            save_after_bytes: 64 << 20,
        }
    }
}

/// How far a recovery is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The number of sessions that were read.
    pub done: u64,
    /// The number of sessions that are to be read.
    pub end: u64,
    /// Sessions per second since this start.
    pub rate: f64,
}

impl Progress {
    /// Returns how long the rest takes, if the rate stays; `None` if nothing was read yet.
    pub fn left(&self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = self.end.saturating_sub(self.done) as f64 / self.rate;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// The results of a recovery.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The number of sessions that it is of.
    pub sessions: u64,
    /// The results, by the names of the modules.
    pub results: BTreeMap<String, Value>,
}

/// Recovers several modules' parts from a history, from the state in the file on.
///
/// # Errors
/// See [`RecoveryError`]; what was stored stays, and the same call continues.
pub fn recover(
    sessions: &dyn Sessions,
    keys: &SessionKeys,
    modules: &mut [&mut dyn ModuleRecovery],
    file: &StateFile,
    options: Options,
    control: Control<'_>,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Recovered, RecoveryError> {
    let key_set = keys.name();
    let reader = Reader { sessions, keys, control };
    let mut run = Run { reader, modules, file, key_set, options, on_progress };
    let mut snapshot = match file.read(&run.key_set)? {
        Some(Phase::Finished { end, results }) => return Ok(Recovered { sessions: end, results }),
        Some(Phase::Reading(snapshot)) => run.resume(snapshot)?,
        None => run.begin()?,
    };
    let finished = run.reader.sessions.finished()?.min(snapshot.end);
    run.read(&mut snapshot, finished)?;
    if snapshot.next < snapshot.end {
        run.wait_for_tail(&snapshot)?;
        let end = snapshot.end;
        run.read(&mut snapshot, end)?;
    }
    run.finish(&snapshot)
}

struct Run<'a, 'm> {
    reader: Reader<'a>,
    modules: &'a mut [&'m mut dyn ModuleRecovery],
    file: &'a StateFile,
    key_set: String,
    options: Options,
    on_progress: &'a mut dyn FnMut(Progress),
}

impl Run<'_, '_> {
    /// Fixes the end, and stores it.
    fn begin(&mut self) -> Result<Snapshot, RecoveryError> {
        let finished = self.reader.sessions.finished()?;
        if let Some(last) = finished.checked_sub(1) {
            self.prove(last)?;
        }
        let end = finished + u64::from(self.options.with_open_session);
        let snapshot = Snapshot { end, next: 0, last: None, modules: self.states() };
        self.file.write(&self.key_set, &Phase::Reading(snapshot.clone()))?;
        Ok(snapshot)
    }

    /// Loads the modules' states, and checks that the source continues the same history.
    fn resume(&mut self, snapshot: Snapshot) -> Result<Snapshot, RecoveryError> {
        let bad = |reason: String| RecoveryError::State { reason };
        if snapshot.modules.len() != self.modules.len() {
            return Err(bad("it is of other modules".to_owned()));
        }
        for module in self.modules.iter_mut() {
            let name = module.name().to_owned();
            let state = snapshot.modules.get(&name).and_then(|state| hex::decode(state).ok());
            let state = state.ok_or_else(|| bad(format!("it has no state of {name}")))?;
            module.load(&state).map_err(|reason| bad(format!("{name}: {reason}")))?;
        }
        if let Some(last) = snapshot.next.checked_sub(1) {
            if self.reader.sessions.finished()? < snapshot.next {
                return Err(self.lags(snapshot.next));
            }
            let root = self.prove(last)?;
            if snapshot.last != Some(root) {
                return Err(RecoveryError::OtherHistory { session: last });
            }
        }
        Ok(snapshot)
    }

    fn lags(&self, needed: u64) -> RecoveryError {
        match self.reader.sessions.finished() {
            Ok(has) => RecoveryError::Lagging { has, needed },
            Err(error) => error.into(),
        }
    }

    /// Proves one session, and returns the root in its header.
    fn prove(&self, session: u64) -> Result<Hash, RecoveryError> {
        let mut root = None;
        self.reader.each(session, session + 1, &mut |seen| {
            root = seen.converted.map(|converted| converted.leaf.header.root);
            Ok(())
        })?;
        root.ok_or(RecoveryError::Gap { session })
    }

    /// Reads the sessions before `end`.
    fn read(&mut self, snapshot: &mut Snapshot, end: u64) -> Result<(), RecoveryError> {
        if snapshot.next >= end {
            return Ok(());
        }
        let (from, start) = (snapshot.next, Instant::now());
        let (mut saved, mut bytes) = (Instant::now(), 0);
        let Run { reader, modules, file, key_set, options, on_progress } = self;
        let mut on_session = |session: OldSession<'_>| {
            if session.index != snapshot.next {
                return Err(RecoveryError::Gap { session: snapshot.next });
            }
            let undecodable = |reason| RecoveryError::Undecodable { session: session.index, reason };
            let known = session.converted.zip(session.outcome());
            let (converted, outcome) =
                known.ok_or_else(|| undecodable("its content is not known".to_owned()))?;
            for module in modules.iter_mut() {
                let taken = module.on_session(session.index, &outcome.items);
                taken.map_err(|reason| undecodable(format!("{}: {reason}", module.name())))?;
            }
            snapshot.next += 1;
            snapshot.last = Some(converted.leaf.header.root);
            bytes += converted.record.len() as u64;
            if saved.elapsed() >= options.save_after || bytes >= options.save_after_bytes {
                snapshot.modules = states(modules);
                file.write(key_set, &Phase::Reading(snapshot.clone()))?;
                (saved, bytes) = (Instant::now(), 0);
            }
            let seconds = start.elapsed().as_secs_f64().max(1e-9);
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = (snapshot.next - from) as f64 / seconds;
            on_progress(Progress { done: snapshot.next, end: snapshot.end, rate });
            Ok(())
        };
        reader.each(from, end, &mut on_session)?;
        if snapshot.next < end {
            return Err(RecoveryError::Gap { session: snapshot.next });
        }
        snapshot.modules = self.states();
        self.file.write(&self.key_set, &Phase::Reading(snapshot.clone()))
    }

    /// Waits until the session is finished that was open at the start.
    fn wait_for_tail(&self, snapshot: &Snapshot) -> Result<(), RecoveryError> {
        let Options { patience, .. } = self.options;
        if self.reader.sessions.wait_for(snapshot.end, patience, self.reader.control)? {
            return Ok(());
        }
        Err(RecoveryError::Stalled { session: snapshot.end - 1, seconds: patience.as_secs() })
    }

    fn states(&self) -> BTreeMap<String, String> {
        states(self.modules)
    }

    /// Stores the results in place of the state.
    fn finish(&mut self, snapshot: &Snapshot) -> Result<Recovered, RecoveryError> {
        for module in self.modules.iter_mut() {
            let done = module.pre_finalise();
            let failed = |reason| RecoveryError::Finalise { module: module.name().to_owned(), reason };
            done.map_err(failed)?;
        }
        let results: BTreeMap<String, Value> =
            self.modules.iter().map(|module| (module.name().to_owned(), module.finalise())).collect();
        let phase = Phase::Finished { end: snapshot.end, results: results.clone() };
        self.file.write(&self.key_set, &phase)?;
        Ok(Recovered { sessions: snapshot.end, results })
    }
}

fn states(modules: &[&mut dyn ModuleRecovery]) -> BTreeMap<String, String> {
    modules.iter().map(|module| (module.name().to_owned(), hex::encode(module.store()))).collect()
}

/// Reads proven sessions.
struct Reader<'a> {
    sessions: &'a dyn Sessions,
    keys: &'a SessionKeys,
    control: Control<'a>,
}

impl Reader<'_> {
    /// Passes the sessions from `from` up to, but not including, `end` on; each only if nothing is wrong with
    /// it.
    fn each(
        &self,
        from: u64,
        end: u64,
        on_session: &mut dyn FnMut(OldSession<'_>) -> Result<(), RecoveryError>,
    ) -> Result<(), RecoveryError> {
        let scope = Scope { from, to: Some(end - 1), ..Scope::default() };
        let request = Request { keys: Some(HistoryKeys::Session(self.keys)), scope, ..Request::default() };
        let wrong = std::cell::RefCell::new(None::<Finding>);
        let mut failed = None;
        let mut pass_on = |session: OldSession<'_>| {
            let error = match wrong.borrow_mut().take() {
                Some(finding) => of_finding(session.index, &finding),
                None => match on_session(session) {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
            };
            failed = Some(error);
            Err(AuditError::Interrupted)
        };
        let observer = Observer {
            on_finding: &mut |finding| {
                let is_first = wrong.borrow().is_none();
                if is_first && finding.severity == Severity::Error {
                    *wrong.borrow_mut() = Some(finding);
                }
            },
            on_session: Some(&mut pass_on),
            on_row: None,
        };
        let audited = audit_history(self.sessions.origin(), request, self.control, observer);
        if let Some(error) = failed {
            return Err(error);
        }
        audited?;
        // What was found after the last session.
        match wrong.into_inner() {
            Some(finding) => Err(of_finding(end - 1, &finding)),
            None => Ok(()),
        }
    }
}

fn of_finding(session: u64, finding: &Finding) -> RecoveryError {
    let reason = finding.message.clone();
    match finding.code {
        Code::SessionMissing => RecoveryError::Gap { session: finding.place.session.unwrap_or(session) },
        Code::SessionUndecodable | Code::SessionKeyMismatch | Code::SessionTooLarge => {
            RecoveryError::Undecodable { session, reason }
        }
        _ => RecoveryError::BadSignature { session, reason },
    }
}
