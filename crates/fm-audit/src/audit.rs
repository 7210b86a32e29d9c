//! A history of any era, as the jobs see it: one audit, and sessions by the conversion rule.
//!
//! Invariant: whoever asks here never asks for an era again.

use fm_codec::Reader;
use fm_crypto::{EpochKeys, SessionKeys};
use fm_eras::block::{BlockLayout, ValueForm};
use fm_eras::hbbft::{self, Layout, Table, module_of_key};
use fm_eras::{Detected, session};
use fm_history::{ChainSummary, Code, ConvertedSession, Finding, Hash};
use fm_rows::Row;

use crate::control::Control;
use crate::epochs::{AuditedEpoch, EpochOptions, HbbftOptions, audit_hbbft, epochs};
use crate::error::AuditError;
use crate::outcome::{Anchor, HistoryAudit};
use crate::scope::Scope;
use crate::sessions::{AuditedBlock, BlockOptions, OnEveryRow, SessionOptions, audit_sessions, blocks};
use crate::source::EpochStream;

/// The keys that a history is signed with.
#[derive(Clone, Copy)]
pub enum HistoryKeys<'a> {
    /// Threshold keys of epochs.
    Epoch(&'a EpochKeys),
    /// Keys of the guardians that sign blocks and sessions.
    Session(&'a SessionKeys),
}

/// What an audit does beyond following the history.
#[derive(Clone, Copy)]
pub struct HistoryOptions<'a> {
    /// Layout of the records.
    pub layout: Detected,
    /// Keys to check signatures with. Those of another era check nothing.
    pub keys: Option<HistoryKeys<'a>>,
    /// Combine the shares in epochs anew.
    pub shares: bool,
    /// The last epoch or session that the history root covers; the last one that is proven if none.
    pub until: Option<u64>,
    /// Check the records beside the history and the index of transactions, if all of the history is looked at.
    pub side_records: bool,
    /// Shown every row once, in the order of keys, if the layout is one of blocks or sessions and all rows are looked at.
    pub on_row: Option<OnEveryRow<'a>>,
    /// Which part of the history, and which of its signatures.
    pub scope: Scope<'a>,
}

/// An epoch or session of the old history.
pub struct OldSession<'a> {
    /// Its number.
    pub index: u64,
    /// Hash of its content, as in [`Anchor::last_hash`].
    pub hash: Hash,
    /// What the rule makes of it; none if it does not decode or its layout hides the content.
    pub converted: Option<&'a ConvertedSession>,
    /// The record and what was found out about it.
    pub audited: Audited<'a>,
}

