//! The rows that the accepted transactions of sessions create in the index of a server.

use fm_eras::block::{BlockLayout, decode_accepted_item};
use fm_history::{BlockContent, BlockTransaction, Place};

use super::pipeline::{BlockOptions, each_block};
use crate::control::Control;
use crate::error::AuditError;
use crate::scope::Scope;
use crate::source::Origin;

/// Calls `on` with every transaction of the finished sessions, then of the open session, as a row of the
/// index.
pub(crate) fn each_transaction(
    origin: Origin<'_>,
    layout: &'static BlockLayout,
    control: Control<'_>,
    on: &mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let scope = Scope::default();
    let options =
        BlockOptions { layout, keys: None, convert: false, tagged: layout.tagged, scope, on_row: None };
    each_block(origin, options, control, |audited| {
        audited.transactions().try_for_each(|transaction| {
            let (key, value) = index_row(layout, transaction);
            on(Place::session(audited.key), key, value)
        })
    })?;
    let Some(pending) = layout.pending else { return Ok(()) };
    for row in origin.rows.scan_prefix(pending) {
        let (key, value) = row.map_err(|source| origin.unreadable(source))?;
        control.check()?;
        if let Ok(item) = decode_accepted_item(&value, layout)
            && let BlockContent::Transaction(transaction) = &item.content
        {
            let (row, value) = index_row(layout, transaction);
            on(Place::key(&key), row, value)?;
        }
    }
    Ok(())
}

/// Returns the row that an accepted transaction creates in the index.
pub(crate) fn index_row(layout: &BlockLayout, transaction: &BlockTransaction) -> (Vec<u8>, Vec<u8>) {
    let mut key: Vec<u8> = layout.transactions.into_iter().collect();
    key.extend_from_slice(&transaction.txid.0);
    (key, transaction.output_instances(layout.dialect))
}
