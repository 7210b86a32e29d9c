//! Counters and progress, in the text format that Prometheus reads.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use fm_peers::LinkState;

use crate::latency::CLASSES;
use crate::shared::Shared;
use crate::watchdog::stuck;

/// Returns all metrics of a node.
pub(crate) fn render(shared: &Shared) -> String {
    let mut page = Numbers::default();
    sessions(&mut page, shared);
    counters(&mut page, shared);
    checkpoint_ages(&mut page, shared);
    links(&mut page, shared);
    latencies(&mut page, shared);
    page.0
}

/// The text so far.
#[derive(Default)]
struct Numbers(String);

impl Numbers {
    fn family(&mut self, name: &str, kind: &str, help: &str, rows: &[(String, u64)]) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "# HELP fm_node_{name} {help}\n# TYPE fm_node_{name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(self.0, "fm_node_{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help, &[(String::new(), value)]);
    }
}

fn sessions(page: &mut Numbers, shared: &Shared) {
    let progress = shared.telemetry.progress().clone();
    let (items, bytes) = shared.mempool.queue().waiting();
    let seconds = progress.movement.ordered.elapsed().as_secs();
    let stuck = u64::from(stuck(shared).is_some());
    let missing = progress.missing.map_or(0, |missing| missing.len() as u64);
    let gauges = [
        ("sessions", "Finished sessions.", *shared.finished.borrow()),
        ("session_items", "Accepted items of the session in progress.", progress.items),
        ("session_round", "Highest ordered round of the session in progress.", progress.round.into()),
        ("session_missing_signatures", "Missing signatures, once the rounds are over.", missing),
        ("session_still_seconds", "Time since a unit was ordered.", seconds),
        ("session_stuck", "Whether the session makes no progress.", stuck),
        ("queue_items", "Items that wait to be proposed.", items as u64),
        ("queue_bytes", "Their bytes.", bytes as u64),
        ("requests_open", "Requests being answered.", shared.telemetry.metrics.open_requests.load(Relaxed)),
    ];
    for (name, help, value) in gauges {
        page.one(name, "gauge", help, value);
    }
}

fn counters(page: &mut Numbers, shared: &Shared) {
    let metrics = &shared.telemetry.metrics;
    let counters = [
        ("items_accepted", "Items accepted.", &metrics.accepted),
        ("items_discarded", "Items not accepted.", &metrics.discarded),
        ("batches_skipped", "Batches that could not be read.", &metrics.skipped_batches),
        ("units_ordered", "Units ordered.", &metrics.units),
        ("sessions_ordered", "Sessions finished by ordered signatures.", &metrics.sessions_ordered),
        ("sessions_fetched", "Sessions finished by a fetched outcome.", &metrics.sessions_fetched),
        ("transactions_submitted", "Transactions submitted here.", &metrics.submitted),
        ("requests", "Requests of clients.", &metrics.requests),
        ("wrong_passwords", "Requests with a wrong password.", &metrics.wrong_passwords),
        ("checkpoints_failed", "Checkpoints that could not be made.", &metrics.failed_checkpoints),
        ("outcomes_refused", "Outcomes of other guardians that did not hold.", &*metrics.refused_outcomes),
        (
            "signatures_ignored",
            "Signatures of other guardians that did not hold.",
            &metrics.ignored_signatures,
        ),
    ];
    for (name, help, counter) in counters {
        page.one(&format!("{name}_total"), "counter", help, counter.load(Relaxed));
    }
}

/// Writes the ages of the checkpoints that are named by a session.
fn checkpoint_ages(page: &mut Numbers, shared: &Shared) {
    let ages = shared.checkpoint_ages();
    page.one("checkpoints", "gauge", "Checkpoints after sessions that are there.", ages.len() as u64);
    let ages: Vec<_> = ages
        .into_iter()
        .map(|(session, age)| (format!("{{session=\"{session}\"}}"), age.as_secs()))
        .collect();
    page.family("checkpoint_age_seconds", "gauge", "Age of a checkpoint.", &ages);
}

fn latencies(page: &mut Numbers, shared: &Shared) {
    let (counts, sum_ms) = shared.telemetry.latency.classes();
    let name = "fm_node_accept_seconds";
    let help = "From the submission of a transaction here to its acceptance.";
    let mut seen = 0;
    // Writing into a String cannot fail.
    let _ = writeln!(page.0, "# HELP {name} {help}\n# TYPE {name} histogram");
    for (end, count) in CLASSES.iter().zip(counts) {
        seen += count;
        let _ = writeln!(page.0, "{name}_bucket{{le=\"{}\"}} {seen}", seconds(*end));
    }
    let all: u64 = counts.iter().sum();
    let _ = writeln!(
        page.0,
        "{name}_bucket{{le=\"+Inf\"}} {all}\n{name}_sum {}\n{name}_count {all}",
        seconds(sum_ms)
    );
}

/// Formats milliseconds as seconds.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A family of metrics of links: its name, kind and help, and the number.
type LinkFamily = (&'static str, &'static str, &'static str, fn(&LinkState) -> u64);

fn links(page: &mut Numbers, shared: &Shared) {
    let states = shared.peers.as_ref().map(|peers| peers.states()).unwrap_or_default();
    let families: [LinkFamily; 9] = [
        ("link_up", "gauge", "Whether the link is up.", |state| state.connected.into()),
        ("link_connects_total", "counter", "How often the link was made.", |state| state.connects),
        ("link_messages_in_total", "counter", "Messages received.", |state| state.messages_in),
        ("link_messages_out_total", "counter", "Messages sent.", |state| state.messages_out),
        ("link_bytes_in_total", "counter", "Bytes received.", |state| state.bytes_in),
        ("link_bytes_out_total", "counter", "Bytes sent.", |state| state.bytes_out),
        ("link_dropped_total", "counter", "Messages dropped, the queue was full.", |state| state.dropped),
        (
            "link_garbage_total",
            "counter",
            "Messages left out: malformed, in another name, or over the budget.",
            |state| state.garbage,
        ),
        ("link_queued", "gauge", "Messages that wait to be sent.", |state| state.queued as u64),
    ];
    for (name, kind, help, value) in families {
        let rows: Vec<_> =
            states.iter().map(|(peer, state)| (format!("{{guardian=\"{peer}\"}}"), value(state))).collect();
        page.family(name, kind, help, &rows);
    }
}
