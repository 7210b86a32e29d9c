//! Putting a guardian back on a state that is proven, and back again: the jobs behind `fm-checkpoint restore`, `status` and
//! `undo`.
//!
//! Invariants: nothing is moved before the source is proven whole; the old database is kept, whatever its state; wherever a
//! job is cut off, the journal tells how it goes on or back; no restore lowers the equivocation guard.

mod data_dir;
mod error;
mod guard;
mod job;
mod journal;
mod origin;
mod outgoing;
mod peers;
mod plan;
mod prove;
mod small_file;
mod stamp;
mod status;
mod undo;

pub use data_dir::{DataDir, LockedDir};
pub use error::RestoreError;
pub use guard::{GUARD_NAME, Guard};
pub use journal::{Chosen, JOURNAL_NAME, Journal, Proof, Step};
pub use outgoing::{Condition, Content, Lost, ModuleContent, OpenUnits, Outgoing, Reach};
pub use peers::Witness;
pub use plan::{Plan, Restore};
pub use stamp::day;
pub use status::Status;
pub use undo::{Undo, UndoPlan};
