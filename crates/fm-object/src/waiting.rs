//! Waits for a store, for a limited time, or until the user interrupts.
//!
//! Invariant: after an interrupt, no wait for an answer lasts longer than a fraction of a second.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// Threads that carry requests; they only wait and copy.
const THREADS: usize = 2;
/// The interval at which a wait checks for an interrupt.
const LOOK: Duration = Duration::from_millis(100);

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Ends all waits for stores once `flag` is set. Only the first call has an effect.
pub fn interrupted_by(flag: Arc<AtomicBool>) {
    let _ = INTERRUPTED.set(flag);
}

/// Returns whether the user interrupted.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Returns the runtime that serves all stores of the process.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// Waits for a request, or for an interrupt.
pub(crate) fn wait<T>(request: impl Future<Output = T>) -> io::Result<T> {
    let interrupted = async {
        while !is_interrupted() {
            tokio::time::sleep(LOOK).await;
        }
    };
    runtime()?.block_on(async {
        tokio::select! {
            biased;
            answer = request => Ok(answer),
            () = interrupted => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "interrupted")),
        }
    })
}

/// Waits for cleanup after the job, interrupted or not, but no longer than this.
pub(crate) fn wait_at_most<T>(time: Duration, request: impl Future<Output = T>) -> Option<T> {
    let runtime = runtime().ok()?;
    runtime.block_on(async { tokio::time::timeout(time, request).await.ok() })
}

/// Waits for this time.
pub(crate) fn pause(time: Duration) -> io::Result<()> {
    wait(async { tokio::time::sleep(time).await })
}
