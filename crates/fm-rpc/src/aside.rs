//! Runs work at low priority: computations that remote parties cause.

use std::sync::OnceLock;

use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Runtime};

/// The niceness of its threads, relative to the rest of the program and of the machine.
const YIELDING: i32 = 10;
/// The number of threads: however much work is requested, no more threads do it, in order.
const THREADS: usize = 2;

/// Runs work on one of two low-priority threads, so that ordering goes first. Returns `None` if there are no
/// such threads, or if the work panicked.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    static YIELDING_THREADS: OnceLock<Option<Runtime>> = OnceLock::new();
    let threads = YIELDING_THREADS.get_or_init(|| {
        let mut threads = Builder::new_current_thread();
        threads.max_blocking_threads(THREADS).thread_name("aside").on_thread_start(begin_to_yield);
        threads.build().ok()
    });
    threads.as_ref()?.spawn_blocking(work).await.ok()
}

/// Lowers the priority of this thread only. If that is not permitted, the work runs at normal priority.
fn begin_to_yield() {
    if getpriority_process(None).is_ok_and(|own| own < YIELDING) {
        let _ = setpriority_process(None, YIELDING);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread::sleep;
    use std::time::Duration;

    use tokio::task::spawn_blocking;

    use super::*;

    #[tokio::test]
    async fn what_is_done_aside_yields_and_nothing_else_does() {
        let own = || getpriority_process(None).unwrap();
        let before = own();
        let beside = aside(move || (own(), 7)).await;
        assert_eq!(beside, Some((YIELDING.max(before), 7)));
        assert_eq!((own(), spawn_blocking(own).await.unwrap()), (before, before));
        let panicked = aside(|| -> u8 { panic!("a fault in the work") }).await;
        assert_eq!(panicked, None);
        assert_eq!(aside(|| 8).await, Some(8), "a fault ends nothing else");
    }

    #[tokio::test]
    async fn many_are_done_by_two_threads() {
        static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
        let work = || {
            let at_once = AT_ONCE.fetch_add(1, SeqCst) + 1;
            sleep(Duration::from_millis(5));
            AT_ONCE.fetch_sub(1, SeqCst);
            at_once
        };
        let all = futures::future::join_all((0..20).map(|_| aside(work))).await;
        assert!(all.iter().all(|at_once| at_once.is_some_and(|at_once| at_once <= THREADS)), "{all:?}");
    }
}
