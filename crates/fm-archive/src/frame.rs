//! One data frame: compresses it, and opens it with every check that a frame allows by itself.
//!
//! Invariants: opening yields no more bytes than the frame declares and never more than the frame limit; the
//! bytes are exactly one frame, so nothing can follow its end.

use std::cell::RefCell;
use std::io;

use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::format::wide;
use crate::index::FrameInfo;
use crate::record::Contents;
use crate::zstandard::{Progress, Scan};
use crate::{ArchiveError, Fault};

/// A compressed frame with its hashes.
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) compressed_sha256: [u8; 32],
    pub(crate) uncompressed_sha256: [u8; 32],
}

thread_local! {
    // A compressor's tables take megabytes: one per thread serves all of the thread's frames.
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    /// Buffers for a frame, compressed and opened.
    static ROOM: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// The buffer size that a thread keeps from one frame to the next, in bytes; a larger buffer is freed.
const ROOM_KEPT: usize = 4 << 20;

/// Compresses the contents of frame number `frame`, and opens the result to compare it.
pub(crate) fn pack(frame: u64, plain: &[u8], level: i32) -> Result<Packed, ArchiveError> {
    let failed = |error: io::Error| ArchiveError::Compressor { frame, message: error.to_string() };
    let bytes = ROOM.with_borrow_mut(|(compressed, opened)| {
        compress(plain, level, compressed)?;
        decompress(compressed, plain.len(), opened)?;
        if opened.as_slice() != plain {
            return Err(io::Error::other("what it compressed does not open to the same bytes"));
        }
        let bytes = compressed.clone();
        compressed.clear();
        compressed.shrink_to(ROOM_KEPT);
        opened.clear();
        opened.shrink_to(ROOM_KEPT);
        Ok(bytes)
    });
    let bytes = bytes.map_err(failed)?;
    Ok(Packed { compressed_sha256: sha256(&bytes), uncompressed_sha256: sha256(plain), bytes })
}

fn compress(plain: &[u8], level: i32, into: &mut Vec<u8>) -> io::Result<()> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some((of, compressor)) if *of == level => compressor,
            _ => &mut slot.insert((level, compressor(level)?)).1,
        };
        into.clear();
        into.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        compressor.compress_to_buffer(plain, into).map(drop)
    })
}

/// Decompresses a frame of at most `size` bytes.
fn decompress(frame: &[u8], size: usize, into: &mut Vec<u8>) -> io::Result<()> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new()?),
        };
        into.clear();
        into.reserve_exact(size);
        decompressor.decompress_to_buffer(frame, into).map(drop)
    })
}

fn compressor(level: i32) -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

/// Opens the bytes of exactly one frame.
pub(crate) fn unpack(frame: &[u8]) -> Result<Contents, Fault> {
    let mut scan = Scan::new();
    match scan.advance(frame)? {
        Progress::Whole(length) if length == frame.len() => {}
        Progress::Whole(length) => {
            return Err(Fault::Zstandard { at: wide(length), what: "bytes follow the end of the frame" });
        }
        Progress::Need(_) => {
            return Err(Fault::Zstandard { at: wide(frame.len()), what: "the frame has no end" });
        }
    }
    let refuse = |message: String| Fault::Decompressor { message };
    let size = usize::try_from(scan.content_size()).map_err(|error| refuse(error.to_string()))?;
    let mut plain = Vec::new();
    // The scan limited the size; the decompressor stops at the given capacity.
    decompress(frame, size, &mut plain).map_err(|error| refuse(error.to_string()))?;
    if plain.len() != size {
        return Err(refuse(format!("{} bytes instead of {size}", plain.len())));
    }
    Contents::parse(plain)
}

/// The result of examining a frame by itself.
pub(crate) struct Examined {
    compressed: u64,
    compressed_sha256: [u8; 32],
    /// The contents and their hash, or why the frame cannot be opened.
    pub(crate) own: Result<(Contents, [u8; 32]), Fault>,
}

/// Hashes and opens a frame.
pub(crate) fn examine(frame: &[u8]) -> Examined {
    let own = unpack(frame).map(|contents| {
        let hash = sha256(contents.plain());
        (contents, hash)
    });
    Examined { compressed: wide(frame.len()), compressed_sha256: sha256(frame), own }
}

impl Examined {
    /// Returns the first field in which a frame that is sound by itself differs from its entry in the index.
    pub(crate) fn difference(&self, entry: &FrameInfo) -> Option<&'static str> {
        let (contents, hash) = self.own.as_ref().ok()?;
        let facts = [
            ("compressed size", self.compressed == entry.compressed),
            ("compressed SHA-256", self.compressed_sha256 == entry.compressed_sha256),
            ("uncompressed size", wide(contents.plain().len()) == entry.uncompressed),
            ("uncompressed SHA-256", *hash == entry.uncompressed_sha256),
            ("record count", wide(contents.len()) == entry.records),
            ("first key", contents.first_key() == entry.first_key),
            ("last key", contents.last_key() == entry.last_key),
        ];
        facts.into_iter().find(|(_, equal)| !equal).map(|(field, _)| field)
    }

    /// Returns the contents if the frame matches its entry in a trusted index.
    pub(crate) fn accept(self, entry: &FrameInfo) -> Result<Contents, Fault> {
        if self.compressed_sha256 != entry.compressed_sha256 {
            return Err(Fault::Hash { of: "the compressed frame" });
        }
        if let Some(field) = self.difference(entry) {
            return Err(Fault::NotAsIndexed { field });
        }
        Ok(self.own?.0)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
