//! Writes an archive in one pass, compressing on all cores.
//!
//! Invariants: keys ascend strictly; the file depends on records, metadata, level and frame target, never on
//! the number of threads; memory is a few frames per core and the index; after a failure nothing more is
//! written, and without [`ArchiveWriter::finish`] the file is a truncated archive.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use fm_codec::{Dialect, Writer};
use sha2::{Digest, Sha256};

use crate::earlier::{Earlier, pack_or_keep};
use crate::format::{
    DEFAULT_FRAME_TARGET, INDEX_FRAME_MAGIC, MAX_FRAME_TARGET, MAX_INDEX_LEN, MIN_INDEX_LEN, wide,
};
use crate::frame::Packed;
use crate::header::Header;
use crate::index::{FrameInfo, Index, Totals, Trailer, root};
use crate::pipeline::Pipeline;
use crate::record::{check_limits, encoded_len};
use crate::{ArchiveError, Metadata, Summary};

/// Four totals and the frame count may each take eight bytes more than in the smallest index.
const INDEX_FIXED_LEN: u64 = MIN_INDEX_LEN + 5 * 8;

/// How an archive is written. No option changes the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The Zstandard level.
    pub level: i32,
    /// The number of frames compressed at a time; 0 means every core.
    pub threads: usize,
    /// The uncompressed size at which a frame is closed, in bytes.
    pub frame_target: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { level: zstd::DEFAULT_COMPRESSION_LEVEL, threads: 0, frame_target: DEFAULT_FRAME_TARGET }
    }
}

impl Options {
    fn check(&self) -> Result<(), ArchiveError> {
        let levels = zstd::compression_level_range();
        if !levels.contains(&self.level) {
            let (value, least, most) = (self.level.into(), (*levels.start()).into(), (*levels.end()).into());
            return Err(ArchiveError::BadOption { option: "level", value, least, most });
        }
        if !(1..=MAX_FRAME_TARGET).contains(&self.frame_target) {
            let clamp = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
            let (value, most) = (clamp(self.frame_target), clamp(MAX_FRAME_TARGET));
            return Err(ArchiveError::BadOption { option: "frame target", value, least: 1, most });
        }
        Ok(())
    }
}

/// The frame that is being filled.
#[derive(Default)]
struct Filling {
    contents: Option<Writer>,
    first_key: Vec<u8>,
    records: u64,
}

impl Filling {
    fn len(&self) -> usize {
        self.contents.as_ref().map_or(0, |contents| contents.as_bytes().len())
    }
}

/// A writer of an archive into `W`, which must be at its start.
pub struct ArchiveWriter<W> {
    sink: W,
    offset: u64,
    header: Header,
    options: Options,
    earlier: Option<Earlier>,
    filling: Filling,
    last_key: Vec<u8>,
    totals: Totals,
    identity: Sha256,
    /// Frames, each with whether it is the same as in the earlier run.
    pipeline: Pipeline<Result<(Packed, bool), ArchiveError>>,
    /// Frames in the pipeline, in order; offset, sizes and hashes of the compressed bytes are not known yet.
    waiting: VecDeque<FrameInfo>,
    frames: Vec<FrameInfo>,
    index_len: u64,
    given_up: bool,
}

impl ArchiveWriter<File> {
    /// Starts an archive in a new file; refuses a file that exists.
    ///
    /// The file is not synced to disk: [`Self::finish`] returns it for that.
    ///
    /// # Errors
    /// If the file exists or cannot be made; otherwise as [`new`](Self::new).
    pub fn create(
        path: impl AsRef<Path>,
        metadata: &Metadata,
        options: Options,
    ) -> Result<Self, ArchiveError> {
        let file = File::create_new(path).map_err(ArchiveError::io("creating the archive"))?;
        Self::new(file, metadata, options)
    }
}

impl<W: Write> ArchiveWriter<W> {
    /// Starts an archive: checks options and metadata and writes the header.
    ///
    /// # Errors
    /// If an option is out of range, the metadata is too large, or the header cannot be written.
    pub fn new(mut sink: W, metadata: &Metadata, options: Options) -> Result<Self, ArchiveError> {
        options.check()?;
        let header = Header::new(metadata)?;
        sink.write_all(&header.frame()).map_err(ArchiveError::io("writing the header"))?;
        Ok(Self {
            sink,
            offset: header.end(),
            header,
            earlier: None,
            pipeline: Pipeline::new(options.threads),
            options,
            filling: Filling::default(),
            last_key: Vec::new(),
            totals: Totals::default(),
            identity: Sha256::new(),
            waiting: VecDeque::new(),
            frames: Vec::new(),
            index_len: INDEX_FIXED_LEN,
            given_up: false,
        })
    }

    /// Reuses what an interrupted run left of the same archive, read from its start: whole frames that hold
    /// the same records are not compressed again. The records do not depend on it.
    #[must_use]
    pub fn resuming(mut self, earlier: Box<dyn Read + Send>) -> Self {
        self.earlier = Earlier::behind(&self.header, earlier);
        self
    }

