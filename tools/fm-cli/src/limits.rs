//! Checks, before any work, that the process may have the threads and the memory that every job takes.
//!
//! RocksDB and the allocator abort if the system refuses either; the user would not learn why.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, Builder, JoinHandle};

use rustix::process::{Resource, getrlimit};

use crate::{Exit, Failure, obstacle};

/// Threads in addition to those that work on all cores: of the job, and of RocksDB, which opens tables with
/// up to 16.
const MORE_THREADS: usize = 24;
/// The address space that a job takes, most of it reserved by the allocator and never used; a node takes the
/// most.
const ADDRESSES: u64 = 9 << 28;
/// The part of it that counts as data.
const DATA: u64 = 5 << 28;
/// Additional address space for every core.
const ADDRESSES_A_CORE: u64 = 64 << 20;

/// Refuses a process that may have too few threads or too little memory.
pub(crate) fn check() -> Result<(), Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let wanted = 2 * cores + MORE_THREADS;
    for (resource, name, wanted) in [(Resource::As, "addresses", ADDRESSES), (Resource::Data, "data", DATA)] {
        let wanted = wanted + ADDRESSES_A_CORE * u64::try_from(cores).unwrap_or(1);
        let allowed = getrlimit(resource).current;
        if allowed.is_some_and(|allowed| allowed < wanted) {
            let error = io::Error::from(io::ErrorKind::OutOfMemory);
            let message =
                format!("this process may not have the {} MiB of {name} that it takes", wanted >> 20);
            return Err(refused(message, &error));
        }
    }
    Held::start(wanted)
        .map(drop)
        .map_err(|error| refused(format!("this process may not start {wanted} threads: {error}"), &error))
}

fn refused(message: String, error: &io::Error) -> Failure {
    Failure::new(Exit::CannotLook, message).or_hint(obstacle::hint_of(error))
}

/// Threads that wait until this value is dropped.
struct Held {
    threads: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Held {
    fn start(count: usize) -> io::Result<Self> {
        let mut held = Self { threads: Vec::with_capacity(count) };
        for _ in 0..count {
            let (keep, wait) = channel();
            // The thread ends when the sender is dropped, which `recv` reports as an error.
            let thread = Builder::new().spawn(move || {
                let _ = wait.recv();
            })?;
            held.threads.push((keep, thread));
        }
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (keep, thread) in self.threads.drain(..) {
            drop(keep);
            // The thread returns nothing.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_limits_has_enough() {
        check().unwrap();
    }
}
