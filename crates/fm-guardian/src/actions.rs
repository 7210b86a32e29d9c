//! What the machine says is done: counted, told, followed by the queue, written down.

use fm_aleph::OrderedUnit;
use fm_client::{Fetched, Guardians};
use fm_consensus::{Action, CHECKPOINTS_NAME, Engine, EngineError, make_checkpoint};
use tokio::task::block_in_place;
use tracing::{debug, info, warn};

use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::units::DatabaseLog;

/// Takes an ordered unit; true if it finished the session.
pub(crate) fn take_unit(
    shared: &Shared,
    engine: &mut Engine,
    log: &DatabaseLog,
    unit: &OrderedUnit,
    checkpoints: usize,
) -> Result<bool, NodeError> {
    Metrics::count(&shared.metrics.units);
    {
        let mut progress = shared.progress();
        progress.round = progress.round.max(unit.round);
        if unit.payload.is_some() {
            progress.contributed.insert(unit.creator, engine.session());
        }
    }
    // Only in the phase of signatures can a unit finish the session, and remove its units.
    let held = engine.own_signature().is_some().then(|| block_in_place(|| log.hold()));
    let actions = block_in_place(|| engine.on_ordered_unit(unit.round, unit.creator, unit.payload.as_ref()));
    let finished = carry_out(shared, engine, actions, checkpoints)?;
    if let (true, Some(mut held)) = (finished, held) {
        held.finish();
        Metrics::count(&shared.metrics.sessions_ordered);
    }
    Ok(finished)
}

/// Takes a fetched record; true if it finished the session.
pub(crate) fn take_outcome(
    shared: &Shared,
    guardians: &Guardians,
    engine: &mut Engine,
    fetched: &Fetched,
    checkpoints: usize,
) -> Result<bool, NodeError> {
    let actions = block_in_place(|| engine.on_fetched_outcome(fetched.session, &fetched.record));
    let finished = carry_out(shared, engine, actions, checkpoints)?;
    if finished {
        Metrics::count(&shared.metrics.sessions_fetched);
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

/// Does what the machine says; true if the session is finished.
pub(crate) fn carry_out(
    shared: &Shared,
    engine: &Engine,
    actions: Result<Vec<Action>, EngineError>,
    checkpoints: usize,
) -> Result<bool, NodeError> {
    let actions = actions.map_err(|error| stopped(shared, error))?;
    let mut finished = false;
    let mut queue = shared.queue();
    actions.iter().for_each(|action| queue.follow(action));
    drop(queue);
    for action in actions {
        match action {
            Action::Accepted { txid, .. } => {
                Metrics::count(&shared.metrics.accepted);
                txid.iter().for_each(|txid| shared.accepted(txid));
            }
            Action::Discarded { peer, txid, reason } => {
                Metrics::count(&shared.metrics.discarded);
                debug!(guardian = peer, ?txid, %reason, "item discarded");
            }
            Action::BatchSkipped { peer, round, reason } => {
                Metrics::count(&shared.metrics.skipped_batches);
                warn!(guardian = peer, round, %reason, "batch skipped");
            }
            Action::Broadcast { header, .. } => {
                debug!(session = header.index, "rounds are over, the header is signed")
            }
            Action::SignatureCollected { peer, signatures, needed } => {
                debug!(guardian = peer, signatures, needed, "signature");
            }
            Action::SignatureIgnored { peer } => {
                Metrics::count(&shared.metrics.ignored_signatures);
                warn!(guardian = peer, "its signature is over another header");
            }
            Action::OutcomeRefused { reason } => {
                Metrics::count(&shared.metrics.refused_outcomes);
                warn!(%reason, "outcome refused");
            }
            Action::SessionComplete { session, items, .. } => {
                info!(session, items, "session finished");
                shared.look_after_waiting()?;
                finished = true;
                checkpoint(shared, session, checkpoints);
            }
        }
    }
    publish(shared, engine);
    Ok(finished)
}

/// Tells the interface how the open session is.
pub(crate) fn publish(shared: &Shared, engine: &Engine) {
    let now = engine.progress();
    let mut progress = shared.progress();
    if progress.session != now.session {
        progress.round = 0;
    }
    progress.session = now.session;
    progress.items = now.items;
    progress.missing = now.missing_signatures.map(|(_, missing)| missing);
    if progress.balance != *engine.balance() {
        progress.balance = engine.balance().clone();
    }
    drop(progress);
    if *shared.finished.borrow() != now.session {
        shared.finished.send_replace(now.session);
    }
}

/// A checkpoint is a convenience: that it cannot be made does not stop the node.
pub(crate) fn checkpoint(shared: &Shared, session: u64, keep: usize) {
    let directory = shared.config.directory.join(CHECKPOINTS_NAME);
    if let Err(error) = block_in_place(|| make_checkpoint(&shared.store, &directory, session, keep)) {
        warn!(session, %error, "no checkpoint");
    }
}

/// The error of a machine that stopped; a consensus failure is written down first.
fn stopped(shared: &Shared, error: EngineError) -> NodeError {
    let EngineError::ConsensusFailure(failure) = error else { return error.into() };
    let bundle = shared.config.directory.join(format!("consensus-failure-{}.json", failure.session));
    match std::fs::write(&bundle, failure.to_json(&shared.config.directory)) {
        Ok(()) => NodeError::ConsensusFailure { failure, bundle },
        Err(source) => {
            NodeError::Io { what: format!("{failure}; {} cannot be written", bundle.display()), source }
        }
    }
}
