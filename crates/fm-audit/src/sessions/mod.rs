//! Blocks and sessions: reading, verification on all cores, audit.

mod ambiguity;
mod audit;
mod index;
mod pipeline;
mod scheme;
mod signatures;
mod units;

pub(crate) use audit::audit;
pub use pipeline::{AuditedBlock, BlockOptions, DecodedBlock, each_block};
pub(crate) use scheme::choose_scheme;
pub use signatures::{CheckedSignatures, check_signatures, signature_findings};
