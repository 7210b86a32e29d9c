//! Carrying a history into today's schema, and back: the jobs behind `fm-migrate`.
//!
//! Invariants: nothing is written before the whole history is proven; a target appears under its name whole,
//! synced and read back, or not at all; the source is only read.

mod convert;
mod error;
mod identity;
mod map;
mod plan;
mod revert;

pub use convert::{Conversion, convert, raw_convert};
pub use error::MigrationError;
pub use map::{MapEntry, map};
pub use plan::{Plan, PlanOptions, plan};
pub use revert::{Reverted, revert};
