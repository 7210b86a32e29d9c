//! Finds header, index and trailer in a file, even if it is damaged.
//!
//! Invariants: the trailer is tried first, and the frames are walked only if it fails; a file is reported as
//! truncated only if its frames are in order up to its end and it lacks the end mark; nothing beyond the
//! limits of header and index is read into memory.

use std::io::{Read, Seek, SeekFrom};

use crate::format::{
    END_MARK, FORMAT_VERSION, HEADER_FRAME_MAGIC, HEADER_MARK, INDEX_FRAME_MAGIC, MAX_HEADER_LEN,
    MAX_INDEX_LEN, MIN_INDEX_LEN, SKIPPABLE_LEN, TRAILER_LEN, wide,
};
use crate::header::{Header, HeaderFault};
use crate::index::{Index, Trailer, root};
use crate::walk::{Step, next_frame};
use crate::{ArchiveError, Damage, Fault, Region};

/// The number of bytes of a frame that are requested at a time.
const PIECE: usize = 4 << 20;

/// The first frame as it was found.
pub(crate) struct Head {
    /// The header, if its payload is sound.
    pub(crate) header: Option<Header>,
    pub(crate) damage: Option<Damage>,
    /// Where the frame ends, or declares to end.
    pub(crate) end: u64,
}

/// The last frame as it was found.
pub(crate) struct Tail {
    pub(crate) offset: u64,
    /// The index payload up to the root.
    pub(crate) covered: Vec<u8>,
    pub(crate) trailer: Trailer,
    /// Damage outside the index payload itself.
    pub(crate) damage: Vec<Damage>,
}

/// The result of the search for the last frame.
pub(crate) enum Search {
    Found(Tail),
    /// The frame exists, or should, and cannot be found.
    Lost(Vec<Damage>),
    /// The file ends too early.
    Cut,
}

/// A source of known length, read at given offsets.
pub(crate) struct Source<'a, R> {
    pub(crate) read: &'a mut R,
    pub(crate) length: u64,
}

impl<'a, R: Read + Seek> Source<'a, R> {
    pub(crate) fn new(read: &'a mut R) -> Result<Self, ArchiveError> {
        let length = read.seek(SeekFrom::End(0)).map_err(ArchiveError::io("asking for the length"))?;
        Ok(Self { read, length })
    }

    pub(crate) fn seek(&mut self, offset: u64) -> Result<(), ArchiveError> {
        self.read.seek(SeekFrom::Start(offset)).map_err(ArchiveError::io("seeking"))?;
        Ok(())
    }

    /// Returns `count` bytes from `offset` on, or as many as the file has.
    pub(crate) fn bytes(&mut self, offset: u64, count: u64) -> Result<Vec<u8>, ArchiveError> {
        let count = count.min(self.length.saturating_sub(offset));
        let mut bytes = Vec::new();
        self.seek(offset)?;
        self.read.take(count).read_to_end(&mut bytes).map_err(ArchiveError::io("reading the archive"))?;
        Ok(bytes)
    }

    /// Returns the same bytes; or, if the source fails at this place, what is wrong there.
    pub(crate) fn place(&mut self, offset: u64, count: u64) -> Result<Result<Vec<u8>, Fault>, ArchiveError> {
        match self.bytes(offset, count) {
            Err(ArchiveError::Io { source, .. }) if is_of_the_place(&source) => {
                Ok(Err(Fault::Unreadable { message: source.to_string() }))
            }
            bytes => bytes.map(Ok),
        }
    }

    fn ends_with_mark(&mut self) -> Result<bool, ArchiveError> {
        let start = self.length.saturating_sub(wide(END_MARK.len()));
        Ok(self.place(start, wide(END_MARK.len()))?.is_ok_and(|end| end == END_MARK))
    }

