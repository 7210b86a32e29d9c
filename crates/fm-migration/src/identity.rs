//! The identity of rows, whatever holds them: SHA-256 of the record stream that an archive of them would have.

use fm_audit::{AuditError, Control, EpochStream};
use fm_history::Hash;
use sha2::{Digest, Sha256};

/// Reads all rows and gives their identity.
pub(crate) fn identity(stream: EpochStream<'_>, control: Control<'_>) -> Result<Hash, AuditError> {
    let mut hasher = Sha256::new();
    control.progress.begin("reading back", "records", None);
    for row in stream.rows.scan_range(&[], None) {
        let (key, value) = row.map_err(|source| AuditError::rows(stream.path, source))?;
        let mut record = fm_codec::Writer::new(fm_codec::Dialect::MODERN);
        record.bytes(&key);
        record.bytes(&value);
        hasher.update(record.as_bytes());
        control.check()?;
        control.progress.advance(1);
    }
    control.progress.end();
    Ok(Hash(hasher.finalize().into()))
}
