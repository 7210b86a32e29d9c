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

/// What all guardians have alike.
pub const CONSENSUS: &str = "consensus.json";
/// What is this guardian's and no secret.
pub const LOCAL: &str = "local.json";
/// The secrets in clear, since v0.12.
pub const PRIVATE: &str = "private.json";
/// The secrets under a password, until v0.11.
pub const ENCRYPTED: &str = "private.encrypt";
/// What the password is salted with.
pub const SALT: &str = "private.salt";
/// The password, where a guardian keeps it for its server.
pub const PASSWORD: &str = "password.private";
/// What a server of v0.9 to v0.11 writes before it puts it in the place of [`ENCRYPTED`].
pub const ENCRYPTED_NEW: &str = "private.new";
/// The copy of [`ENCRYPTED`] that such a server keeps until it was started once.
pub const ENCRYPTED_OLD: &str = "private.bak";
/// As [`ENCRYPTED_NEW`], of [`PASSWORD`].
pub const PASSWORD_NEW: &str = "password.new";
/// As [`ENCRYPTED_OLD`], of [`PASSWORD`].
pub const PASSWORD_OLD: &str = "password.bak";
