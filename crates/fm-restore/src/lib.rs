//! Restores a guardian to a proven state, and undoes a restore: the jobs of `fm-checkpoint restore`,
//! `status`, `undo` and `move`.
//!
//! Invariants: nothing is moved before the source is proven whole. The old database is kept, whatever its
//! state. Wherever a job is cut off, the journal says how to continue or undo it. No restore lowers the
//! equivocation guard.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//!
//! use fm_restore::{DataDir, Status};
//!
//! let dir = DataDir::open(Path::new("../../fixtures/session-v0.5.0/peer-0"))?;
//! let status = Status::of(&dir)?;
//! // Nothing was restored here, so no guard keeps the guardian from making units.
//! assert_eq!(status.guard, None);
//! # Ok::<(), fm_restore::RestoreError>(())
//! ```

mod data_dir;
mod error;
mod held;
mod in_place;
mod job;
mod journal;
mod kept;
mod moving;
mod origin;
mod outgoing;
mod peers;
mod plan;
mod prove;
mod reach;
mod seal;
mod small_file;
mod stamp;
mod status;
mod undo;
mod whole;

pub use data_dir::{DataDir, LockedDir};
pub use error::RestoreError;
pub use fm_audit::OpenUnits;
pub use journal::{Chosen, Journal, Proof, Step};
pub use moving::{Move, MoveBack, MovePlan, Stated};
pub use outgoing::{Condition, Content, Lost, ModuleContent, Outgoing};
pub use peers::{OtherModules, Witness};
pub use plan::{Restore, RestorePlan};
pub use reach::Reach;
pub use seal::aside;
pub use small_file::read_guard;
pub use stamp::day;
pub use status::{Reached, Status};
pub use undo::{Undo, UndoPlan};
pub use whole::{KeyCheck, Whole, WholePlan, target_of};
