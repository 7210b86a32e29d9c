//! Tables as data: prefix, name, form of keys and values, and the versions that know them.

use std::fmt;
use std::str::FromStr;

use fm_codec::{DecodeError, Reader, Writer};
use thiserror::Error;

use super::layout::BlockLayout;
use super::record::{decode_accepted_item, decode_block};

/// A released version of the server: major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Reads `0.7`, `v0.7` or `0.7.2` (patches never changed a layout).
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.').map(str::parse::<u16>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), None | Some(Ok(_)), None) => Ok(Self(major, minor)),
            _ => Err(format!("{text:?} is no version like 0.7")),
        }
    }
}

/// The form of a key after its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// Nothing.
    Nothing,
    /// A 64-bit number.
    Number,
    /// Two 64-bit numbers.
    TwoNumbers,
    /// A guardian's number.
    Peer,
    /// This many bytes.
    Bytes(usize),
    /// Nothing, or a module's id (255: the server itself).
    Version,
    /// A module's id, and the module's own key.
    Module,
}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// A finished block or session.
    Block,
    /// An accepted item.
    AcceptedItem,
    /// An empty value.
    Nothing,
    /// A 64-bit number.
    Number,
    /// A byte string.
    ByteString,
    /// This many bytes.
    Bytes(usize),
    /// A list of module ids.
    ModuleIds,
    /// Two texts.
    TwoTexts,
    /// A text, a number and a Schnorr signature.
    Announcement,
    /// A byte string and a Schnorr signature.
    Metadata,
    /// A time and a byte string.
    Backup,
    /// Any bytes that the module stores.
    Module,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct TableFact {
    /// First byte of its keys.
    pub prefix: u8,
    /// Its name in reports and manifests.
    pub name: &'static str,
    /// Form of its keys.
    pub key: KeyForm,
    /// Form of its values.
    pub value: ValueForm,
    /// The first released version that knows the prefix in this meaning.
    pub since: Version,
}

/// The reason that a row does not belong to its table.
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
    Key {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The value does not fit the table.
    #[error("value of {table}: {source}")]
    Value {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
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
