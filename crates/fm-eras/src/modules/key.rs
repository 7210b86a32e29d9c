//! Takes keys of module space apart: the server's part, and the table.

use fm_codec::{Dialect, Reader, Writer};

use crate::session::MODULE_DATA;

/// A key of module space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleKey<'k> {
    /// The module's instance.
    pub module: u16,
    /// The table: the first byte of the module's own key; `None` if that key is empty.
    pub table: Option<u8>,
    /// Bytes of the prefix: up to and including the table.
    pub prefix: &'k [u8],
    /// The module's own key.
    pub rest: &'k [u8],
}

impl<'k> ModuleKey<'k> {
    /// Takes a key apart; returns `None` if it belongs to no module, or ends inside the module's number.
    pub fn of(key: &'k [u8], dialect: Dialect) -> Option<Self> {
        let mut reader = Reader::new(key, dialect);
        if reader.u8().ok()? != MODULE_DATA {
            return None;
        }
        let module = reader.u16().ok()?;
        let (head, rest) = key.split_at(reader.position());
        let table = rest.first().copied();
        Some(Self { module, table, prefix: &key[..head.len() + usize::from(table.is_some())], rest })
    }

    /// Returns the key of a module's row.
    pub fn bytes(module: u16, rest: &[u8], dialect: Dialect) -> Vec<u8> {
        let mut writer = Writer::new(dialect);
        writer.u8(MODULE_DATA);
        writer.u16(module);
        writer.raw(rest);
        writer.into_bytes()
    }
}
