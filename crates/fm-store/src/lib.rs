//! RocksDB as bytes: reads foreign databases without changing them, writes new ones in bulk, and keeps our
//! own.
//!
//! This crate knows keys and values, never their meaning.
//!
//! Invariants:
//! - A foreign database is opened read-only: no file of it is created, changed or removed.
//! - A missing path is an error, never a new database.
//! - [`ReadStore::omissions`] reports rows that RocksDB leaves out without an error (a torn or missing log, a
//!   torn list of files, tables that the list does not name).
//! - What we write is readable by RocksDB 8.10 (table format 5, Snappy) and holds nothing in a log.
//! - A target is made beside its final name and renamed only by [`PartialDir::publish`],
//!   [`PartialFile::publish`], [`Replacement::exchange`] and [`Swap::run`].
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//!
//! use fm_store::ReadStore;
//!
//! // Opened read-only: no file of the directory is changed.
//! let store = ReadStore::open(Path::new("../../fixtures/session-v0.5.0/peer-0/database"))?;
//! assert!(store.omissions().is_empty());
//! // Prefix 0x04: signed session outcomes.
//! let mut sessions = 0;
//! for row in store.scan_prefix(&[0x04]) {
//!     let (key, _value) = row?;
//!     assert_eq!(key[0], 0x04);
//!     sessions += 1;
//! }
//! assert!(sessions > 0);
//! # Ok::<(), fm_store::StoreError>(())
//! ```

mod around;
mod copy;
mod directory_sync;
mod error;
mod inherit;
mod kind;
mod live;
mod lock;
mod log;
mod movable;
mod obstacle;
mod omission;
mod open;
mod partial;
mod partial_file;
mod quoted;
mod read;
mod regular;
mod replace;
mod replace_file;
mod rows;
mod swap;
mod write;

pub use around::{directories_around, directory_of, real_path};
pub use copy::{free_bytes, is_file_of_rocksdb};
pub use directory_sync::{sync_directory, sync_name, unsynced_directory};
pub use error::StoreError;
pub use inherit::{Inheritance, keep_private, make_directory, owner_unlike_root};
pub use kind::ErrorKind;
pub use live::{Durability, LiveStore, add_empty_log};
pub use lock::{DatabaseLock, lock_whole};
pub use movable::{check_movable, check_writable};
pub use obstacle::Obstacle;
pub use omission::{Omission, OmissionKind};
pub use partial::{PARTIAL_MARKER, PartialDir};
pub use partial_file::{PartialFile, rename_to_new, replace_named_file};
pub use quoted::quoted;
pub use read::{ReadStore, Scan, prefix_end};
pub use regular::{open_regular, read_regular};
pub use replace::Replacement;
pub use replace_file::{remove_file, replace_file};
pub use swap::{Stage, Swap};
pub use write::{StoreSummary, StoreWriter};
