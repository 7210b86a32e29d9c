//! Reads a whole archive from any key.
//!
//! Invariants: opening proves header and index by the root; a record is handed out only after the hashes and
//! all records of its frame were checked against the index; one frame is in memory at a time.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::frame::examine;
use crate::index::{FrameInfo, Index};
use crate::locate::{Search, Source, exactly};
use crate::range::Records;
use crate::record::Contents;
use crate::survey::survey;
use crate::{ArchiveError, Damage, Fault, IntoRecords, Metadata, Region, Summary};

/// A reader of an archive in `R`, which holds nothing else.
#[derive(Debug)]
pub struct ArchiveReader<R> {
    read: R,
    length: u64,
    metadata: Metadata,
    index: Index,
    summary: Summary,
    cached: Option<(usize, Contents)>,
}

impl ArchiveReader<File> {
    /// Opens the archive in a file.
    ///
    /// # Errors
    /// If the file cannot be opened; otherwise as [`open`](Self::open).
    pub fn open_path(path: impl AsRef<Path>) -> Result<Self, ArchiveError> {
        Self::open(File::open(path).map_err(ArchiveError::io("opening the archive"))?)
    }
}

impl<R: Read + Seek> ArchiveReader<R> {
    /// Opens an archive: checks header, trailer, index, root, and all numbers of the index.
    ///
    /// Reads a truncated file from start to end, to report how much of it is whole.
    ///
    /// # Errors
    /// If the source fails, is not an archive of this version, is truncated, or its header or index is
    /// damaged.
    pub fn open(mut read: R) -> Result<Self, ArchiveError> {
        let mut source = Source::new(&mut read)?;
        let head = source.head()?;
        if let Some(damage) = head.damage {
            return Err(damage.into());
        }
        let tail = match source.tail(&head)? {
            Search::Found(tail) => tail,
            Search::Lost(damage) => return Err(first(damage)),
            Search::Cut => {
                let survey = survey(&mut source, head.end, &mut |_, _| {})?;
                let fault = Fault::Truncated { whole_frames: survey.frames, records: survey.records };
                let cut = Damage::new(Region::Tail, survey.end..source.length, fault);
                return Err(first(survey.damage.into_iter().chain([cut])));
            }
        };
        if !tail.damage.is_empty() {
            return Err(first(tail.damage));
        }
        if !tail.rooted(&head) {
            let bytes = tail.index_bytes().start..tail.end() - 16;
            return Err(Damage::new(Region::Index, bytes, Fault::Root).into());
        }
        let index = tail
            .index(head.header.as_ref())
            .map_err(|fault| Damage::new(Region::Index, tail.index_bytes(), fault))?;
        let summary = index.summary(tail.trailer.root, source.length);
        let metadata = head.header.map(|header| header.metadata).unwrap_or_default();
        let length = source.length;
        Ok(Self { read, length, metadata, index, summary, cached: None })
    }

    /// Returns the archive's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns what the archive holds, in numbers.
    ///
    /// The numbers are the writer's and covered by the root; [`verify`](crate::verify) proves that the
    /// records add up to them.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Returns the index entries, frame by frame.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.index.frames
    }

    /// Returns the value of a key.
    ///
    /// The last frame stays in memory, so that keys close to each other cost one decompression.
    ///
    /// # Errors
    /// If the source fails, or the frame that may hold the key is damaged.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        let frame = self.frame_from(key);
        if self.index.frames.get(frame).is_none_or(|entry| entry.first_key.as_slice() > key) {
            return Ok(None);
        }
        let contents = self.load(frame)?;
        let found = contents.record(contents.lower_bound(key)).filter(|(found, _)| *found == key);
        Ok(found.map(|(_, value)| value.to_vec()))
    }

    /// Returns all records from the first key that is `from` or greater.
    pub fn range(&mut self, from: &[u8]) -> Records<'_, R> {
        Records::new(self, from.to_vec(), None)
    }

    /// Returns all records whose keys begin with `prefix`.
    pub fn prefix(&mut self, prefix: &[u8]) -> Records<'_, R> {
        Records::new(self, prefix.to_vec(), Some(prefix.to_vec()))
    }

    /// Returns the records from the first key that is `from` or greater, up to but excluding `to`. Opens
    /// frames ahead on all cores.
    pub fn into_range(self, from: &[u8], to: Option<&[u8]>) -> IntoRecords<R> {
        IntoRecords::new(self, from, to)
    }

    /// Returns the same archive with another source, which `change` makes from the present one.
    pub fn with_source<S>(self, change: impl FnOnce(R) -> S) -> ArchiveReader<S> {
        let Self { read, length, metadata, index, summary, cached } = self;
        ArchiveReader { read: change(read), length, metadata, index, summary, cached }
    }

    /// Returns the source.
    pub fn into_inner(self) -> R {
        self.read
    }

    /// Returns the number of the first frame that may hold `key` or a greater one.
    pub(crate) fn frame_from(&self, key: &[u8]) -> usize {
        self.index.frames.partition_point(|entry| entry.last_key.as_slice() < key)
    }

    /// Returns the checked contents of a frame.
    pub(crate) fn load(&mut self, frame: usize) -> Result<&Contents, ArchiveError> {
        let contents = match self.cached.take() {
            Some((number, contents)) if number == frame => contents,
            _ => self.read_frame(frame)?,
        };
        Ok(&self.cached.insert((frame, contents)).1)
    }

    fn read_frame(&mut self, frame: usize) -> Result<Contents, ArchiveError> {
        let bytes = self.frame_bytes(frame)?;
        let entry = &self.index.frames[frame];
        examine(&bytes).accept(entry).map_err(|fault| entry.damage(frame, fault).into())
    }

    /// Returns the bytes of a frame, unchecked.
    pub(crate) fn frame_bytes(&mut self, frame: usize) -> Result<Vec<u8>, ArchiveError> {
        let entry = &self.index.frames[frame];
        let mut source = Source { read: &mut self.read, length: self.length };
        source.seek(entry.offset)?;
        exactly(source.read, entry.compressed).map_err(ArchiveError::io("reading a frame"))
    }
}

fn first(damage: impl IntoIterator<Item = Damage>) -> ArchiveError {
    damage.into_iter().next().expect("the caller has a damage to report").into()
}
