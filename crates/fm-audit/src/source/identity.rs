//! The identity of rows, regardless of where they are stored: the SHA-256 of the record stream that an
//! archive of them would have.

use std::path::Path;
use std::sync::Mutex;

use fm_codec::{Dialect, Writer};
use fm_history::Hash;
use fm_rows::RowSource;
use sha2::{Digest, Sha256};

use crate::control::Control;
use crate::error::AuditError;

/// The number of bytes that are collected and hashed at a time. What does not fit is hashed in place.
const PIECE: usize = 64 << 10;

/// The identity of rows that are passed one by one.
#[derive(Clone)]
pub struct StateIdentity {
    hash: Sha256,
    /// The end of the stream so far, not hashed yet.
    piece: Writer,
}

impl Default for StateIdentity {
    fn default() -> Self {
        Self { hash: Sha256::new(), piece: Writer::new(Dialect::MODERN) }
    }
}

impl StateIdentity {
    /// Takes the next row.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            self.piece.count(part.len());
            if self.piece.as_bytes().len() + part.len() <= PIECE {
                self.piece.raw(part);
                continue;
            }
            self.hash.update(self.piece.as_bytes());
            self.hash.update(part);
            self.piece.clear();
        }
    }

    /// Returns the identity of all rows.
    pub fn finish(self) -> Hash {
        Hash(self.hash.chain_update(self.piece.as_bytes()).finalize().into())
    }
}

/// The identity of rows that an audit passes to an observer, in key order, one at a time.
#[derive(Default)]
pub struct RowIdentity(Mutex<StateIdentity>);

impl RowIdentity {
    /// Takes the next row.
    pub fn see(&self, key: &[u8], value: &[u8]) {
        if let Ok(mut identity) = self.0.lock() {
            identity.push(key, value);
        }
    }

    /// Returns the identity of all rows; `None` if a thread that read them panicked.
    pub fn finish(self) -> Option<Hash> {
        self.0.into_inner().ok().map(StateIdentity::finish)
    }
}

/// Reads all rows and returns their identity; `path` names them in errors.
///
/// # Errors
/// If they cannot be read, or the job was interrupted.
pub fn state_identity(rows: &dyn RowSource, path: &Path, control: Control<'_>) -> Result<Hash, AuditError> {
    let mut identity = StateIdentity::default();
    control.progress.begin("reading back", "records", None);
    for row in rows.scan_range(&[], None) {
        let (key, value) = row.map_err(|source| AuditError::rows(path, source))?;
        identity.push(&key, &value);
        control.check()?;
        control.progress.advance(1);
    }
    control.progress.end();
    Ok(identity.finish())
}
