//! Audits of a history: one reader, verifiers on all cores, results in order, constant memory.
//!
//! Invariants: a source is only read; findings are reported in a fixed order, those of the history in the
//! order of the history; the result of an audit is a function of the source and the keys, not of the machine
//! (keys that verify almost nothing may be reported as one finding or as many).
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::atomic::AtomicBool;
//!
//! use fm_audit::{Control, HistoryKeys, Observer, Request, Silent, audit_history, open_source};
//! use fm_crypto::{ConsensusConfig, SessionKeys};
//!
//! let guardian = Path::new("../../fixtures/session-v0.5.0/peer-0");
//! let config = ConsensusConfig::parse(&std::fs::read_to_string(guardian.join("consensus.json"))?)?;
//! let keys = SessionKeys::new(&config.broadcast_public_keys)?;
//!
//! // Another thread may set it to end the audit.
//! let interrupted = AtomicBool::new(false);
//! let control = Control { progress: &Silent, interrupted: &interrupted };
//! let source = open_source(guardian, None, control)?;
//! let request = Request::everything(Some(HistoryKeys::Session(&keys)));
//! let mut findings = Vec::new();
//! let mut report = |finding| findings.push(finding);
//! let observer = Observer::of_findings(&mut report);
//! let audit = audit_history(source.history(), request, control, observer)?;
//! assert!(findings.is_empty());
//! assert_eq!(audit.chain.signed, audit.chain.records);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod control;
mod converted;
mod epochs;
mod error;
mod frame;
mod in_progress;
mod migrated;
mod observer;
mod old_session;
mod outcome;
mod pipeline;
mod report;
mod request;
mod scope;
mod sessions;
mod source;
mod source_audit;
mod stored;
mod trust_file;

pub use audit::{audit_history, carried_from, carried_row, is_copied, old_sessions};
pub use control::{Control, Progress, Silent};
pub use converted::Original;
pub use epochs::{AuditedEpoch, DecodedEpoch, EpochOptions, each_epoch};
pub use error::AuditError;
pub use frame::{Mark, OnEveryRow, ProvenPrefix, Sample, TrustedPrefix};
pub use in_progress::{OpenUnits, StoredUnits};
pub use migrated::{
    ManifestFacts, MigratedAudit, SealAudit, SourceRequest, audit_migrated, manifest, manifest_differences,
    provenance_metadata,
};
pub use observer::{Observer, OnSession};
pub use old_session::{Audited, OldSession};
pub use outcome::HistoryAudit;
pub use pipeline::{ChunkSize, Feed, run as run_pipeline};
pub use request::{HistoryKeys, Request};
pub use scope::{Attention, Extent, Scope, extent};
pub use sessions::{
    AuditedBlock, BlockOptions, CheckedSignatures, DecodedBlock, check_signatures, each_block,
    signature_findings,
};
pub use source::{
    ArchiveSource, FederationSource, KeyStanding, MANIFEST_NAME, MalformedKeys, Medium, MigratedDir,
    NumberedRecords, Origin, PENDING_KIND, PROVENANCE_NAME, ReadSeek, RowIdentity, Signers, Source,
    StateIdentity, TrustedKeys, check_archive, check_identity, check_medium, check_written,
    omission_findings, open_source, settle_log, state_identity,
};
pub use source_audit::{SourceAudit, audit_source};
pub use stored::{Stop, convert_record, read_entry, read_ruled_entry};
pub use trust_file::{TrustError, TrustFile};
