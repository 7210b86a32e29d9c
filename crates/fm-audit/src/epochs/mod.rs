//! Epochs of HoneyBadger: read, verified on all cores, audited.

mod audit;
mod keys;
mod pipeline;
mod shares;

pub use audit::{HbbftOptions, audit_hbbft};
pub(crate) use keys::try_keys;
pub(crate) use pipeline::numbered_rows;
pub use pipeline::{AuditedEpoch, DecodedEpoch, EpochOptions, epochs};
