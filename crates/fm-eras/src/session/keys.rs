//! The keys and values that a conversion writes, in the current encoding.
//!
//! Source: fedimint-server 0.5.0, src/consensus/db.rs, and fedimint-core 0.5.0, src/db/mod.rs.

use fm_codec::{DecodeError, Dialect, Reader, Writer};
use fm_history::Hash;

/// Prefix of the index of accepted transactions.
pub const ACCEPTED_TRANSACTION: u8 = 0x02;
/// Prefix of the finished sessions.
pub const SIGNED_SESSION_OUTCOME: u8 = 0x04;
/// Prefix of the database versions.
pub const DATABASE_VERSION: u8 = 0x50;
/// Prefix of the encrypted backups of clients.
pub const CLIENT_BACKUP: u8 = 0x51;
/// Prefix of everything that modules store.
pub const MODULE_DATA: u8 = 0xFF;
/// The id under which the server keeps its own database version.
pub(crate) const SERVER_VERSION_ID: u16 = 255;

/// Returns the key of a session's record.
pub fn session_key(index: u64) -> Vec<u8> {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.u8(SIGNED_SESSION_OUTCOME);
    writer.u64(index);
    writer.into_bytes()
}

/// Returns the session that a key names.
///
/// # Errors
/// Fails if the key is not one byte and a number, with nothing after it.
pub fn session_of_key(key: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(key, Dialect::MODERN);
    reader.u8()?;
    let index = reader.u64()?;
    reader.finish()?;
    Ok(index)
}

/// Returns the key of a transaction in the index.
pub fn transaction_key(txid: &Hash) -> Vec<u8> {
    let mut key = vec![ACCEPTED_TRANSACTION];
    key.extend_from_slice(&txid.0);
    key
}

/// Returns the key of the server's own database version (v0.3 and later).
pub fn server_version_key() -> Vec<u8> {
    module_version_key(SERVER_VERSION_ID)
}

/// Returns the key of a module's database version (v0.3 and later).
pub fn module_version_key(instance: u16) -> Vec<u8> {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.u8(DATABASE_VERSION);
    writer.u16(instance);
    writer.into_bytes()
}

/// Returns the key of a module's record.
pub fn module_key(instance: u16, rest: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.u8(MODULE_DATA);
    writer.u16(instance);
    writer.raw(rest);
    writer.into_bytes()
}

/// Returns a number as a value.
pub fn number_value(number: u64) -> Vec<u8> {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.u64(number);
    writer.into_bytes()
}
