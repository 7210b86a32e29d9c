//! The records beside the history: strict decoding, and what the index of transactions must hold.

use fm_codec::{DecodeError, Dialect, Reader, Writer};
use fm_history::EpochTransaction;
use thiserror::Error;

use super::epoch::{MAX_ELEMENTS, read_transaction, write_transaction};
use super::layout::{EpochLayout, TableSet};
use super::tables::{Table, epoch_of_key, module_of_key, table_of};

/// An error in decoding a record beside the history.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// The layout has no table for the key.
    #[error("no table of this era has the prefix {prefix:02x}")]
    UnknownPrefix { prefix: u8 },
    /// The key is empty; no table has such a key.
    #[error("the key is empty")]
    EmptyKey,
    /// The key does not fit the table.
    #[error("key of {}: {source}", table.name())]
    Key { table: Table, source: DecodeError },
    /// The value does not fit the table.
    #[error("value of {}: {source}", table.name())]
    Value { table: Table, source: DecodeError },
}

/// Decodes a record strictly; checks only the key of a history record.
///
/// # Errors
/// Fails if the key is empty or belongs to no table of the layout, or if the key or the value does not
/// decode.
pub fn check_record(key: &[u8], value: &[u8], layout: &EpochLayout) -> Result<Table, RecordError> {
    let prefix = *key.first().ok_or(RecordError::EmptyKey)?;
    let table = table_of(key, layout).ok_or(RecordError::UnknownPrefix { prefix })?;
    check_key(table, key, layout.dialect).map_err(|source| RecordError::Key { table, source })?;
    check_value(table, key, value, layout).map_err(|source| RecordError::Value { table, source })?;
    Ok(table)
}

fn check_key(table: Table, key: &[u8], dialect: Dialect) -> Result<(), DecodeError> {
    let mut reader = Reader::new(key, dialect);
    reader.u8()?;
    match table {
        Table::AcceptedTransaction | Table::RejectedTransaction | Table::ClientBackup => {
            reader.take(32)?;
        }
        Table::ClientConfigSignatureShare | Table::DropPeer => {
            reader.u16()?;
        }
        Table::SignedEpochOutcome => return epoch_of_key(key, dialect).map(drop),
        Table::LastEpoch
        | Table::ClientConfigSignature
        | Table::ConsensusUpgrade
        | Table::DatabaseVersion => {}
        Table::ClientConfigDownload => {
            reader.take(12)?;
        }
        Table::ModuleData => return module_of_key(key, dialect).map(drop),
    }
    reader.finish()
}

fn check_value(table: Table, key: &[u8], value: &[u8], layout: &EpochLayout) -> Result<(), DecodeError> {
    let mut reader = Reader::new(value, layout.dialect).limited(MAX_ELEMENTS);
    match table {
        Table::SignedEpochOutcome => return Ok(()),
        Table::ModuleData if !is_module_version(key, layout.dialect) => return Ok(()),
        Table::AcceptedTransaction if layout.tables == TableSet::V0_1 => {
            reader.list(1, Reader::u16)?;
        }
        Table::AcceptedTransaction => {
            reader.u64()?;
            if !layout.is_framed() {
                return Ok(());
            }
            read_transaction(&mut reader)?;
        }
        Table::ClientConfigSignatureShare | Table::ClientConfigSignature => {
            reader.take(96)?;
        }
        Table::DropPeer => {}
        Table::RejectedTransaction => {
            reader.text()?;
        }
        Table::ConsensusUpgrade => {
            reader.set(1, Reader::u16)?;
        }
        Table::LastEpoch | Table::ClientConfigDownload | Table::DatabaseVersion | Table::ModuleData => {
            reader.u64()?;
        }
        Table::ClientBackup => {
            reader.u64()?;
            reader.u32()?;
            reader.bytes()?;
        }
    }
    reader.finish()
}

/// Returns whether a key of module space is a module's own database version.
fn is_module_version(key: &[u8], dialect: Dialect) -> bool {
    module_of_key(key, dialect).is_ok_and(|(_, rest)| rest == [Table::DatabaseVersion.prefix()])
}

/// Returns the number in the last-epoch pointer.
///
/// # Errors
/// Fails if the value is not exactly one number.
pub fn decode_last_epoch(value: &[u8], dialect: Dialect) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(value, dialect);
    let epoch = reader.u64()?;
    reader.finish()?;
    Ok(epoch)
}

/// Returns the row that an accepted transaction adds to the index.
pub fn index_row(transaction: &EpochTransaction, epoch: u64, layout: &EpochLayout) -> (Vec<u8>, Vec<u8>) {
    let mut key = vec![Table::AcceptedTransaction.prefix()];
    key.extend_from_slice(&transaction.txid.0);
    let mut writer = Writer::new(layout.dialect);
    match layout.tables {
        TableSet::V0_1 => {
            writer.list(transaction.outputs.iter(), |writer, output| writer.u16(output.instance));
        }
        TableSet::Early => {
            writer.u64(epoch);
            write_transaction(transaction, &mut writer);
        }
    }
    (key, writer.into_bytes())
}
