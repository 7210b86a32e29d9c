//! The interface to a history of any era: one audit, and the sessions that the conversion rule yields.
//!
//! Invariant: a caller of this module never needs to distinguish eras.

use fm_codec::Reader;
use fm_eras::block::{BlockLayout, ValueForm};
use fm_eras::hbbft::{self, EpochLayout, Table, module_of_key};
use fm_eras::{Layout, session};
use fm_history::Code;
use fm_rows::Row;

use crate::control::Control;
use crate::epochs::{self, AuditedEpoch, EpochOptions, each_epoch};
use crate::error::AuditError;
use crate::frame::{ProvenPrefix, Sinks};
use crate::observer::Observer;
use crate::old_session::OldSession;
use crate::outcome::HistoryAudit;
use crate::request::Request;
use crate::scope::Scope;
use crate::sessions::{self, AuditedBlock, BlockOptions, each_block};
use crate::source::Origin;

/// Audits a history of any era.
///
/// # Errors
/// If the source cannot be read, the observer stopped the audit, or the job was interrupted.
pub fn audit_history(
    origin: Origin<'_>,
    request: Request<'_>,
    control: Control<'_>,
    observer: Observer<'_>,
) -> Result<HistoryAudit, AuditError> {
    let Observer { on_finding, mut on_session, on_row } = observer;
    let mut pass_on = |session: OldSession<'_>| on_session.as_mut().map_or(Ok(()), |on| on(session));
    match origin.layout {
        Layout::Hbbft(layout) => {
            let on_record = &mut |audited: &AuditedEpoch| pass_on(OldSession::of_epoch(audited));
            epochs::audit(origin, layout, request, control, Sinks { on_finding, on_record, on_row })
        }
        Layout::Blocks(layout) => {
            let on_record = &mut |audited: &AuditedBlock| pass_on(OldSession::of_block(audited));
            sessions::audit(origin, layout, request, control, Sinks { on_finding, on_record, on_row })
        }
    }
}

/// Applies the conversion rule to a history, without verifying anything.
///
/// # Errors
/// If the source cannot be read, `on_session` fails, or the job was interrupted.
pub fn old_sessions<E: From<AuditError> + Send>(
    origin: Origin<'_>,
    control: Control<'_>,
    on_session: &mut dyn FnMut(OldSession<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let scope = Scope::default();
    match origin.layout {
        Layout::Hbbft(layout) => {
            let options =
                EpochOptions { layout, keys: None, shares: false, convert: true, scope, on_row: None };
            each_epoch(origin, options, control, |audited| on_session(OldSession::of_epoch(&audited)))?;
        }
        Layout::Blocks(layout) => {
            let options = BlockOptions {
                layout,
                keys: None,
                convert: true,
                tagged: layout.tagged,
                scope,
                on_row: None,
            };
            each_block(origin, options, control, |audited| on_session(OldSession::of_block(&audited)))?;
        }
    }
    Ok(())
}

/// Returns whether a conversion copies the records of this layout unchanged.
pub fn is_copied(layout: &Layout) -> bool {
    matches!(layout, Layout::Blocks(layout) if layout.is_modern())
}

/// Returns the row of the new database that carries a row of the old one; `None` if the new schema has no
/// place for it.
///
/// The history is not carried row by row: the rule creates it again, and also the transaction index unless
/// the records already have the current layout.
pub fn carried_row(key: &[u8], value: &[u8], layout: &Layout) -> Option<Row> {
    match layout {
        Layout::Hbbft(layout) => carried_hbbft_row(key, value, layout),
        Layout::Blocks(layout) if layout.is_modern() => {
            (key.first() != Some(&layout.history)).then(|| (key.to_vec(), value.to_vec()))
        }
        Layout::Blocks(layout) => carried_block_row(key, value, layout),
    }
}

fn carried_hbbft_row(key: &[u8], value: &[u8], layout: &EpochLayout) -> Option<Row> {
    match hbbft::table_of(key, layout)? {
        Table::DatabaseVersion => {
            let mut reader = Reader::new(value, layout.dialect);
            let version = reader.u64().ok()?;
            reader.finish().ok()?;
            Some((session::server_version_key(), session::number_value(version)))
        }
        Table::ModuleData => {
            let (instance, rest) = module_of_key(key, layout.dialect).ok()?;
            Some((session::module_key(instance, rest), value.to_vec()))
        }
        _ => None,
    }
}

fn carried_block_row(key: &[u8], value: &[u8], layout: &BlockLayout) -> Option<Row> {
    match layout.table_of(key)?.prefix {
        session::DATABASE_VERSION if key.len() == 1 => Some((session::server_version_key(), value.to_vec())),
        session::CLIENT_BACKUP | session::MODULE_DATA => Some((key.to_vec(), value.to_vec())),
        _ => None,
    }
}

/// Returns how many rows of a table have a place in the new database.
pub(crate) fn carried_count(layout: &Layout, table: &str, rows: u64, anchor: &ProvenPrefix) -> u64 {
    match layout {
        Layout::Hbbft(_) => match Table::ALL.into_iter().find(|known| known.name() == table) {
            Some(Table::SignedEpochOutcome) => anchor.sessions,
            Some(Table::AcceptedTransaction) => anchor.transactions,
            Some(Table::DatabaseVersion | Table::ModuleData) => rows,
            _ => 0,
        },
        Layout::Blocks(layout) => match layout.tables.iter().find(|known| known.name == table) {
            Some(known) if known.value == ValueForm::Block => anchor.sessions,
            Some(_) if layout.is_modern() => rows,
            Some(known) if Some(known.prefix) == layout.transactions => anchor.transactions,
            Some(known) => match known.prefix {
                session::DATABASE_VERSION | session::CLIENT_BACKUP | session::MODULE_DATA => rows,
                _ => 0,
            },
            None => 0,
        },
    }
}

/// Returns the key at which the rows of the old database that are carried over begin.
pub fn carried_from(layout: &Layout) -> [u8; 1] {
    // Before this key, a history that is not copied has only tables that are created again or that the new
    // schema has no place for.
    if is_copied(layout) { [0] } else { [session::DATABASE_VERSION] }
}

/// Returns the code and the noun for epochs or sessions that were migrated although no signature covers them.
pub(crate) fn unproven(layout: &Layout) -> (Code, &'static str) {
    match layout {
        Layout::Hbbft(_) => (Code::EpochUnproven, "epochs"),
        Layout::Blocks(_) => (Code::SessionUnsigned, "sessions"),
    }
}