/// An epoch, or a block or session, as it left the pipeline.
#[derive(Clone, Copy)]
pub enum Audited<'a> {
    /// An epoch.
    Epoch(&'a AuditedEpoch),
    /// A block or session.
    Block(&'a AuditedBlock),
}

impl<'a> OldSession<'a> {
    fn of_epoch(audited: &'a AuditedEpoch) -> Self {
        let decoded = audited.decoded.as_ref().ok();
        Self {
            index: audited.key,
            hash: decoded.map_or_else(Hash::default, |decoded| decoded.facts.computed_hash),
            converted: decoded.and_then(|decoded| decoded.converted.as_ref()),
            audited: Audited::Epoch(audited),
        }
    }

    fn of_block(audited: &'a AuditedBlock) -> Self {
        let decoded = audited.decoded.as_ref().ok();
        Self {
            index: audited.key,
            hash: decoded.map_or_else(Hash::default, |decoded| decoded.leaf.header.root),
            converted: decoded.and_then(|decoded| decoded.converted.as_ref()),
            audited: Audited::Block(audited),
        }
    }
}

/// Audits a history of any era; `on_session` sees every epoch or session after its findings were reported.
pub fn audit_history(
    stream: EpochStream<'_>,
    options: HistoryOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
    on_session: &mut dyn FnMut(OldSession<'_>) -> Result<(), AuditError>,
) -> Result<HistoryAudit, AuditError> {
    let HistoryOptions { shares, until, side_records, scope, on_row, .. } = options;
    match options.layout {
        Detected::Hbbft(layout) => {
            let keys = match options.keys {
                Some(HistoryKeys::Epoch(keys)) => Some(keys),
                _ => None,
            };
            let options = HbbftOptions { layout, keys, shares, until, side_records, scope };
            audit_hbbft(stream, options, control, on_finding, &mut |audited| {
                on_session(OldSession::of_epoch(audited))
            })
        }
        Detected::Blocks(layout) => {
            let keys = match options.keys {
                Some(HistoryKeys::Session(keys)) => Some(keys),
                _ => None,
            };
            let options = SessionOptions { layout, keys, until, side_records, on_row, scope };
            let audit = audit_sessions(stream, options, control, on_finding, &mut |audited| {
                on_session(OldSession::of_block(audited))
            })?;
            Ok(HistoryAudit {
                chain: ChainSummary {
                    epochs: audit.sessions,
                    signed: audit.signed,
                    unproven: audit.unsigned,
                    unchecked: audit.unchecked,
                    last: audit.last,
                    last_signed: audit.last_signed,
                    ..ChainSummary::default()
                },
                anchor: audit.anchor,
                layout: audit.untagged.map(Detected::Blocks),
                by_signers: audit.by_signers,
                pending: audit.pending,
                rows: audit.rows,
                trusted: audit.trusted,
                prefix: audit.prefix,
                errors: audit.errors,
                warnings: audit.warnings,
            })
        }
    }
}

/// Applies the rule to a history; nothing is verified.
pub fn old_sessions(
    stream: EpochStream<'_>,
    layout: Detected,
    control: Control<'_>,
    on_session: &mut dyn FnMut(OldSession<'_>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let scope = Scope::default();
    match layout {
        Detected::Hbbft(layout) => {
            let options = EpochOptions { layout, keys: None, shares: false, convert: true, scope };
            epochs(stream, options, control, |audited| on_session(OldSession::of_epoch(&audited)))?;
        }
        Detected::Blocks(layout) => {
            let options = BlockOptions {
                layout,
                keys: None,
                convert: true,
                tagged: layout.tagged,
                scope,
                on_row: None,
            };
            blocks(stream, options, control, |audited| on_session(OldSession::of_block(&audited)))?;
        }
    }
    Ok(())
}

/// Whether a conversion copies the records of this layout as they are.
pub fn is_copied(layout: &Detected) -> bool {
    matches!(layout, Detected::Blocks(layout) if layout.is_modern())
}

/// The row of the new database that carries a row of the old one; none if it has no modern place.
///
/// The history is not carried row by row: the rule makes it anew, and the index of transactions with it unless the
/// records are those of today.
pub fn carried_row(key: &[u8], value: &[u8], layout: &Detected) -> Option<Row> {
    match layout {
        Detected::Hbbft(layout) => carried_hbbft_row(key, value, layout),
        Detected::Blocks(layout) if layout.is_modern() => {
            (key.first() != Some(&layout.history)).then(|| (key.to_vec(), value.to_vec()))
        }
        Detected::Blocks(layout) => carried_block_row(key, value, layout),
    }
}

fn carried_hbbft_row(key: &[u8], value: &[u8], layout: &Layout) -> Option<Row> {
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

/// How many rows of a table have a place in the new database.
pub(crate) fn carried_count(layout: &Detected, table: &str, rows: u64, anchor: &Anchor) -> u64 {
    match layout {
        Detected::Hbbft(_) => match Table::ALL.into_iter().find(|known| known.name() == table) {
            Some(Table::SignedEpochOutcome) => anchor.sessions,
            Some(Table::AcceptedTransaction) => anchor.transactions,
            Some(Table::DatabaseVersion | Table::ModuleData) => rows,
            _ => 0,
        },
        Detected::Blocks(layout) => match layout.tables.iter().find(|known| known.name == table) {
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

/// Where the rows of the old database that are carried over begin.
pub fn carried_from(layout: &Detected) -> [u8; 1] {
    // Before that a history that is not copied has only tables that are made anew or have no modern place.
    if is_copied(layout) { [0] } else { [session::DATABASE_VERSION] }
}

/// The code and words for an epoch or session that was migrated although nothing signs it.
pub(crate) fn unproven(layout: &Detected) -> (Code, &'static str) {
    match layout {
        Detected::Hbbft(_) => (Code::EpochUnproven, "epochs"),
        Detected::Blocks(_) => (Code::SessionUnsigned, "sessions"),
    }
}
