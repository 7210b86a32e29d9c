//! Errors of an archive, and where in the file they are.
//!
//! Invariants: an error about the file names its part and its byte range; the error of a sink or of a source
//! is kept unchanged.

use std::fmt;
use std::io;
use std::ops::Range;

use fm_codec::DecodeError;
use thiserror::Error;

/// Why an archive could not be written or read.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The sink or the source failed.
    #[error("{doing} failed")]
    Io {
        doing: &'static str,
        /// The failure, unchanged (a full disk is `ErrorKind::StorageFull`).
        source: io::Error,
    },
    /// An empty file, or not an archive.
    #[error("not an archive: {length} bytes that do not begin like one")]
    NotAnArchive { length: u64 },
    /// A whole header of another format version.
    #[error("archive format version {version}: this tool reads version {supported}")]
    UnsupportedVersion { version: u16, supported: u16 },
    /// The file stops before its end.
    #[error(
        "truncated: the file ends at byte {length}, \
         {whole_frames} whole frames with {records} records end at byte {at_byte}"
    )]
    Truncated {
        /// Only frames that were read and checked.
        whole_frames: u64,
        records: u64,
        /// Where the header ends if there is no such frame, 0 without a whole header.
        at_byte: u64,
        length: u64,
    },
    /// A part of the file is not what was written.
    #[error(transparent)]
    Damaged(Box<Damage>),
    /// A record whose key is not greater than the one before it.
    #[error("record {record}: its key is not greater than the key before it")]
    NotAscending {
        /// The number of the refused record, from 0.
        record: u64,
    },
    /// A key or value above its limit.
    #[error("record {record}: {part} of {length} bytes, the limit is {limit}")]
    RecordTooLarge {
        /// The number of the refused record, from 0.
        record: u64,
        /// `key` or `value`.
        part: &'static str,
        length: usize,
        limit: usize,
    },
    /// Metadata that does not fit the header.
    #[error("the header takes {length} bytes, the limit is {limit}")]
    HeaderTooLarge {
        /// The length of its payload.
        length: usize,
        limit: usize,
    },
    /// More frames, or longer keys, than a readable index can hold.
    #[error("the index does not fit {limit} bytes from frame {frame} on")]
    IndexTooLarge { frame: u64, limit: u64 },
    /// An option outside its range.
    #[error("{option} {value} is outside {least} to {most}")]
    BadOption { option: &'static str, value: i64, least: i64, most: i64 },
    /// The compressor refused a frame.
    #[error("frame {frame} could not be compressed: {message}")]
    Compressor { frame: u64, message: String },
    /// The writer failed before, and what it wrote is incomplete.
    #[error("the archive was given up after an earlier failure")]
    GivenUp,
}

impl ArchiveError {
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl From<Damage> for ArchiveError {
    fn from(damage: Damage) -> Self {
        match damage.fault {
            Fault::Truncated { whole_frames, records } => Self::Truncated {
                whole_frames,
                records,
                at_byte: damage.bytes.start,
                length: damage.bytes.end,
            },
            _ => Self::Damaged(Box::new(damage)),
        }
    }
}

/// A part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// The skippable frame with the metadata.
    Header,
    /// A data frame, counted from 0.
    Frame(u64),
    /// The skippable frame with the index, up to the root.
    Index,
    /// Root, offset and end mark.
    Trailer,
    /// The bytes that follow the trailer, or are missing before it.
    Tail,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Frame(frame) => write!(f, "frame {frame}"),
            Self::Index => f.write_str("index"),
            Self::Trailer => f.write_str("trailer"),
            Self::Tail => f.write_str("tail"),
        }
    }
}

/// One damaged part of the file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{region} at bytes {}..{}: {fault}", bytes.start, bytes.end)]
pub struct Damage {
    /// The part.
    pub region: Region,
    /// The bytes of the part in the file.
    pub bytes: Range<u64>,
    /// The first and last key of a data frame, if the index has them.
    pub keys: Option<(Vec<u8>, Vec<u8>)>,
    /// The number of records of a data frame, if the index has it.
    pub records: Option<u64>,
    /// What is wrong with the part.
    pub fault: Fault,
}

impl Damage {
    pub(crate) fn new(region: Region, bytes: Range<u64>, fault: Fault) -> Self {
        Self { region, bytes, keys: None, records: None, fault }
    }
}

/// What is wrong with a part of the file.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// Fixed bytes do not have the value that they must have.
    #[error("{what} is not what the format asks for")]
    Mark { what: &'static str },
    /// A length field disagrees with the file.
    #[error("it declares {declared} bytes, {actual} expected")]
    Length {
        declared: u64,
        /// The length according to the rest of the file.
        actual: u64,
    },
    /// A length above its limit.
    #[error("{what} of {length} bytes, the limit is {limit}")]
    OverLimit {
        what: &'static str,
        /// The declared length.
        length: u64,
        limit: u64,
    },
    /// A hash over the bytes does not match the recorded one.
    #[error("the SHA-256 of {of} does not match")]
    Hash { of: &'static str },
    /// Structured bytes that do not decode.
    #[error("not decodable {0}")]
    Encoding(DecodeError),
    /// Not a Zstandard frame that this format allows.
    #[error("byte {at} of the frame: {what}")]
    Zstandard { at: u64, what: &'static str },
    /// The decompressor refuses the frame (for example for its checksum).
    #[error("not decompressible: {message}")]
    Decompressor { message: String },
    /// A record whose key is not greater than the one before it.
    #[error("the key of its record {record} is not greater than the key before it")]
    RecordOrder {
        /// The number of the record in its frame, from 0.
        record: u64,
    },
    /// The frame is sound by itself, but not the one in the index.
    #[error("its {field} is not the one in the index")]
    NotAsIndexed { field: &'static str },
    /// An entry of the index that is impossible, or does not match its frame.
    #[error("its entry of frame {frame} is wrong: {field}")]
    Entry { frame: u64, field: &'static str },
    /// A total that is not the sum of its parts.
    #[error("its total of {field} is not what the frames add up to")]
    Total { field: &'static str },
    /// The identity is not the hash of the record stream.
    #[error("its identity is not the SHA-256 of the record stream")]
    Identity,
    /// The root is not the hash of header and index.
    #[error("the root is not the SHA-256 of header and index")]
    Root,
    /// The trailer does not point to the place where the index is.
    #[error("the index is said to begin at byte {declared}")]
    IndexOffset { declared: u64 },
    /// Bytes after the trailer.
    #[error("{count} bytes follow the end of the archive")]
    TrailingBytes { count: u64 },
    /// The source fails to read these bytes.
    #[error("cannot be read: {message}")]
    Unreadable {
        /// The system's message.
        message: String,
    },
    /// The file ends here.
    #[error("truncated after {whole_frames} whole frames with {records} records")]
    Truncated {
        /// Only frames that were read and checked.
        whole_frames: u64,
        records: u64,
    },
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Encoding(error)
    }
}
