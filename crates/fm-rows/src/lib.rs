//! Sorted rows of keys and values, from any source: a reader sees no difference between a database, an
//! archive and memory.
//!
//! Invariant: rows are in ascending order of their keys, and no key occurs twice.
//!
//! # Example
//!
//! ```
//! use fm_rows::{Joined, MemoryRows, RowSource, merge_join};
//!
//! let rows = |keys: &[u8]| -> MemoryRows { keys.iter().map(|key| (vec![*key], vec![0])).collect() };
//! let (left, right) = (rows(&[1, 2]), rows(&[2, 3]));
//! let mut only_left = 0;
//! for joined in merge_join(left.scan_range(&[], None), right.scan_range(&[], None)) {
//!     only_left += u32::from(matches!(joined?, Joined::Left(_)));
//! }
//! assert_eq!(only_left, 1);
//! # Ok::<(), fm_rows::SourceError>(())
//! ```

mod ahead;
mod ending;
mod join_all;
mod memory;
mod merge;
mod source;

pub use ahead::each_row;
pub use join_all::{JoinedAll, join_all};
pub use memory::MemoryRows;
pub use merge::{Joined, merge_join};
pub use source::{Keys, OnRow, RowSource, Rows, SourceError, visit_rows};

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);
/// A borrowed key and its value.
pub type RowRef<'a> = (&'a [u8], &'a [u8]);
