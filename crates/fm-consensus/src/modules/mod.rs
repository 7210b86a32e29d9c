//! The modules that come with the machine.

mod ledger;
mod meta;

pub use ledger::{DUMMY_ISSUER, Ledger};
pub use meta::Meta;
