//! Conversion of a history to the current schema, and back: the jobs of `fm-migrate`.
//!
//! Invariants: nothing is written before the whole history is proven; a target appears under its name only
//! when it is complete, synced and read back; the source is only read.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::atomic::AtomicBool;
//!
//! use fm_audit::{Control, HistoryKeys, Silent, open_source};
//! use fm_crypto::{ConsensusConfig, SessionKeys};
//! use fm_migration::{PlanOptions, plan};
//!
//! let guardian = Path::new("../../fixtures/session-v0.5.0/peer-0");
//! let config = ConsensusConfig::parse(&std::fs::read_to_string(guardian.join("consensus.json"))?)?;
//! let keys = SessionKeys::new(&config.broadcast_public_keys)?;
//! let interrupted = AtomicBool::new(false);
//! let control = Control { progress: &Silent, interrupted: &interrupted };
//! let source = open_source(guardian, None, control)?;
//! let options = PlanOptions {
//!     keys: HistoryKeys::Session(&keys),
//!     until: None,
//!     omissions: &source.lacks(),
//!     accept_incomplete: false,
//!     target_version: None,
//!     kinds: &config.modules,
//! };
//! // Decides what a conversion would carry over; nothing is written.
//! let plan = plan(source.original(), options, control, &mut |finding| println!("{finding}"))?;
//! assert_eq!(plan.anchor.last, plan.last_stored);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attest;
mod attestation;
mod convert;
mod error;
mod map;
mod on_start;
mod pending;
mod pieces;
mod plan;
mod revert;
mod seal;
mod seal_error;
mod sessions;
mod tips;

pub use attest::{Attest, Attested, Signer, attest, sign};
pub use attestation::{Attestation, AttestationFacts};
pub use convert::{Conversion, convert, raw_convert};
pub use error::MigrationError;
pub use map::{MapEntry, map};
pub use on_start::{ModuleStart, on_start};
pub use pending::{
    PENDING_CLASSIFICATION, PendingOutcome, check_pending_outcome, is_pending_outcome, unsigned_outcome,
};
pub use plan::{ConversionPlan, PlanOptions, plan};
pub use revert::{Reverted, revert};
pub use seal::{Seal, Sealed, seal};
pub use seal_error::SealError;
pub use tips::{Compared, Relation};
