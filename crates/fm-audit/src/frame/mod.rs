//! What the audits of epochs and of sessions share: the history root, results of earlier audits, samples,
//! the transaction index, unknown records.

mod index;
mod records;
mod root;
mod sample;
mod sinks;
mod trust;
mod unknown;

pub(crate) use index::{TransactionIndex, index_left_out};
pub(crate) use records::other_records;
pub use root::ProvenPrefix;
pub(crate) use root::{Followed, RunningRoot};
pub use sample::Sample;
pub use sinks::OnEveryRow;
pub(crate) use sinks::Sinks;
pub(crate) use trust::{Ledger, SALT_BYTES};
pub use trust::{Mark, TrustedPrefix};
pub(crate) use unknown::Unknown;
