//! Sorted rows of keys and values, from any source: a reader sees no difference between a database, an
//! archive and memory.
//!
//! Invariant: rows are in ascending order of their keys, and no key occurs twice.

mod ahead;
mod memory;
mod merge;
mod source;

pub use ahead::each_row;
pub use memory::MemoryRows;
pub use merge::{Joined, merge_join};
pub use source::{OnRow, RowSource, Rows, SourceError, visit_rows};

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);
/// A borrowed key and its value.
pub type RowRef<'a> = (&'a [u8], &'a [u8]);
