//! Audits of a history: one reader, verifiers on all cores, results in order, constant memory.
//!
//! Invariants: a source is only read; findings are reported in a fixed order, those of the history in the
//! order of the history; the result of an audit is a function of the source and the keys, not of the machine
//! (keys that verify almost nothing may be reported as one finding or as many).

mod audit;
mod control;
mod converted;
mod epochs;
mod error;
mod frame;
mod migrated;
mod observer;
mod outcome;
mod pipeline;
mod report;
mod scope;
mod sessions;
mod source;
mod stored;
mod trust_file;

pub use audit::{
    Audited, HistoryKeys, OldSession, Request, audit_history, carried_from, carried_row, is_copied,
    old_sessions,
};
pub use control::{Control, Progress, Silent};
pub use converted::Original;
pub use epochs::{AuditedEpoch, DecodedEpoch, EpochOptions, each_epoch};
pub use error::AuditError;
pub use frame::{Mark, Sample, TrustedPrefix};
pub use migrated::{
    ManifestFacts, MigratedAudit, MigratedRequest, SealAudit, audit_migrated, manifest, manifest_differences,
    provenance_metadata,
};
pub use observer::{Observer, OnEveryRow, OnSession};
pub use outcome::{HistoryAudit, ProvenPrefix};
pub use pipeline::{ChunkSize, Feed, run as run_pipeline};
pub use scope::{Attention, Extent, Scope, extent};
pub use sessions::{
    AuditedBlock, BlockOptions, CheckedSignatures, DecodedBlock, check_signatures, each_block,
    signature_findings,
};
pub use source::{
    ArchiveSource, Identity, KeyStanding, MANIFEST_NAME, MalformedKeys, Medium, MigratedDir, NumberedRecords,
    Origin, PENDING_KIND, PROVENANCE_NAME, ReadSeek, RowIdentity, Signers, Source, TrustedKeys,
    check_archive, check_identity, check_medium, check_written, identity, omission_findings, open_source,
    settle_log,
};
pub use stored::{Stop, convert_record, read_entry, read_ruled_entry};
pub use trust_file::{TrustError, TrustFile};
