//! Reads a guardian's configuration of every version, from its data directory or from the backup that its
//! server makes.
//!
//! `fm-crypto` parses the contents of the files. This crate decides which file counts, where it is, what a
//! changed password left over, and whether the files belong together.
//!
//! Invariants: nothing is written; every read is bounded; a message names files and fields, never the
//! contents of a secret file.

mod belongs;
mod error;
mod exposed;
mod files;
mod private;

pub use belongs::belongs;
pub use error::FilesError;
pub use exposed::{is_exposed, said_exposed};
pub use files::{GuardianFiles, is_secret_name};
pub use private::{FoundPrivate, OpenedFile};
