//! The archive file (`.fmar`): sorted records in a valid Zstandard file that can be verified by itself.
//!
//! It consists of a header, data frames of about 1 MiB of records, and an index with the root hash;
//! `docs/formats/archive.md` has the byte table.
//!
//! Invariants:
//! - Keys ascend strictly over the whole file, for the writer and for every reader.
//! - A check of [`verify`] covers every byte of the file; a changed bit is found and located.
//! - A record is handed out only after the whole frame that holds it was checked.
//! - The identity depends on the records alone: not on compressor, level, frame size, threads or metadata.
//! - A length is used, and memory allocated for it, only after it was checked against a limit and against the
//!   file.
//!
//! # Example
//!
//! ```
//! use std::io::Cursor;
//!
//! use fm_archive::{ArchiveReader, ArchiveWriter, Metadata, Options};
//!
//! let mut writer = ArchiveWriter::new(Cursor::new(Vec::new()), &Metadata::default(), Options::default())?;
//! writer.push(b"a key", b"a value")?;
//! writer.push(b"another key", b"another value")?;
//! let (file, summary) = writer.finish()?;
//!
//! let mut reader = ArchiveReader::open(file)?;
//! assert_eq!(reader.get(b"a key")?.as_deref(), Some(b"a value".as_slice()));
//! assert_eq!(reader.summary().identity, summary.identity);
//! # Ok::<(), fm_archive::ArchiveError>(())
//! ```

mod ahead;
mod earlier;
mod error;
mod format;
mod frame;
mod header;
mod index;
mod locate;
mod pipeline;
mod range;
mod reader;
mod record;
mod remains;
mod salvage;
mod survey;
mod verify;
mod walk;
mod writer;
mod zstandard;

pub use ahead::IntoRecords;
pub use error::{ArchiveError, Damage, Fault, Region};
pub use format::{
    DEFAULT_FRAME_TARGET, FORMAT_VERSION, MAX_FRAME_LEN, MAX_FRAME_TARGET, MAX_HEADER_LEN, MAX_INDEX_LEN,
    MAX_KEY_LEN, MAX_VALUE_LEN, begins_like_one,
};
pub use header::Metadata;
pub use index::{FrameInfo, Summary};
pub use range::Records;
pub use reader::ArchiveReader;
pub use record::{Record, check_limits};
pub use remains::{Remains, remains};
pub use salvage::{Ending, Salvage, salvage};
pub use verify::{Readable, VerifyReport, verify, verify_written};
pub use writer::{ArchiveWriter, Options};
