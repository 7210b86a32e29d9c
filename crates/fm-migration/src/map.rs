//! The epoch map: where everything of the old history is in the new one, and why what is nowhere is not.

use fm_audit::{AuditError, AuditedEpoch, Control, EpochOptions, EpochStream, epochs};
use fm_eras::hbbft::Layout;
use fm_history::{ConsensusItem, Hash};
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
        /// The guardian whose contribution it is from.
        peer: u16,
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
        /// The guardian whose contribution it is from.
        peer: u16,
        /// The module instance.
        module: u16,
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
        peer: u16,
        /// Its position in that contribution.
        position: u64,
        /// Why.
        reason: &'static str,
        /// Its old id, if it is a transaction.
        #[serde(skip_serializing_if = "Option::is_none")]
        old_txid: Option<Hash>,
    },
    /// An epoch behind the last one converted.
    EpochNotCarried {
        /// The epoch.
        epoch: u64,
        /// Why.
        reason: &'static str,
    },
}

/// Gives every line of the map of the epochs up to `last`, in order.
pub fn map(
    stream: EpochStream<'_>,
    layout: Layout,
    last: u64,
    control: Control<'_>,
    on_entry: &mut dyn FnMut(MapEntry) -> Result<(), AuditError>,
) -> Result<(), MigrationError> {
    if !layout.is_framed() {
        return Err(MigrationError::Opaque { layout: layout.name() });
    }
    control.progress.begin("epochs", "epochs", None);
    let options = EpochOptions { layout, keys: None, shares: false, convert: true };
    epochs(stream, options, control, |audited| {
        if audited.key > last {
            let reason = "behind the last converted epoch";
            return on_entry(MapEntry::EpochNotCarried { epoch: audited.key, reason });
        }
        entries(&audited).into_iter().try_for_each(&mut *on_entry)
    })?;
    control.progress.end();
    Ok(())
}

fn entries(audited: &AuditedEpoch) -> Vec<MapEntry> {
    let epoch = audited.key;
    let Some(converted) = audited.decoded.as_ref().ok().and_then(|decoded| decoded.converted.as_ref()) else {
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
