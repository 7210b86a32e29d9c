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
//! use fm_audit::{Control, Silent, open_source};
//! use fm_migration::StoredUnits;
//!
//! let guardian = Path::new("../../fixtures/session-v0.5.0/peer-0");
//! let interrupted = AtomicBool::new(false);
//! let control = Control { progress: &Silent, interrupted: &interrupted };
//! let source = open_source(guardian, None, control)?;
//! // What the guardian holds of the session in progress.
//! let units = StoredUnits::read(source.original())?;
//! assert!(units.open > 0);
//! # Ok::<(), fm_migration::MigrationError>(())
//! ```

mod attest;
mod attestation;
mod convert;
mod error;
mod map;
mod on_start;
mod open_units;
mod pending;
mod pieces;
mod plan;
mod revert;
mod seal;
mod seal_error;
mod sessions;
mod tips;
mod units;

pub use attest::{Attest, Attested, Signer, attest, sign};
pub use attestation::{Attestation, AttestationFacts};
pub use convert::{Conversion, convert, raw_convert};
pub use error::MigrationError;
pub use map::{MapEntry, map};
pub use on_start::{ModuleStart, on_start};
pub use open_units::{OpenUnits, newest_checkpoint};
pub use pending::{
    PENDING_CLASSIFICATION, PendingOutcome, check_pending_outcome, is_pending_outcome, unsigned_outcome,
};
pub use plan::{ConversionPlan, PlanOptions, plan};
pub use revert::{Reverted, revert};
pub use seal::{Seal, Sealed, seal};
pub use seal_error::SealError;
pub use tips::{Compared, Relation};
pub use units::StoredUnits;
