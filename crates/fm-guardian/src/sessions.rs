//! Runs session after session: fetches what others finished, and orders the open one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fm_aleph::{Member, OrderedUnit, Proposals, Session};
use fm_client::Guardians;
use fm_consensus::{Engine, Federation, Guard, Rules};
use fm_store::Durability;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, error, info, warn};

use crate::actions::{checkpoint, take_outcome, take_unit};
use crate::ahead::Ahead;
use crate::error::NodeError;
use crate::loadable::units_in;
use crate::recorder::Recorder;
use crate::shared::Shared;
use crate::units::DatabaseLog;
use crate::watchdog::stuck;

/// Interval at which modules are asked for proposals.
const PROPOSE_AFTER: Duration = Duration::from_secs(1);
/// The delay until a session that the library gave up starts again; it doubles each time, up to the second
/// value.
const START_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];
/// The longest time for which a node serves others after its last session is finished.
const LINGER: Duration = Duration::from_secs(60);
/// The time at the start for the others to report their number of sessions.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The result of ordering the open session.
enum Turn {
    /// The session is finished.
    Finished,
    /// The library ended before the session was finished.
    Broken,
    /// The node stops.
    Stopped,
}

pub(crate) struct Sessions {
    pub(crate) shared: Arc<Shared>,
    /// `None` in a federation of one.
    pub(crate) member: Option<Member>,
    pub(crate) guardians: Guardians,
    pub(crate) guard: Guard,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) rules: Rules,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) ahead: Arc<Ahead>,
    /// The number of times in a row that the library gave up the open session.
    pub(crate) broken: u32,
}

impl Sessions {
    /// Opens the machine on the content of the database.
    pub(crate) fn engine(shared: &Shared, rules: Rules, guard: Guard) -> Result<Engine, NodeError> {
        let federation = Federation {
            keys: shared.config.keys.clone(),
            own: shared.config.me(),
            signing_key: shared.config.signing_key(),
        };
        let mut engine =
            Engine::open(shared.store.clone(), federation, shared.modules.clone(), rules, guard)?;
        // Own units are synced, and so is everything that was accepted before them.
        engine.set_item_durability(Durability::Deferred);
        shared.mempool.queue().open(engine.session());
        shared.telemetry.progress().followed_from = engine.session();
        Ok(engine)
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self, mut engine: Engine) -> Result<(), NodeError> {
        let Some(member) = self.member.take() else { return self.alone(engine).await };
        self.guardians.first_look(FIRST_LOOK).await;
        loop {
            self.catch_up(&mut engine).await?;
            if self.is_over(&engine) {
                self.linger(&engine).await;
                return Ok(());
            }
            match self.live(&mut engine, &member).await? {
                Turn::Finished => {
                    self.broken = 0;
                    checkpoint(&self.shared, &engine);
                }
                Turn::Stopped => return Ok(()),
                Turn::Broken => {
                    if self.pause(&mut engine).await? {
                        return Ok(());
                    }
                    engine = Self::engine(&self.shared, self.rules, self.guard)?;
                }
            }
        }
    }

    pub(crate) fn is_over(&self, engine: &Engine) -> bool {
        let last = *self.shared.last.borrow();
        *self.stop.borrow() || last.is_some_and(|last| engine.session() >= last)
    }

    /// Waits for guardians that have not finished the last session: they may need its outcome from here.
    async fn linger(&mut self, engine: &Engine) {
        tokio::select! {
            () = self.guardians.all_have(engine.session()) => (),
            () = sleep(LINGER) => (),
            _ = self.stop.wait_for(|stop| *stop) => (),
        }
    }

