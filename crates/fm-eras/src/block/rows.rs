//! Rows of a layout: which table a key belongs to, and whether key and value fit it.

use fm_codec::{DecodeError, Reader, Writer};
use thiserror::Error;

use super::layout::BlockLayout;
use super::record::{decode_accepted_item, decode_block};
use super::tables::{KeyForm, TableFact, ValueForm};

/// The reason that a row does not belong to its table.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RowError {
    /// The layout has no table for the key.
    #[error("no table of this era has the prefix {}", hex::encode(prefix))]
    UnknownPrefix {
        /// First byte of the key; empty if the key is empty.
        prefix: Vec<u8>,
    },
    /// The key does not fit the table.
    #[error("key of {table}: {source}")]
    Key { table: &'static str, source: DecodeError },
    /// The value does not fit the table.
    #[error("value of {table}: {source}")]
    Value { table: &'static str, source: DecodeError },
}

impl BlockLayout {
    /// Returns the table that a key belongs to.
    pub fn table_of(&self, key: &[u8]) -> Option<&'static TableFact> {
        let prefix = *key.first()?;
        self.tables.iter().find(|table| table.prefix == prefix)
    }

    /// Decodes the whole key and value of a row strictly.
    ///
    /// # Errors
    /// Fails if the layout has no such table, or if the key or the value does not fit the table.
    pub fn check_row(&self, key: &[u8], value: &[u8]) -> Result<&'static TableFact, RowError> {
        let Some(table) = self.table_of(key) else {
            return Err(RowError::UnknownPrefix { prefix: key.iter().take(1).copied().collect() });
        };
        let name = table.name;
        self.check_key(table, key).map_err(|source| RowError::Key { table: name, source })?;
        self.check_value(table, key, value).map_err(|source| RowError::Value { table: name, source })?;
        Ok(table)
    }

    /// Returns the key of a block or session.
    pub fn history_key(&self, number: u64) -> Vec<u8> {
        let mut writer = Writer::new(self.dialect);
        writer.u8(self.history);
        writer.u64(number);
        writer.into_bytes()
    }

    /// Returns the number in the key of a block, session or pending item.
    ///
    /// # Errors
    /// Fails if the key holds anything else.
    pub fn number_of_key(&self, key: &[u8]) -> Result<u64, DecodeError> {
        let mut reader = Reader::new(key, self.dialect);
        reader.u8()?;
        let number = reader.u64()?;
        reader.finish()?;
        Ok(number)
    }

    fn check_key(&self, table: &TableFact, key: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(key, self.dialect);
        reader.u8()?;
        match table.key {
            KeyForm::Nothing => {}
            KeyForm::Number => drop(reader.u64()?),
            KeyForm::TwoNumbers => {
                reader.u64()?;
                reader.u64()?;
            }
            KeyForm::Peer => drop(reader.u16()?),
            KeyForm::Bytes(count) => drop(reader.take(count)?),
            KeyForm::Version if reader.left() == 0 => {}
            KeyForm::Version => drop(reader.u16()?),
            KeyForm::Module => {
                reader.u16()?;
                return Ok(());
            }
        }
        reader.finish()
    }

    fn check_value(&self, table: &TableFact, key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(value, self.dialect);
        match table.value {
            ValueForm::Block => return decode_block(value, self).map(drop),
            ValueForm::AcceptedItem => return decode_accepted_item(value, self).map(drop),
            ValueForm::Module if !self.is_module_version(key) => return Ok(()),
            ValueForm::Nothing => {}
            ValueForm::Number | ValueForm::Module => drop(reader.u64()?),
            ValueForm::ByteString => drop(reader.bytes()?),
            ValueForm::Bytes(count) => drop(reader.take(count)?),
            ValueForm::ModuleIds => drop(reader.list(1, Reader::u16)?),
            ValueForm::TwoTexts => {
                reader.text()?;
                reader.text()?;
            }
            ValueForm::Announcement => {
                reader.text()?;
                reader.u64()?;
                reader.take(64)?;
            }
            ValueForm::Metadata => {
                reader.bytes()?;
                reader.take(64)?;
            }
            ValueForm::Backup => {
                reader.u64()?;
                reader.u32()?;
                reader.bytes()?;
            }
        }
        reader.finish()
    }

    /// Returns whether a key of module space is a module's own database version, as it was until v0.2.
    fn is_module_version(&self, key: &[u8]) -> bool {
        let mut reader = Reader::new(key, self.dialect);
        let read = reader.u8().and_then(|_| reader.u16());
        read.is_ok() && reader.take(reader.left()) == Ok(&[0x50])
    }
}
