//! The identity of rows, whatever holds them: SHA-256 of the record stream that an archive of them would have.

use fm_history::Hash;
use sha2::{Digest, Sha256};

use crate::{AuditError, Control, EpochStream};

/// The identity of rows that are given one by one.
#[derive(Clone, Default)]
pub struct Identity(Sha256);

impl Identity {
    /// Takes the next row.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            // The length alone is written anew: values are hashed where they are.
            let mut length = fm_codec::Writer::new(fm_codec::Dialect::MODERN);
            length.u64(part.len() as u64);
            self.0.update(length.as_bytes());
            self.0.update(part);
        }
    }

    /// The identity of all of them.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// Reads all rows and gives their identity.
///
/// # Errors
/// If they cannot be read, or the job was interrupted.
pub fn identity(stream: EpochStream<'_>, control: Control<'_>) -> Result<Hash, AuditError> {
    let mut identity = Identity::default();
    control.progress.begin("reading back", "records", None);
    for row in stream.rows.scan_range(&[], None) {
        let (key, value) = row.map_err(|source| AuditError::rows(stream.path, source))?;
        identity.push(&key, &value);
        control.check()?;
        control.progress.advance(1);
    }
    control.progress.end();
    Ok(identity.finish())
}
