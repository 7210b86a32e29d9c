//! Ctrl-C and a polite kill: the job is told, finishes what it holds, and cleans up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::{Exit, Failure};

/// A flag that is set when the user interrupts; a second time ends the process at once.
pub fn interrupt_flag() -> Result<Arc<AtomicBool>, Failure> {
    install().map_err(|error| Failure::from_error(Exit::CannotLook, &error))
}

fn install() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(&flag))?;
        register(signal, Arc::clone(&flag))?;
    }
    // Without a handler a file at its allowed size ends the process; with one the write fails and is told.
    register(SIGXFSZ, Arc::default())?;
    Ok(flag)
}
