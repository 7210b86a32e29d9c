//! Jobs that run on all cores and whose results come back in order.
//!
//! Invariants: the number of unfinished jobs and the bytes that they hold are bounded; a caller that is
//! itself a worker of the pool helps with the work instead of waiting.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// Unfinished jobs per thread: one running and one ready.
const JOBS_PER_THREAD: usize = 2;
/// The limit of bytes in unfinished jobs; a single larger job still runs, alone.
const MAX_BYTES: usize = 64 << 20;

enum Slot<T> {
    Ready(T),
    Running(Receiver<T>),
}

/// A bounded queue of jobs.
pub(crate) struct Pipeline<T> {
    jobs: VecDeque<(usize, Slot<T>)>,
    bytes: usize,
    most_jobs: usize,
    alone: bool,
}

impl<T: Send + 'static> Pipeline<T> {
    /// Creates a queue that runs at most `threads` jobs at a time; 0 means every core.
    pub(crate) fn new(threads: usize) -> Self {
        let cores = rayon::current_num_threads();
        let most_jobs =
            if threads == 0 || threads >= cores { cores.saturating_mul(JOBS_PER_THREAD) } else { threads };
        Self { jobs: VecDeque::new(), bytes: 0, most_jobs, alone: threads == 1 }
    }

    /// Returns whether a result must be taken before another job of `bytes` is added.
    pub(crate) fn is_full(&self, bytes: usize) -> bool {
        let too_large = self.bytes.saturating_add(bytes) > MAX_BYTES;
        self.jobs.len() >= self.most_jobs || (too_large && !self.jobs.is_empty())
    }

    /// Adds a job that holds `bytes`.
    pub(crate) fn put(&mut self, bytes: usize, job: impl FnOnce() -> T + Send + 'static) {
        let slot = if self.alone {
            Slot::Ready(job())
        } else {
            let (sender, receiver) = sync_channel(1);
            rayon::spawn_fifo(move || {
                // If the queue was dropped, no caller waits for the result.
                let _ = sender.send(job());
            });
            Slot::Running(receiver)
        };
        self.bytes = self.bytes.saturating_add(bytes);
        self.jobs.push_back((bytes, slot));
    }

    /// Returns the result of the oldest job; `None` if there is no job.
    pub(crate) fn take(&mut self) -> Option<T> {
        let (bytes, slot) = self.jobs.pop_front()?;
        self.bytes -= bytes;
        match slot {
            Slot::Ready(result) => Some(result),
            Slot::Running(receiver) => Some(wait(&receiver)),
        }
    }
}

fn wait<T>(receiver: &Receiver<T>) -> T {
    let answers = "the pool aborts the process when a job panics, so every job answers";
    loop {
        match receiver.try_recv() {
            Ok(result) => return result,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return receiver.recv().expect(answers),
        }
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => {}
            Some(rayon::Yield::Idle) => std::thread::yield_now(),
            None => return receiver.recv().expect(answers),
        }
    }
}
