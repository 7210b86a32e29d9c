//! One thread that runs a member's tasks until none of them can go on.
//!
//! A member waits for messages between its tasks, for the network, and for timers that make it ask others again. The
//! network is silent and nothing follows from asking, so when only those two could wake a task, all is ordered.

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
            // Nobody waits for it any more: then nobody needs to know.
            let _ = done.send(());
        }));
        wait.map(|result| result.map_err(drop)).boxed()
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs all tasks, and those that they add, until none can go on; then drops them.
    pub(crate) fn run(&self) {
        let mut pool = LocalPool::new();
        loop {
            let tasks = self.take();
            if tasks.is_empty() {
                return;
            }
            for task in tasks {
                // The pool lives here, so it takes every task.
                drop(pool.spawner().spawn_local(task));
            }
            pool.run_until_stalled();
        }
    }
}
