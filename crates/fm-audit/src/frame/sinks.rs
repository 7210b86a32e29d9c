//! What an audit of one kind of record shows of itself while it runs.

use fm_history::Finding;

use crate::error::AuditError;

/// Called with the key and value of a row, in the order of keys, one call at a time, on a worker thread.
pub type OnEveryRow<'o> = &'o (dyn Fn(&[u8], &[u8]) + Sync);

/// Where findings, records of type `R` and rows go.
pub(crate) struct Sinks<'o, R> {
    pub(crate) on_finding: &'o mut dyn FnMut(Finding),
    /// Called with every record, after its findings.
    pub(crate) on_record: &'o mut dyn FnMut(&R) -> Result<(), AuditError>,
    /// Called with every row, if all of them are read.
    pub(crate) on_row: Option<OnEveryRow<'o>>,
}
