//! The on-disk eras: detects the era of a database, and describes its tables and records.
//!
//! Invariants: a prefix has a meaning only within its own era. A store is of exactly one era, or is refused
//! with what was seen. A record is never tried in one form and then in another.

pub mod block;
pub mod broadcast;
mod detect;
mod detect_blocks;
mod era;
pub mod hbbft;
pub mod modules;
pub mod session;
mod table;

pub use detect::{DetectError, Layout, detect};
pub use era::Era;
pub use table::{TableCount, Tables};
