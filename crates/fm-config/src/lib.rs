//! A guardian's configuration of every version, in the one place that reads it: from its data directory, or from the
//! backup that its server gives.
//!
//! What the texts of the files mean is in `fm-crypto`; which file counts, where it lies, what was left over by a changed
//! password and whether the files belong together is decided here.
//!
//! Invariants: nothing is written; everything is read bounded; a message names files and fields, never what is in a
//! secret one.

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
