//! The state of the node, for the interface and the page.

use serde_json::{Map, Value, json};

use crate::shared::Shared;
use crate::watchdog::stuck;

/// Returns the status in upstream's form, and in addition the open session and the latency of transactions.
pub(crate) fn status(shared: &Shared) -> Value {
    let progress = shared.telemetry.progress().clone();
    let states = shared.peers.as_ref().map(|peers| peers.states()).unwrap_or_default();
    let online = states.values().filter(|state| state.connected).count();
    let by_peer: Map<String, Value> = states
        .iter()
        .map(|(peer, state)| {
            let status = if state.connected { "connected" } else { "disconnected" };
            let (last, flagged) = (progress.contributed.get(peer), progress.is_silent(*peer));
            let value = json!({ "last_contribution": last, "connection_status": status, "flagged": flagged });
            (peer.to_string(), value)
        })
        .collect();
    let flagged = by_peer.values().filter(|status| status["flagged"] == true).count();
    json!({
        "server": "consensus_running",
        "federation": {
            "session_count": progress.session,
            "status_by_peer": by_peer,
            "peers_online": online,
            "peers_offline": states.len() - online,
            "peers_flagged": flagged,
            "scheduled_shutdown": *shared.last.borrow(),
        },
        "session": {
            "items": progress.items,
            "round": progress.round,
            "rounds": shared.config.consensus.broadcast_rounds_per_session,
            "missing_signatures": progress.missing,
            "stuck": stuck(shared),
        },
        "latency_ms": {
            "p50": shared.telemetry.latency.percentile(50),
            "p99": shared.telemetry.latency.percentile(99),
        },
    })
}
