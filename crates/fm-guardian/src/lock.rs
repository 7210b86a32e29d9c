//! Locks whose holders do not panic halfway through a change.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. No holder of one of these locks calls code that may panic halfway through a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
