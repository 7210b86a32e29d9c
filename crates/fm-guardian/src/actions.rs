//! Carries out the actions of the machine: counts them, reports them, applies them to the queue, and records
//! failures.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use fm_aleph::OrderedUnit;
use fm_client::{Fetched, Guardians};
use fm_consensus::{Action, Engine, EngineError};
use fm_datadir::{
    CHECKPOINTS_NAME, CheckpointError, failure_name, make_checkpoint, make_named_checkpoint,
    new_checkpoint_name,
};
use tokio::task::block_in_place;
use tracing::{debug, info, warn};

use crate::counters::Metrics;
use crate::error::NodeError;
use crate::shared::Shared;
use crate::units::DatabaseLog;

/// Held while a requested checkpoint is made.
static MAKING: Mutex<()> = Mutex::new(());

/// A requested checkpoint.
pub(crate) struct Made {
    /// Its path.
    pub(crate) path: PathBuf,
    /// The number of finished sessions.
    pub(crate) sessions: u64,
}

/// Takes an ordered unit; returns true if the unit finished the session.
pub(crate) fn take_unit(
    shared: &Shared,
    engine: &mut Engine,
    log: &DatabaseLog,
    unit: &OrderedUnit,
) -> Result<bool, NodeError> {
    Metrics::count(&shared.telemetry.metrics.units);
    {
        let mut progress = shared.telemetry.progress();
        progress.round = progress.round.max(unit.round);
        progress.movement.ordered = Instant::now();
        progress.movement.heard.insert(unit.creator, Instant::now());
        // A unit without a payload keeps the rounds going like any other; with nothing to propose, all units
        // are like that.
        progress.contributed.insert(unit.creator, engine.session());
    }
    let is_signing = engine.own_signature().is_some();
    let mut order = || {
        let payload = unit.payload.as_ref();
        let actions = block_in_place(|| engine.on_ordered_unit(unit.round, unit.creator, payload));
        carry_out(shared, engine, actions)
    };
    // Only in the phase of signatures can a unit finish the session.
    let finished = if is_signing { log.finish_if(order)? } else { order()? };
    if finished && is_signing {
        Metrics::count(&shared.telemetry.metrics.sessions_ordered);
    }
    Ok(finished)
}

/// Takes a fetched record; returns true if the record finished the session.
pub(crate) fn take_outcome(
    shared: &Shared,
    guardians: &Guardians,
    engine: &mut Engine,
    fetched: &Fetched,
) -> Result<bool, NodeError> {
    // The units of that session are not ordered here to its end: they do not show which guardians
    // contributed.
    shared.telemetry.progress().followed_from = fetched.session + 1;
    let actions = block_in_place(|| engine.on_fetched_outcome(fetched.session, &fetched.record));
    let finished = carry_out(shared, engine, actions)?;
    if finished {
        Metrics::count(&shared.telemetry.metrics.sessions_fetched);
    } else {
        warn!(
            guardian = fetched.peer,
            session = fetched.session,
            "its outcome does not hold; it is not asked for a while"
        );
        guardians.distrust(fetched.peer);
    }
    Ok(finished)
}

/// Carries out the machine's actions; returns true if the session is finished.
pub(crate) fn carry_out(
    shared: &Shared,
    engine: &Engine,
    actions: Result<Vec<Action>, EngineError>,
) -> Result<bool, NodeError> {
    let actions = actions.map_err(|error| stopped(shared, error))?;
    let mut finished = false;
    let mut queue = shared.mempool.queue();
    actions.iter().for_each(|action| queue.follow(action));
    drop(queue);
    for action in actions {
        match action {
            Action::Accepted { txid, .. } => {
                Metrics::count(&shared.telemetry.metrics.accepted);
                txid.iter().for_each(|txid| shared.accepted(txid));
            }
            Action::Discarded { peer, txid, reason } => {
                Metrics::count(&shared.telemetry.metrics.discarded);
                debug!(guardian = peer, ?txid, %reason, "item discarded");
            }
            Action::BatchSkipped { peer, round, reason } => {
                Metrics::count(&shared.telemetry.metrics.skipped_batches);
                warn!(guardian = peer, round, %reason, "batch skipped");
            }
            Action::Broadcast { header, .. } => {
                debug!(session = header.index, "rounds are over, the header is signed")
            }
            Action::SignatureCollected { peer, signatures, needed } => {
                debug!(guardian = peer, signatures, needed, "signature");
            }
            Action::SignatureIgnored { peer } => {
                Metrics::count(&shared.telemetry.metrics.ignored_signatures);
                warn!(guardian = peer, "its signature is over another header");
            }
            Action::OutcomeRefused { reason } => {
                Metrics::count(&shared.telemetry.metrics.refused_outcomes);
                warn!(%reason, "outcome refused");
            }
            Action::SessionComplete { session, items, .. } => {
                info!(session, items, "session finished");
                shared.mempool.look_after_waiting()?;
                finished = true;
            }
        }
    }
    publish(shared, engine);
    Ok(finished)
}

/// Publishes the state of the open session to the interface.
pub(crate) fn publish(shared: &Shared, engine: &Engine) {
    let now = engine.progress();
    let mut progress = shared.telemetry.progress();
    if progress.session != now.session {
        progress.round = 0;
        progress.movement.ordered = Instant::now();
    }
    progress.session = now.session;
    progress.items = now.items;
    progress.missing = now.missing_signatures.map(|(_, missing)| missing);
    progress.movement.signing = match (&progress.missing, progress.movement.signing) {
        (None, _) => None,
        (Some(_), since) => Some(since.unwrap_or_else(Instant::now)),
    };
    if progress.balance != *engine.balance() {
        progress.balance = engine.balance().clone();
    }
    drop(progress);
    if *shared.finished.borrow() != now.session {
        shared.finished.send_replace(now.session);
    }
}

/// Makes the checkpoint of the last finished session. It is a convenience: a failure does not stop the node.
pub(crate) fn checkpoint(shared: &Shared, engine: &Engine) {
    let Some(session) = engine.session().checked_sub(1) else { return };
    let directory = shared.config.directory.join(CHECKPOINTS_NAME);
    let made = block_in_place(|| make_checkpoint(&shared.store, &directory, session, shared.retention));
    if let Err(error) = made {
        Metrics::count(&shared.telemetry.metrics.failed_checkpoints);
        warn!(session, %error, "no checkpoint");
    }
}

/// Makes a checkpoint of the current database, which stays until somebody removes it.
pub(crate) fn checkpoint_now(shared: &Shared) -> Result<Made, CheckpointError> {
    // Two at a time would choose the same name, and RocksDB clears existing files at that path.
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = shared.config.directory.join(CHECKPOINTS_NAME);
    let sessions = *shared.finished.borrow();
    let name = new_checkpoint_name(&directory, sessions.checked_sub(1), SystemTime::now());
    let free = shared.retention.min_free;
    let path = block_in_place(|| make_named_checkpoint(&shared.store, &directory, &name, free))?;
    info!(path = %path.display(), "checkpoint");
    Ok(Made { path, sessions })
}

/// Returns the error of a machine that stopped; records a consensus failure in a file first.
fn stopped(shared: &Shared, error: EngineError) -> NodeError {
    let EngineError::ConsensusFailure(failure) = error else { return error.into() };
    let bundle = shared.config.directory.join(failure_name(failure.session));
    match std::fs::write(&bundle, failure.to_json(&shared.config.directory)) {
        Ok(()) => NodeError::ConsensusFailure { failure, bundle },
        Err(source) => {
            NodeError::Io { what: format!("{failure}; {} cannot be written", bundle.display()), source }
        }
    }
}