    /// Fetches the sessions that the others finished while this node was away.
    async fn catch_up(&mut self, engine: &mut Engine) -> Result<(), NodeError> {
        let (shared, guardians) = (self.shared.clone(), &self.guardians);
        let first = engine.session();
        let mut records = guardians.catch_up(first);
        let result = loop {
            let fetched = tokio::select! {
                fetched = records.next() => fetched,
                _ = self.stop.wait_for(|stop| *stop) => None,
            };
            let Some(fetched) = fetched else { break Ok(()) };
            let is_last = shared.last.borrow().is_some_and(|last| engine.session() >= last);
            if fetched.session != engine.session() || is_last {
                break Ok(());
            }
            // One checkpoint after all of them is enough.
            match take_outcome(&shared, guardians, engine, &fetched) {
                Ok(true) => (),
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if engine.session() > first {
            checkpoint(&shared, engine);
        }
        result
    }

    /// Waits before the open session starts again; returns true if the node stops.
    async fn pause(&mut self, engine: &mut Engine) -> Result<bool, NodeError> {
        let (shared, guardians) = (self.shared.clone(), &self.guardians);
        let [first, most] = START_AGAIN_AFTER;
        let wait = first.saturating_mul(1 << self.broken.min(8)).min(most);
        self.broken += 1;
        info!(session = engine.session(), seconds = wait.as_secs(), "ordering is started again after that");
        tokio::select! {
            () = sleep(wait) => Ok(false),
            _ = self.stop.wait_for(|stop| *stop) => Ok(true),
            fetched = guardians.outcome(engine.session()) => {
                if take_outcome(&shared, guardians, engine, &fetched)? {
                    checkpoint(&shared, engine);
                }
                Ok(false)
            }
        }
    }

    /// Orders the open session until it is finished.
    async fn live(&mut self, engine: &mut Engine, member: &Member) -> Result<Turn, NodeError> {
        let session = engine.session();
        let io = |source| NodeError::Io { what: format!("the units of session {session}"), source };
        let (store, recorder) = (self.shared.store.clone(), self.recorder.clone());
        let log = DatabaseLog::open(store, self.ahead.clone(), recorder, session).map_err(io)?;
        let log = Arc::new(log);
        let mut aleph = match self.may_order(engine)? {
            true => Some(Session::start(member, session, log.clone(), proposals(&self.shared, session))?),
            false => None,
        };
        let turn = self.follow(engine, aleph.as_mut(), &log).await;
        if let Some(aleph) = aleph {
            aleph.stop().await;
        }
        log.abandon();
        if matches!(turn, Ok(Turn::Broken)) {
            let reason = match log.made_units() {
                true => "the library ended it while units were made",
                // It asks the others for this guardian's newest unit first, and stops if theirs is newer
                // than its own.
                false => {
                    "the library ended it before this guardian made a unit; if that repeats, the others have units of \
                          this guardian that its database has not, and only they can finish the session"
                }
            };
            error!(session, reason, "ordering ended");
        }
        turn
    }

    /// Returns whether the open session is ordered here, with units of this guardian; if not, its outcome is
    /// fetched from the others.
    fn may_order(&self, engine: &Engine) -> Result<bool, NodeError> {
        let (session, keys) = (engine.session(), &self.shared.config.keys);
        if !engine.may_create_units() {
            self.shared.telemetry.progress().movement.guarded = self.guard.until_session;
            info!(session, "no units are made in this session: its outcome is waited for");
            return Ok(false);
        }
        let units = units_in(&self.shared.store, session, keys, self.shared.config.me())?;
        if units.own {
            self.recorder.made_units(session)?;
        }
        self.shared.telemetry.progress().movement.guarded = units.fault.as_ref().map(|_| session);
        let Some(reason) = units.fault else { return Ok(true) };
        warn!(session, %reason, "the session cannot be ordered here: its outcome is taken from the others");
        Ok(false)
    }

    async fn follow(
        &mut self,
        engine: &mut Engine,
        mut aleph: Option<&mut Session>,
        log: &DatabaseLog,
    ) -> Result<Turn, NodeError> {
        let (shared, session) = (self.shared.clone(), engine.session());
        let mut propose = interval(PROPOSE_AFTER);
        propose.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let guardians = &self.guardians;
        let mut reported = Instant::now();
        let mut outcome = Box::pin(guardians.late_outcome(session));
        loop {
            tokio::select! {
                unit = next_unit(&mut aleph) => {
                    let Some(unit) = unit else { return Ok(Turn::Broken) };
                    if take_unit(&shared, engine, log, &unit)? {
                        return Ok(Turn::Finished);
                    }
                    if let Some(items) = engine.closed_list().filter(|_| !guardians.is_ordered(session)) {
                        guardians.ordered(session, items);
                    }
                }
                fetched = &mut outcome => {
                    if log.finish_if(|| take_outcome(&shared, guardians, engine, &fetched))? {
                        return Ok(Turn::Finished);
                    }
                    outcome = Box::pin(guardians.late_outcome(session));
                }
                _ = propose.tick() => {
                    offer(&shared, engine)?;
                    if reported.elapsed() >= shared.stuck_after && tell_stuck(&shared, session) {
                        reported = Instant::now();
                    }
                }
                _ = self.stop.wait_for(|stop| *stop) => return Ok(Turn::Stopped),
            }
        }
    }
}

/// Reports that the session makes no progress, and why; returns false if it does.
fn tell_stuck(shared: &Shared, session: u64) -> bool {
    let Some(stuck) = stuck(shared) else { return false };
    let (round, seconds, reason) = (shared.telemetry.progress().round, stuck.seconds, stuck.reason());
    warn!(session, round, seconds, %reason, "the session makes no progress");
    true
}

async fn next_unit(aleph: &mut Option<&mut Session>) -> Option<OrderedUnit> {
    match aleph {
        Some(aleph) => aleph.next().await,
        None => std::future::pending().await,
    }
}

fn proposals(shared: &Arc<Shared>, session: u64) -> Proposals {
    let shared = shared.clone();
    Box::new(move || {
        let known = shared.clone();
        // If a transaction cannot be looked up, it is proposed: the machine decides.
        shared
            .mempool
            .queue()
            .next_payload(session, move |txid| known.mempool.is_accepted(txid).unwrap_or(false))
    })
}

/// Queues the proposals of the modules.
pub(crate) fn offer(shared: &Shared, engine: &Engine) -> Result<(), NodeError> {
    for item in engine.proposals()? {
        if let Err(reason) = shared.mempool.queue().push(&item) {
            debug!(%reason, "not proposed");
        }
    }
    Ok(())
}
