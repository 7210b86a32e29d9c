//! What a federation owns and owes, derived from the accepted items of its history: nobody's word counts.
//!
//! The [`Ledger`] takes the accepted transactions in their order. It keeps the books of every module, and
//! reports what a federation must not have accepted: a note that is spent twice, a transaction that is not
//! balanced, more notes of a denomination redeemed than issued.
//!
//! Invariants: sums cannot overflow; memory grows with the open contracts and with the denominations, not with
//! the notes, whose serial numbers are sorted on disk; what only a blockchain knows is [`None`], never guessed.

mod book;
mod config;
mod contracts;
mod fees;
mod ledger;
mod notes;
mod problem;
mod seen;

pub use book::{Book, Denomination, Flow};
pub use config::{ConfigForm, ModuleRules};
pub use fees::{Fees, ModuleFees, RelativeFee};
pub use ledger::{Ledger, Rules, Statement};
pub use notes::NoteKeys;
pub use problem::{Problem, Spot, Trouble};
