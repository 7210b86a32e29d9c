//! Ctrl-C and a polite kill: the job is told, finishes what it holds, and cleans up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Exit, Failure};

/// A flag that is set when the user interrupts; a second time ends the process at once.
pub fn interrupt_flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let handler_flag = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if handler_flag.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
    // Without a handler a file at its allowed size ends the process; with one the write fails and is told.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
        .map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
    Ok(flag)
}
