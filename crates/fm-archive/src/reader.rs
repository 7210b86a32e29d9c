//! Reading a whole archive from any key.
//!
//! Invariants: opening proves header and index by the root; no record of a frame is handed out before the
//! frame's hashes and all its records were checked against the index; one frame is in memory at a time.

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

/// Reads an archive from `R`, which holds nothing but the archive.
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
    pub fn open_path(path: impl AsRef<Path>) -> Result<Self, ArchiveError> {
        Self::open(File::open(path).map_err(ArchiveError::io("opening the archive"))?)
    }
}

impl<R: Read + Seek> ArchiveReader<R> {
    /// Opens an archive: header, trailer, index, root, and all the index's arithmetic.
    ///
    /// A truncated file is read from its start to its end, to say how much of it is whole.
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

    /// What the archive says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What the archive holds, in numbers.
    ///
    /// They are the writer's numbers, covered by the root; that the records add up to them is what
    /// [`verify`](crate::verify) proves.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The index, frame by frame.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.index.frames
    }

    /// The value of a key.
    ///
    /// The last frame stays in memory, so that keys close to each other cost one decompression.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        let frame = self.frame_from(key);
        if self.index.frames.get(frame).is_none_or(|entry| entry.first_key.as_slice() > key) {
            return Ok(None);
        }
        let contents = self.load(frame)?;
        let found = contents.record(contents.lower_bound(key)).filter(|(found, _)| *found == key);
        Ok(found.map(|(_, value)| value.to_vec()))
    }

    /// All records from the first key that is `from` or greater.
    pub fn range(&mut self, from: &[u8]) -> Records<'_, R> {
        Records::new(self, from.to_vec(), None)
    }

    /// All records whose key begins with `prefix`.
    pub fn prefix(&mut self, prefix: &[u8]) -> Records<'_, R> {
        Records::new(self, prefix.to_vec(), Some(prefix.to_vec()))
    }

    /// The records from the first key that is `from` or greater, up to but without `to`; frames are opened ahead on all
    /// cores.
    pub fn into_range(self, from: &[u8], to: Option<&[u8]>) -> IntoRecords<R> {
        IntoRecords::new(self, from, to)
    }

    /// The same archive, read through something else: `change` makes it of the source.
    pub fn with_source<S>(self, change: impl FnOnce(R) -> S) -> ArchiveReader<S> {
        let Self { read, length, metadata, index, summary, cached } = self;
        ArchiveReader { read: change(read), length, metadata, index, summary, cached }
    }

    /// Gives the source back.
    pub fn into_inner(self) -> R {
        self.read
    }

    /// Number of the first frame that may hold `key` or a greater one.
    pub(crate) fn frame_from(&self, key: &[u8]) -> usize {
        self.index.frames.partition_point(|entry| entry.last_key.as_slice() < key)
    }

    /// The checked contents of a frame of the index.
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

    /// The bytes of a frame, unchecked.
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