    /// Adds a record, whose key must be greater than the one before it.
    ///
    /// A refused record changes nothing; after any other error the writer has given up.
    ///
    /// # Errors
    /// If the record is too large, its key is not greater than the one before, the index would be too large,
    /// or a frame cannot be compressed or written.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
        if self.given_up {
            return Err(ArchiveError::GivenUp);
        }
        self.check_record(key, value)?;
        if encoded_len(key, value) > self.options.frame_target {
            self.or_give_up(Self::close_frame)?;
        }
        if self.filling.records == 0 {
            self.filling.first_key = key.to_vec();
        }
        let room = self.options.frame_target + encoded_len(key, value);
        let contents =
            self.filling.contents.get_or_insert_with(|| Writer::with_capacity(Dialect::MODERN, room));
        contents.bytes(key);
        contents.bytes(value);
        self.filling.records += 1;
        self.totals.records += 1;
        self.totals.key_bytes += wide(key.len());
        self.totals.value_bytes += wide(value.len());
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.filling.len() >= self.options.frame_target {
            self.or_give_up(Self::close_frame)?;
        }
        Ok(())
    }

    /// Writes the remaining records, the index and the trailer, and returns the flushed sink.
    ///
    /// # Errors
    /// If the writer has given up, the index would be too large, or the rest cannot be compressed or written.
    pub fn finish(mut self) -> Result<(W, Summary), ArchiveError> {
        if self.given_up {
            return Err(ArchiveError::GivenUp);
        }
        self.close_frame()?;
        while self.write_oldest()? {}
        let index =
            Index { frames: self.frames, totals: self.totals, identity: self.identity.finalize().into() };
        let covered = index.encode();
        let root = root(&self.header.payload, &covered);
        let trailer = Trailer::new(root, self.offset).encode();
        let length = u32::try_from(covered.len() + trailer.len()).expect("an index is limited to 1 GiB");
        let frame = [&INDEX_FRAME_MAGIC[..], &length.to_le_bytes(), &covered, &trailer].concat();
        self.sink.write_all(&frame).map_err(ArchiveError::io("writing the index"))?;
        self.sink.flush().map_err(ArchiveError::io("flushing the archive"))?;
        let summary = index.summary(root, self.offset + wide(frame.len()));
        Ok((self.sink, summary))
    }

    fn check_record(&self, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
        let record = self.totals.records;
        check_limits(record, key, value)?;
        if record > 0 && self.last_key.as_slice() >= key {
            return Err(ArchiveError::NotAscending { record });
        }
        Ok(())
    }

    fn or_give_up<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let result = step(self);
        self.given_up |= result.is_err();
        result
    }

    /// Passes the frame that is being filled to the compressors, if it holds a record.
    fn close_frame(&mut self) -> Result<(), ArchiveError> {
        let Filling { contents: Some(contents), first_key, records } = std::mem::take(&mut self.filling)
        else {
            return Ok(());
        };
        let plain = contents.into_bytes();
        let size = plain.len();
        while self.pipeline.is_full(size) && self.write_oldest()? {}
        let info = FrameInfo {
            first_key,
            last_key: self.last_key.clone(),
            records,
            offset: 0,
            compressed: 0,
            uncompressed: wide(size),
            compressed_sha256: [0; 32],
            uncompressed_sha256: [0; 32],
        };
        let frame = wide(self.frames.len() + self.waiting.len());
        self.index_len += info.most_encoded();
        if self.index_len > MAX_INDEX_LEN {
            return Err(ArchiveError::IndexTooLarge { frame, limit: MAX_INDEX_LEN });
        }
        self.totals.uncompressed += wide(size);
        self.identity.update(&plain);
        self.waiting.push_back(info);
        let level = self.options.level;
        let earlier = self.earlier.as_mut().and_then(Earlier::next);
        self.pipeline.put(size, move || pack_or_keep(frame, &plain, level, earlier));
        // The first frame decides whether any other frame is reused.
        if frame == 0 && self.earlier.is_some() {
            self.write_oldest()?;
        }
        Ok(())
    }

    /// Writes the oldest frame in the pipeline; returns false if the pipeline is empty.
    fn write_oldest(&mut self) -> Result<bool, ArchiveError> {
        let (Some(packed), Some(mut info)) = (self.pipeline.take(), self.waiting.pop_front()) else {
            return Ok(false);
        };
        let (packed, is_as_before) = packed?;
        if !is_as_before {
            self.earlier = None;
        }
        self.sink.write_all(&packed.bytes).map_err(ArchiveError::io("writing a frame"))?;
        info.offset = self.offset;
        info.compressed = wide(packed.bytes.len());
        info.compressed_sha256 = packed.compressed_sha256;
        info.uncompressed_sha256 = packed.uncompressed_sha256;
        self.offset += info.compressed;
        self.frames.push(info);
        Ok(true)
    }
}
