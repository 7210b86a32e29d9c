//! Sorted rows of keys and values, wherever they are: a database, an archive and memory look the same to a reader.
//!
//! Invariant: rows come in ascending order of their keys, and no key comes twice.

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
