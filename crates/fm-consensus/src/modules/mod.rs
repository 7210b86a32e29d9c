//! The modules that come with the machine.

mod ledger;
mod ledger_replay;
mod meta;

pub use ledger::{DUMMY_ISSUER, Ledger};
pub use ledger_replay::{LedgerReplay, ReplayError};
pub use meta::Meta;
