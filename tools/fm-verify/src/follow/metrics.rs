//! What a follower says to Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use fm_cli::{Exit, Failure, warn};
use fm_client::wait_for;
use fm_history::{PeerId, Severity};
use fm_rpc::{Limits, Page, Request, RpcError, Service, Turn};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::net::TcpListener;

use super::state::State;

#[derive(Default)]
pub(super) struct Metrics(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    sessions: u64,
    items: u64,
    errors: u64,
    warnings: u64,
    infos: u64,
    /// When the last session was audited, in seconds since 1970.
    last: u64,
    guardians: BTreeMap<PeerId, Option<u64>>,
}

impl Metrics {
    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, severity: Severity) {
        let mut numbers = self.numbers();
        match severity {
            Severity::Error => numbers.errors += 1,
            Severity::Warning => numbers.warnings += 1,
            Severity::Info => numbers.infos += 1,
        }
    }

    pub(super) fn note(&self, state: &State, guardians: &BTreeMap<PeerId, Option<u64>>) {
        let mut numbers = self.numbers();
        if numbers.sessions != state.sessions {
            numbers.last = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        }
        (numbers.sessions, numbers.items) = (state.sessions, state.items);
        numbers.guardians.clone_from(guardians);
    }

    /// Returns the number of errors and of warnings.
    pub(super) fn findings(&self) -> (u64, u64) {
        let numbers = self.numbers();
        (numbers.errors, numbers.warnings)
    }

    fn text(&self) -> String {
        let numbers = self.numbers();
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, lines: &[(String, u64)]| {
            // Text in memory takes everything.
            let _ = writeln!(text, "# HELP fm_verify_{name} {help}\n# TYPE fm_verify_{name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(text, "fm_verify_{name}{labels} {value}");
            }
        };
        let one = |value: u64| vec![(String::new(), value)];
        metric("sessions", "gauge", "Sessions that were audited.", &one(numbers.sessions));
        metric("items", "gauge", "Items in them.", &one(numbers.items));
        metric("last_session_seconds", "gauge", "When a session was last audited.", &one(numbers.last));
        let findings = [("error", numbers.errors), ("warning", numbers.warnings), ("info", numbers.infos)];
        let findings = findings.map(|(severity, count)| (format!("{{severity=\"{severity}\"}}"), count));
        metric("findings_total", "counter", "Findings of this run.", &findings);
        let of = |value: &dyn Fn(Option<u64>) -> Option<u64>| -> Vec<(String, u64)> {
            let line = |(peer, count): (&PeerId, &Option<u64>)| {
                Some((format!("{{guardian=\"{peer}\"}}"), value(*count)?))
            };
            numbers.guardians.iter().filter_map(line).collect()
        };
        let sessions = of(&|count| count);
        metric("guardian_sessions", "gauge", "Sessions that a guardian says it has finished.", &sessions);
        let up = of(&|count| Some(u64::from(count.is_some())));
        metric("guardian_up", "gauge", "Whether a guardian answers.", &up);
        text
    }
}

/// Serves the metrics until the program ends.
pub(super) fn serve(address: SocketAddr, metrics: Arc<Metrics>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("cannot serve metrics at {address}: {error}"))
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let serving = move || {
        let served = wait_for(async move {
            fm_rpc::serve(TcpListener::from_std(listener)?, Arc::new(Pages(metrics)), Limits::default())
                .await;
            Ok::<(), std::io::Error>(())
        });
        if let Err(error) = served.and_then(|served| served) {
            warn("fm-verify", &format!("metrics are no longer served: {error}"));
        }
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(serving).map(drop).map_err(failed)
}

struct Pages(Arc<Metrics>);

impl Service for Pages {
    fn call<'a>(self: Arc<Self>, _: Request, _: &'a mut Turn) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async { Err(RpcError::new(RpcError::NO_METHOD, "there are metrics alone")) })
    }

    fn page(&self, path: &str) -> Option<Page> {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        (path == "/metrics").then(|| Page { kind, text: self.0.text() })
    }
}
