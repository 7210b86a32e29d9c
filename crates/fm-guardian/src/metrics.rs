//! Counters, in the text format that Prometheus reads.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::shared::Shared;

/// What is counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) accepted: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) skipped_batches: AtomicU64,
    pub(crate) units: AtomicU64,
    pub(crate) sessions_ordered: AtomicU64,
    pub(crate) sessions_fetched: AtomicU64,
    pub(crate) submitted: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) refused_outcomes: AtomicU64,
    pub(crate) ignored_signatures: AtomicU64,
}

impl Metrics {
    /// Counts one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// All numbers of a node.
pub(crate) fn render(shared: &Shared) -> String {
    let metrics = &shared.metrics;
    let progress = shared.progress().clone();
    let mut text = String::new();
    let mut write = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "# HELP fm_node_{name} {help}\n# TYPE fm_node_{name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(text, "fm_node_{name}{labels} {value}");
        }
    };
    let one = |value: u64| [(String::new(), value)];
    write("sessions", "gauge", "Finished sessions.", &one(*shared.finished.borrow()));
    write("session_items", "gauge", "Accepted items of the session in progress.", &one(progress.items));
    write(
        "session_round",
        "gauge",
        "Highest ordered round of the session in progress.",
        &one(progress.round.into()),
    );
    let counters = [
        ("items_accepted_total", "Items accepted.", &metrics.accepted),
        ("items_discarded_total", "Items not accepted.", &metrics.discarded),
        ("batches_skipped_total", "Batches that could not be read.", &metrics.skipped_batches),
        ("units_ordered_total", "Units ordered.", &metrics.units),
        ("sessions_ordered_total", "Sessions finished by ordered signatures.", &metrics.sessions_ordered),
        ("sessions_fetched_total", "Sessions finished by a fetched outcome.", &metrics.sessions_fetched),
        ("transactions_submitted_total", "Transactions submitted here.", &metrics.submitted),
        ("requests_total", "Requests of clients.", &metrics.requests),
        (
            "outcomes_refused_total",
            "Outcomes of other guardians that did not hold.",
            &metrics.refused_outcomes,
        ),
        (
            "signatures_ignored_total",
            "Signatures of other guardians that did not hold.",
            &metrics.ignored_signatures,
        ),
    ];
    for (name, help, counter) in counters {
        write(name, "counter", help, &one(counter.load(Relaxed)));
    }
    let states = shared.peers.as_ref().map(|peers| peers.states()).unwrap_or_default();
    let per_peer = |value: fn(&fm_peers::LinkState) -> u64| -> Vec<(String, u64)> {
        states.iter().map(|(peer, state)| (format!("{{guardian=\"{peer}\"}}"), value(state))).collect()
    };
    write("link_up", "gauge", "Whether the link stands.", &per_peer(|state| state.connected.into()));
    write(
        "link_connects_total",
        "counter",
        "How often the link was made.",
        &per_peer(|state| state.connects),
    );
    write("link_messages_in_total", "counter", "Messages received.", &per_peer(|state| state.messages_in));
    write("link_messages_out_total", "counter", "Messages sent.", &per_peer(|state| state.messages_out));
    write("link_bytes_in_total", "counter", "Bytes received.", &per_peer(|state| state.bytes_in));
    write("link_bytes_out_total", "counter", "Bytes sent.", &per_peer(|state| state.bytes_out));
    write(
        "link_dropped_total",
        "counter",
        "Messages dropped, the queue was full.",
        &per_peer(|state| state.dropped),
    );
    write("link_garbage_total", "counter", "Messages that said nothing.", &per_peer(|state| state.garbage));
    write("link_queued", "gauge", "Messages that wait to be sent.", &per_peer(|state| state.queued as u64));
    text
}
