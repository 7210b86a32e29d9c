//! The records beside the history: read once, and shown to everyone who needs the rows.

use fm_rows::{OnRow, each_row};

use super::sinks::OnEveryRow;
use crate::control::Control;
use crate::error::AuditError;
use crate::source::Origin;

/// Reads the rows from `from` up to `to`, ahead of the caller, and calls both observers with each.
///
/// # Errors
/// If the source cannot be read, or the job was interrupted.
pub(crate) fn other_records(
    origin: Origin<'_>,
    (from, to): (&[u8], Option<&[u8]>),
    control: Control<'_>,
    on_row: Option<OnEveryRow<'_>>,
    on_record: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), AuditError> {
    control.progress.begin("other records", "records", None);
    each_row(
        |on: OnRow<'_>| origin.rows.visit(from, to, on),
        |source| origin.unreadable(source),
        |key, value| {
            control.check()?;
            control.progress.advance(1);
            if let Some(on_row) = on_row {
                on_row(key, value);
            }
            on_record(key, value);
            Ok(())
        },
    )?;
    control.progress.end();
    Ok(())
}
