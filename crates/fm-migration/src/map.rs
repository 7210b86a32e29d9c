//! The epoch map: where each part of the old history is in the new one, and why the other parts are not
//! carried over.

use fm_audit::{AuditError, Control, OldSession, Origin, carried_row, is_copied, old_sessions};
use fm_eras::block::{BlockLayout, ValueForm};
use fm_eras::hbbft::{self, EpochLayout, Table};
use fm_eras::{Layout, session};
use fm_history::{ConsensusItem, Hash, ITEM_VARIANT_BYTES, PeerId};
use serde::Serialize;

use crate::MigrationError;

/// One line of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MapEntry {
    /// A transaction that is in a session.
    Transaction {
        /// The epoch.
        epoch: u64,
        /// The guardian whose contribution it comes from.
        peer: PeerId,
        /// Its old id.
        old_txid: Hash,
        /// The session.
        session: u64,
        /// Its position in the session.
        item: u64,
        /// Its new id.
        txid: Hash,
    },
    /// An item of a module that is in a session.
    ModuleItem {
        /// The epoch.
        epoch: u64,
        /// The guardian whose contribution it comes from.
        peer: PeerId,
        /// The module instance.
        module: u16,
        /// The session.
        session: u64,
        /// Its position in the session.
        item: u64,
    },
    /// An item that was not a consensus item, or that the current schema does not know: its bytes are in a
    /// session.
    OpaqueItem {
        /// The block.
        epoch: u64,
        /// The guardian whose unit it comes from.
        peer: PeerId,
        /// The session.
        session: u64,
        /// Its position in the session.
        item: u64,
    },
    /// An item that is in no session.
    NotCarried {
        /// The epoch.
        epoch: u64,
        /// The guardian whose contribution it was in.
        peer: PeerId,
        /// Its position in that contribution.
        position: u64,
        /// Why.
        reason: &'static str,
        /// Its old id, if it is a transaction.
        #[serde(skip_serializing_if = "Option::is_none")]
        old_txid: Option<Hash>,
    },
    /// A record outside the history that is not in the new database.
    RecordNotCarried {
        /// The table.
        table: &'static str,
        /// Its key, in hex; for a download token only the prefix.
        key: String,
        /// Why.
        reason: &'static str,
    },
    /// An epoch after the last converted one.
    EpochNotCarried {
        /// The epoch.
        epoch: u64,
        /// Why.
        reason: &'static str,
    },
}

/// Calls `on_entry` with every line of the map: the epochs in order, then the records outside the history
/// that are not carried over.
///
/// # Errors
/// If the layout hides its items, the history is copied unchanged, the source cannot be read, `on_entry`
/// fails, or the job was interrupted.
pub fn map<E: From<AuditError> + From<MigrationError> + Send>(
    origin: Origin<'_>,
    last: u64,
    control: Control<'_>,
    on_entry: &mut dyn FnMut(MapEntry) -> Result<(), E>,
) -> Result<(), E> {
    let layout = origin.layout;
    match layout {
        Layout::Hbbft(layout) if !layout.is_framed() => {
            return Err(MigrationError::Opaque { layout: layout.name() }.into());
        }
        _ if is_copied(&layout) => return Err(MigrationError::NothingMoved.into()),
        _ => {}
    }
    control.progress.begin("epochs", "epochs", None);
    old_sessions(origin, control, &mut |old| {
        if old.index > last {
            let reason = "past the last converted epoch";
            return on_entry(MapEntry::EpochNotCarried { epoch: old.index, reason });
        }
        entries(&old).into_iter().try_for_each(&mut *on_entry)
    })?;
    control.progress.end();
    for row in origin.rows.scan_range(&[], None) {
        let (key, value) = row.map_err(|source| origin.unreadable(source))?;
        control.check()?;
        if let Some(entry) = record_entry(&key, &value, &layout) {
            on_entry(entry)?;
        }
    }
    Ok(())
}

/// Returns the line of a record outside the history, if the record has no place in the new database.
fn record_entry(key: &[u8], value: &[u8], layout: &Layout) -> Option<MapEntry> {
    if carried_row(key, value, layout).is_some() {
        return None;
    }
    let (table, reason) = match layout {
        Layout::Hbbft(layout) => hbbft_reason(key, layout)?,
        Layout::Blocks(layout) => block_reason(key, layout)?,
    };
    // A download token lets its owner join, so it is counted but not shown.
    let shown = if table == Table::ClientConfigDownload.name() { &key[..1] } else { key };
    Some(MapEntry::RecordNotCarried { table, key: hex::encode(shown), reason })
}

/// Returns the table of a record that is not carried over, and the reason; `None` for records that the rule
/// creates again.
fn hbbft_reason(key: &[u8], layout: &EpochLayout) -> Option<(&'static str, &'static str)> {
    let table = hbbft::table_of(key, layout);
    let reason = match table {
        Some(Table::SignedEpochOutcome | Table::AcceptedTransaction) => return None,
        Some(Table::ClientBackup) => "its key has lost the parity that a modern one needs",
        Some(_) => "no modern counterpart",
        None => "no table of this era",
    };
    Some((table.map_or("unknown", Table::name), reason))
}

/// Returns the same as [`hbbft_reason`], for blocks.
fn block_reason(key: &[u8], layout: &BlockLayout) -> Option<(&'static str, &'static str)> {
    let Some(table) = layout.table_of(key) else { return Some(("unknown", "no table of this era")) };
    let reason = match table.value {
        ValueForm::Block => return None,
        ValueForm::ModuleIds if table.prefix == session::ACCEPTED_TRANSACTION => return None,
        ValueForm::AcceptedItem | ValueForm::Nothing => "of the open session, which nobody has signed",
        ValueForm::ByteString => "units of the open session, which no later version reads",
        _ => "no modern counterpart",
    };
    Some((table.name, reason))
}

fn entries(old: &OldSession<'_>) -> Vec<MapEntry> {
    let epoch = old.index;
    let Some(converted) = old.converted else {
        return vec![MapEntry::EpochNotCarried { epoch, reason: "the record does not decode" }];
    };
    let carried = converted.transactions.iter().map(|transaction| MapEntry::Transaction {
        epoch,
        peer: transaction.peer,
        old_txid: transaction.old_txid,
        session: epoch,
        item: transaction.item,
        txid: transaction.txid,
    });
    let items = converted.outcome.items.iter().zip(0..);
    let modules = items.filter_map(|(accepted, item)| match &accepted.item {
        ConsensusItem::Module(value) => {
            let (peer, module) = (accepted.peer, value.instance);
            Some(MapEntry::ModuleItem { epoch, peer, module, session: epoch, item })
        }
        ConsensusItem::Default { variant: ITEM_VARIANT_BYTES, .. } => {
            Some(MapEntry::OpaqueItem { epoch, peer: accepted.peer, session: epoch, item })
        }
        _ => None,
    });
    let dropped = converted.dropped.iter().map(|dropped| MapEntry::NotCarried {
        epoch,
        peer: dropped.peer,
        position: dropped.item,
        reason: dropped.reason.as_str(),
        old_txid: dropped.txid,
    });
    carried.chain(modules).chain(dropped).collect()
}