    /// Reads the header, or reports why the file is not an archive.
    pub(crate) fn head(&mut self) -> Result<Head, ArchiveError> {
        let length = self.length;
        let ends = self.ends_with_mark()?;
        let start = match self.place(0, SKIPPABLE_LEN + wide(HEADER_MARK.len()))? {
            Ok(start) => start,
            Err(fault) => {
                let damage = Damage::new(Region::Header, 0..SKIPPABLE_LEN, fault);
                return Ok(Head { header: None, damage: Some(damage), end: SKIPPABLE_LEN });
            }
        };
        let magic = start.starts_with(&HEADER_FRAME_MAGIC);
        let marked = start.len() == 16 && start[8..] == HEADER_MARK;
        if start.len() < 16 || !(marked || magic && ends) {
            return Err(ArchiveError::NotAnArchive { length });
        }
        let declared = u64::from(u32::from_le_bytes([start[4], start[5], start[6], start[7]]));
        let end = SKIPPABLE_LEN + declared;
        let damaged = |bytes, fault| Head {
            header: None,
            damage: Some(Damage::new(Region::Header, bytes, fault)),
            end,
        };
        let limit = wide(MAX_HEADER_LEN);
        if declared > limit {
            return Ok(damaged(
                0..SKIPPABLE_LEN,
                Fault::OverLimit { what: "a header", length: declared, limit },
            ));
        }
        if end > length && !ends {
            return Err(ArchiveError::Truncated { whole_frames: 0, records: 0, at_byte: 0, length });
        }
        if end > length {
            return Ok(damaged(0..SKIPPABLE_LEN, Fault::Length { declared, actual: length - SKIPPABLE_LEN }));
        }
        let payload = match self.place(SKIPPABLE_LEN, declared)? {
            Ok(payload) => payload,
            Err(fault) => return Ok(damaged(0..end, fault)),
        };
        match Header::from_payload(payload) {
            Ok(header) if magic => Ok(Head { header: Some(header), damage: None, end }),
            Ok(header) => {
                let fault = Fault::Mark { what: "the magic of its frame" };
                Ok(Head { header: Some(header), ..damaged(0..SKIPPABLE_LEN, fault) })
            }
            Err(HeaderFault::Damaged(fault)) => Ok(damaged(0..end, fault)),
            Err(HeaderFault::OtherVersion(version)) => {
                Err(ArchiveError::UnsupportedVersion { version, supported: FORMAT_VERSION })
            }
        }
    }

    /// Finds the index by the trailer, or else by the frames.
    pub(crate) fn tail(&mut self, head: &Head) -> Result<Search, ArchiveError> {
        match self.tail_by_trailer(head)? {
            Some(tail) => Ok(Search::Found(tail)),
            None => self.tail_by_walk(head),
        }
    }

    /// Returns the tail that the trailer points to, if the root or the frame at that place confirms it.
    fn tail_by_trailer(&mut self, head: &Head) -> Result<Option<Tail>, ArchiveError> {
        let start = self.length.saturating_sub(wide(TRAILER_LEN));
        let Some(bytes) = self.place(start, wide(TRAILER_LEN))?.ok().and_then(|bytes| bytes.try_into().ok())
        else {
            return Ok(None);
        };
        let trailer = Trailer::decode(&bytes);
        let offset = trailer.index_offset;
        let space = self.length.checked_sub(offset).and_then(|space| space.checked_sub(SKIPPABLE_LEN));
        let Some(space) = space.filter(|space| (MIN_INDEX_LEN..=MAX_INDEX_LEN).contains(space)) else {
            return Ok(None);
        };
        if trailer.end_mark != END_MARK {
            return Ok(None);
        }
        let Ok(frame_start) = self.place(offset, SKIPPABLE_LEN)? else { return Ok(None) };
        let Ok(covered) = self.place(offset + SKIPPABLE_LEN, space - wide(TRAILER_LEN))? else {
            return Ok(None);
        };
        let length = u32::try_from(space).unwrap_or(u32::MAX).to_le_bytes();
        let framed = frame_start == [INDEX_FRAME_MAGIC, length].concat();
        if !framed && !rooted(head, &covered, &trailer) {
            return Ok(None);
        }
        let mut tail = Tail { offset, covered, trailer, damage: Vec::new() };
        if !framed {
            let fault = Fault::Mark { what: "magic or length of its frame" };
            tail.damage.push(Damage::new(Region::Index, offset..offset + SKIPPABLE_LEN, fault));
        }
        Ok(Some(tail))
    }

    /// Walks over the data frames to the index.
    fn tail_by_walk(&mut self, head: &Head) -> Result<Search, ArchiveError> {
        let (mut offset, mut frame) = (head.end, 0);
        self.seek(offset)?;
        let fault = loop {
            let step = match next_frame(self.read) {
                Err(error) if is_of_the_place(&error) => {
                    break Fault::Unreadable { message: error.to_string() };
                }
                step => step.map_err(ArchiveError::io("reading the archive"))?,
            };
            match step {
                Step::Frame(bytes) => offset += wide(bytes.len()),
                Step::Index => return self.tail_at(offset, head),
                Step::Cut if !self.ends_with_mark()? => return Ok(Search::Cut),
                Step::Cut => {
                    break Fault::Zstandard {
                        at: self.length.saturating_sub(offset),
                        what: "the frame has no end",
                    };
                }
                Step::Foreign { fault, .. } => break fault,
            }
            frame += 1;
        };
        let trailer = self.length.saturating_sub(wide(TRAILER_LEN))..self.length;
        Ok(Search::Lost(vec![
            Damage::new(Region::Frame(frame), offset.min(self.length)..self.length, fault),
            Damage::new(Region::Trailer, trailer, Fault::Mark { what: "what should lead to the index" }),
        ]))
    }

