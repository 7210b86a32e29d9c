//! HoneyBadger epochs: reading, verification on all cores, audit.

mod audit;
mod keys;
mod pipeline;
mod shares;

pub(crate) use audit::audit;
pub(crate) use keys::try_keys;
pub(crate) use pipeline::numbered_rows;
pub use pipeline::{AuditedEpoch, DecodedEpoch, EpochOptions, each_epoch};
