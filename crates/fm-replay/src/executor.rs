//! One thread that runs a member's tasks until none of them can continue.
//!
//! A member waits for messages between its tasks, for the network, and for timers that make it ask others
//! again. The network is silent and asking has no effect. So if only those two could wake a task, everything
//! is ordered.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::LocalPool;
use futures::future::BoxFuture;
use futures::task::LocalSpawnExt;

/// Tasks that wait to be started.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Tasks {
    /// Adds a task.
    pub(crate) fn push(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task.boxed());
    }

    /// Adds a task that can be waited for.
    pub(crate) fn push_essential(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), ()>> {
        let (done, wait) = oneshot::channel();
        self.push(task.map(|()| {
            // The receiver may be gone; then the result is not needed.
            let _ = done.send(());
        }));
        wait.map(|result| result.map_err(drop)).boxed()
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs all tasks, and those that they add, until no task can continue; then drops them.
    pub(crate) fn run(&self) {
        let mut pool = LocalPool::new();
        loop {
            let tasks = self.take();
            if tasks.is_empty() {
                return;
            }
            for task in tasks {
                // The pool lives here, so it accepts every task.
                drop(pool.spawner().spawn_local(task));
            }
            pool.run_until_stalled();
        }
    }
}
