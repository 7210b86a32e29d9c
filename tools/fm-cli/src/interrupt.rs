//! Ctrl-C and SIGTERM: the job learns of it, finishes the current step, and cleans up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::{Exit, Failure};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Returns the flag that an interruption sets; a second interruption ends the process at once.
///
/// # Errors
/// If a signal handler cannot be installed.
pub fn interrupt_flag() -> Result<Arc<AtomicBool>, Failure> {
    if let Some(flag) = FLAG.get() {
        return Ok(Arc::clone(flag));
    }
    let flag = install().map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
    Ok(Arc::clone(FLAG.get_or_init(|| flag)))
}

/// Checks whether the user has interrupted.
pub(crate) fn is_interrupted() -> bool {
    FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

fn install() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(&flag))?;
        register(signal, Arc::clone(&flag))?;
    }
    // Without a handler, a file at the size limit ends the process; with one, the write fails and is
    // reported.
    register(SIGXFSZ, Arc::default())?;
    Ok(flag)
}
