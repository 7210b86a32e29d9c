//! The on-disk eras: detects the era of a database, and describes its tables and records.
//!
//! Invariants: a prefix has a meaning only within its own era. A store is of exactly one era, or is refused
//! with what was seen. A record is never tried in one form and then in another.
//!
//! # Example
//!
//! ```
//! use fm_eras::{Era, Layout, detect, session};
//! use fm_rows::MemoryRows;
//!
//! let mut rows = MemoryRows::default();
//! assert!(detect(&rows).is_err());
//! // The database of a server that has not finished a session.
//! rows.0.insert(session::server_version_key(), session::number_value(1));
//! rows.0.insert(session::session_key(0), vec![0, 0]);
//! let layout = detect(&rows)?;
//! assert!(matches!(layout, Layout::Blocks(_)));
//! assert!(layout.era() >= Era::D);
//! # Ok::<(), fm_eras::DetectError>(())
//! ```

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
