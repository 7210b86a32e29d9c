//! Proving a history: one reader, verifiers on all cores, results in order, flat memory.
//!
//! Invariants: a source is only read; findings come in the order of the history; the answer of an audit is
//! a function of the source and the keys, not of the machine (keys that verify next to nothing may be told as one
//! finding or as many).

mod blocks;
mod control;
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
mod seal;
mod sessions;
mod shares;
mod source;
mod transactions;

pub use blocks::{AuditedBlock, BlockOptions, DecodedBlock, blocks};
pub use control::{Control, Progress, Silent};
pub use directory::omission_findings;
pub use epochs::{AuditedEpoch, DecodedEpoch, EpochOptions, EpochStream, StrayKeys, epochs};
pub use error::AuditError;
pub use hbbft::{HbbftOptions, audit_hbbft};
pub use history::{
    Anchor, HistoryAudit, HistoryKeys, HistoryOptions, OldSession, audit_history, carried_from, carried_row,
    is_copied, old_sessions,
};
pub use identity::{Identity, identity};
pub use manifest::{ManifestFacts, manifest, manifest_differences, provenance_metadata};
pub use medium::{Medium, ReadSeek};
pub use migrated::{MigratedAudit, audit_migrated, check_archive, check_medium};
pub use pipeline::{Feed, run as run_pipeline};
pub use seal::SealAudit;
pub use sessions::{SessionAudit, SessionOptions, audit_sessions};
pub use source::{
    ArchiveSource, DATABASE_NAME, MANIFEST_NAME, MigratedDir, PROVENANCE_NAME, Source, open_source,
};
