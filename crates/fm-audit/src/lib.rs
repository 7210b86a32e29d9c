//! Proving a history: one reader, verifiers on all cores, results in order, flat memory.
//!
//! Invariants: a source is only read; findings come in one order, those of the history in its own; the answer of an audit is
//! a function of the source and the keys, not of the machine (keys that verify next to nothing may be told as one
//! finding or as many).

mod ambiguity;
mod archive_check;
mod blocks;
mod carried;
mod checkpoint_log;
mod control;
mod converted;
mod directory;
mod epochs;
mod error;
mod hbbft;
mod history;
mod identity;
mod key_samples;
mod manifest;
mod medium;
mod migrated;
mod pipeline;
mod sample;
mod scope;
mod seal;
mod session_index;
mod session_root;
mod session_scheme;
mod session_signatures;
mod sessions;
mod shares;
mod signers;
mod source;
mod stored;
mod transactions;
mod trust;
mod trust_file;
mod unit_sessions;
mod unknown;

pub use archive_check::{check_archive, check_medium, check_written};
pub use blocks::{AuditedBlock, BlockOptions, DecodedBlock, blocks};
pub use checkpoint_log::settle_log;
pub use control::{Control, Progress, Silent};
pub use converted::Original;
pub use directory::omission_findings;
pub use epochs::{AuditedEpoch, DecodedEpoch, EpochOptions, EpochStream, StrayKeys, epochs};
pub use error::AuditError;
pub use hbbft::{HbbftOptions, audit_hbbft};
pub use history::{
    Anchor, Audited, HistoryAudit, HistoryKeys, HistoryOptions, OldSession, audit_history, carried_from,
    carried_row, is_copied, old_sessions,
};
pub use identity::{Identity, identity};
pub use manifest::{ManifestFacts, manifest, manifest_differences, provenance_metadata};
pub use medium::{Medium, ReadSeek};
pub use migrated::{MigratedAudit, MigratedOptions, audit_migrated, audit_migrated_sessions};
pub use pipeline::{ChunkSize, Feed, run as run_pipeline};
pub use sample::Sample;
pub use scope::{Attention, Extent, Scope, extent};
pub use seal::SealAudit;
pub use session_signatures::{CheckedSignatures, check_signatures, signature_findings};
pub use sessions::{OnEveryRow, SessionAudit, SessionOptions, audit_sessions};
pub use signers::{KeyStanding, Signers, TrustedKeys};
pub use source::{
    ArchiveSource, DATABASE_NAME, MANIFEST_NAME, MigratedDir, PENDING_KIND, PROVENANCE_NAME, Source,
    check_identity, open_source,
};
pub use stored::{NumberedRecords, Stop, StoredHistory, convert_record, read_entry, read_ruled_entry};
pub use trust::{Mark, TrustedPrefix};
pub use trust_file::{TrustError, TrustFile};
