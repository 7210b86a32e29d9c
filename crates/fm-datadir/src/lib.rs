//! A guardian's data directory: the names of everything in it, its checkpoints, and the records beside the
//! database.
//!
//! Invariant: every other crate takes the names, and the formats of small files, from here.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//!
//! use fm_datadir::{GuardFile, is_known_entry, session_in_name};
//!
//! assert!(is_known_entry("database", false));
//! assert!(!is_known_entry("notes.txt", true));
//! assert_eq!(session_in_name("24"), Some(24));
//!
//! // No guard in this directory: the guardian may make units in every session.
//! let guard = GuardFile::read(Path::new("../../fixtures/session-v0.5.0/peer-0"))?;
//! assert_eq!(guard, None);
//! # Ok::<(), fm_datadir::GuardError>(())
//! ```

mod checkpoint;
mod checkpoint_name;
mod guard;
mod moved;
mod names;
mod signed;
mod small;

pub use checkpoint::{CheckpointError, Retention, checkpoints, make_checkpoint, make_named_checkpoint};
pub use checkpoint_name::{
    CHECKPOINTS_NAME, is_entry_name, is_left_by_node, is_moment, is_removing, is_unfinished,
    new_checkpoint_name, newest_checkpoint, removed_name, removing_name, session_alone, session_in_name,
    unfinished_of, utc,
};
pub use guard::{GuardError, GuardFile, Guarded};
pub use moved::{MOVED_NAME, Moved, MovedAway, MovedStep, check_not_moved};
pub use names::{
    CLIENT, CONSENSUS, DATABASE_NAME, ENCRYPTED, ENCRYPTED_NEW, ENCRYPTED_OLD, GUARD_NAME, INVITE_CODE,
    JOURNAL_NAME, LOCAL, PASSWORD, PASSWORD_NEW, PASSWORD_OLD, PRIVATE, RESTORED_NAME, SALT, SERVER_LOCK,
    broken_name, failure_name, incoming_name, is_kept_database, is_known_entry, undone_name,
};
pub use signed::{Held, SIGNED_NAME, SignedError, SignedSession, Standing, database_name};
pub use small::{FormatError, check_format, read_small};
