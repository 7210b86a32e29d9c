//! The on-disk eras: which one a database is of, its tables, its records.
//!
//! Invariants: a prefix has no meaning outside its room; a store is of exactly one era or refused, with
//! what was seen; a record is never tried in one form and then in another.

pub mod block;
pub mod broadcast;
mod detect;
mod detect_blocks;
pub mod hbbft;
pub mod modules;
pub mod session;
mod table;

pub use detect::{DetectError, Layout, detect};
pub use table::{TableCount, Tables};
