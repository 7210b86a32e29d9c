//! Reads a guardian's configuration of every version, from its data directory or from the backup that its
//! server makes.
//!
//! `fm-crypto` parses the contents of the files. This crate decides which file counts, where it is, what a
//! changed password left over, and whether the files belong together.
//!
//! Invariants: nothing is written; every read is bounded; a message names files and fields, never the
//! contents of a secret file.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//!
//! use fm_config::GuardianFiles;
//!
//! let files = GuardianFiles::open(Path::new("../../fixtures/session-v0.5.0/peer-0"))?;
//! let consensus = files.consensus()?;
//! assert_eq!(consensus.broadcast_public_keys.len(), 4);
//! assert_eq!(files.own_peer()?, 0);
//! # Ok::<(), fm_config::FilesError>(())
//! ```

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
