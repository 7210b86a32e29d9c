//! Proving a history: one reader, verifiers on all cores, results in order, flat memory.
//!
//! Invariants: a source is only read; findings come in the order of the history; the answer of an audit is
//! a function of the source and the keys, not of the machine.

mod control;
mod epochs;
mod error;
mod hbbft;
mod index;
mod migrated;
mod shares;
mod source;

pub use control::{Control, Progress, Silent};
pub use epochs::{AuditedEpoch, DecodedEpoch, EpochOptions, EpochStream, StrayKeys, epochs};
pub use error::AuditError;
pub use hbbft::{Anchor, HbbftAudit, HbbftOptions, audit_hbbft};
pub use migrated::{
    ManifestFacts, MigratedAudit, audit_migrated, carried_row, check_archive, manifest, manifest_differences,
};
pub use source::{
    ArchiveSource, DATABASE_NAME, MANIFEST_NAME, MigratedDir, PROVENANCE_NAME, Source, open_source,
};
