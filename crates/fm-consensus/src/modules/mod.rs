//! The modules that are part of this crate.

mod ledger;
mod ledger_replay;
mod meta;

pub use ledger::{DUMMY_ISSUER, Ledger, read_posting};
pub use ledger_replay::{LedgerReplay, ReplayError};
pub use meta::Meta;
