//! What both audits share: what an earlier audit proved, samples, the index of transactions, what is not known.

mod index;
mod sample;
mod trust;
mod unknown;

pub(crate) use index::{TransactionIndex, index_left_out};
pub use sample::Sample;
pub(crate) use trust::{Ledger, SALT_BYTES};
pub use trust::{Mark, TrustedPrefix};
pub(crate) use unknown::Unknown;
