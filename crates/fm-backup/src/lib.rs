//! Checkpoints and archives of whole databases: listed, made, proven, read back, compared.
//!
//! Invariants: a source is only read; a target is born beside its name and renamed when it was read back.

mod error;
mod location;

pub use error::BackupError;
pub use location::Location;