    /// Returns the tail whose frame begins at `offset`, although the end of the file does not point there.
    fn tail_at(&mut self, offset: u64, head: &Head) -> Result<Search, ArchiveError> {
        let payload = offset + SKIPPABLE_LEN;
        let lost = |fault| Ok(Search::Lost(vec![Damage::new(Region::Index, offset..payload, fault)]));
        let length = match self.place(offset + 4, 4)? {
            Ok(length) => length,
            Err(fault) => return lost(fault),
        };
        let Ok(length) = length.try_into() else {
            return Ok(Search::Cut);
        };
        let declared = u64::from(u32::from_le_bytes(length));
        if !(MIN_INDEX_LEN..=MAX_INDEX_LEN).contains(&declared) {
            return lost(Fault::OverLimit { what: "an index", length: declared, limit: MAX_INDEX_LEN });
        }
        let end = payload + declared;
        if end > self.length && !self.ends_with_mark()? {
            return Ok(Search::Cut);
        }
        if end > self.length {
            return lost(Fault::Length { declared, actual: self.length.saturating_sub(payload) });
        }
        let mut covered = match self.place(payload, declared)? {
            Ok(covered) => covered,
            Err(fault) => return lost(fault),
        };
        let split = covered.len().saturating_sub(TRAILER_LEN);
        let Ok(trailer) = covered.split_off(split).try_into() else {
            return Ok(Search::Cut);
        };
        let trailer = Trailer::decode(&trailer);
        if end < self.length && !rooted(head, &covered, &trailer) {
            return lost(Fault::Length { declared, actual: self.length - payload });
        }
        let mut damage = Vec::new();
        if trailer.index_offset != offset {
            let fault = Fault::IndexOffset { declared: trailer.index_offset };
            damage.push(Damage::new(Region::Trailer, end - 16..end - 8, fault));
        }
        if trailer.end_mark != END_MARK {
            let fault = Fault::Mark { what: "the end mark" };
            damage.push(Damage::new(Region::Trailer, end - 8..end, fault));
        }
        if end < self.length {
            let fault = Fault::TrailingBytes { count: self.length - end };
            damage.push(Damage::new(Region::Tail, end..self.length, fault));
        }
        Ok(Search::Found(Tail { offset, covered, trailer, damage }))
    }
}

/// Returns whether the trailer's root matches the header and this index.
fn rooted(head: &Head, covered: &[u8], trailer: &Trailer) -> bool {
    head.header.as_ref().is_some_and(|header| root(&header.payload, covered) == trailer.root)
}

impl Tail {
    /// Returns whether the root matches; false without a header to compare.
    pub(crate) fn rooted(&self, head: &Head) -> bool {
        rooted(head, &self.covered, &self.trailer)
    }

    /// Returns the index if it decodes and agrees with its place in the file.
    pub(crate) fn index(&self, header: Option<&Header>) -> Result<Index, Fault> {
        let index = Index::decode(&self.covered)?;
        let start = header.map_or_else(|| index.first_offset(self.offset), Header::end);
        index.check(start, self.offset)?;
        Ok(index)
    }

    /// Returns the bytes of the index payload in the file, without its trailer.
    pub(crate) fn index_bytes(&self) -> std::ops::Range<u64> {
        let start = self.offset + SKIPPABLE_LEN;
        start..start + wide(self.covered.len())
    }

    /// Returns where the whole frame ends.
    pub(crate) fn end(&self) -> u64 {
        self.index_bytes().end + wide(TRAILER_LEN)
    }
}

/// Reads as many bytes as a frame should have, in large pieces: a remote source gets few requests, and a
/// wrong length costs one piece of memory.
pub(crate) fn exactly<R: Read>(read: &mut R, count: u64) -> std::io::Result<Vec<u8>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let from = bytes.len();
        bytes.resize(count.min(from.saturating_add(PIECE)), 0);
        read.read_exact(&mut bytes[from..])?;
    }
    Ok(bytes)
}

/// Returns whether a failure concerns only this place of the source: a disk that fails here may be readable
/// elsewhere. A source that is gone or out of reach fails everywhere.
pub(crate) fn is_of_the_place(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{HostUnreachable, NotFound, PermissionDenied, StaleNetworkFileHandle};
    !matches!(error.kind(), HostUnreachable | NotFound | PermissionDenied | StaleNetworkFileHandle)
}
