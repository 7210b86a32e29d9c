//! The library's tasks, on the runtime in which this is called. Invariant: all of them end with the session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aleph_bft_0_36 as aleph;
use tokio::task::JoinSet;

#[derive(Clone, Default)]
pub(crate) struct Spawner(Arc<Mutex<JoinSet<()>>>);

impl Spawner {
    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Aborts all tasks that still run.
    pub(crate) fn abort(&self) {
        self.tasks().abort_all();
    }
}

impl aleph::SpawnHandle for Spawner {
    fn spawn(&self, _: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks().spawn(task);
    }

    fn spawn_essential(
        &self,
        _: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> aleph::TaskHandle {
        let (done, wait) = futures::channel::oneshot::channel();
        self.tasks().spawn(async move {
            task.await;
            // If nothing waits for the task any more, its end need not be reported.
            let _ = done.send(());
        });
        // A task that panicked drops its sender, which is an error.
        Box::pin(async move { wait.await.map_err(drop) })
    }
}
