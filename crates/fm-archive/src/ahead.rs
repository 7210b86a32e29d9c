//! Records in key order, with frames opened ahead on all cores.
//!
//! Invariants: the first frame is opened alone, and no frame after the range is opened, so that a short range
//! costs no more than itself; memory is a few frames per core; an error ends the iteration, so a gap is never
//! skipped silently.

use std::fmt;
use std::io::{Read, Seek};
use std::ops::ControlFlow;

use crate::frame::examine;
use crate::pipeline::Pipeline;
use crate::record::Contents;
use crate::{ArchiveError, ArchiveReader, Record};

/// An iterator over the records of an archive that owns its reader.
pub struct IntoRecords<R> {
    reader: ArchiveReader<R>,
    /// The first key to read, until the first frame is opened.
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    /// The next frame to open, and the frame before which to end.
    frame: usize,
    end: usize,
    pipeline: Pipeline<Result<Contents, ArchiveError>>,
    contents: Option<Contents>,
    record: usize,
    over: bool,
}

impl<R> fmt::Debug for IntoRecords<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoRecords")
            .field("frame", &self.frame)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl<R: Read + Seek> IntoRecords<R> {
    pub(crate) fn new(reader: ArchiveReader<R>, from: &[u8], to: Option<&[u8]>) -> Self {
        let frames = reader.frames();
        let frame = reader.frame_from(from);
        let end =
            to.map_or(frames.len(), |to| frames.partition_point(|entry| entry.first_key.as_slice() < to));
        Self {
            reader,
            from: Some(from.to_vec()),
            to: to.map(<[u8]>::to_vec),
            frame,
            end,
            pipeline: Pipeline::new(0),
            contents: None,
            record: 0,
            over: false,
        }
    }

    /// Calls `on` with each record, without copying it, until `on` stops the iteration.
    ///
    /// # Errors
    /// If the source fails, or a frame is damaged.
    pub fn visit(mut self, mut on: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<(), ArchiveError> {
        while self.find()? {
            let Some((key, value)) = self.current() else { break };
            if on(key, value).is_break() {
                break;
            }
            self.record += 1;
        }
        Ok(())
    }

    /// Returns whether there is another record, and opens its frame.
    fn find(&mut self) -> Result<bool, ArchiveError> {
        loop {
            if let Some((key, _)) = self.current() {
                return Ok(self.to.as_deref().is_none_or(|to| key < to));
            }
            self.open_ahead();
            let Some(contents) = self.pipeline.take().transpose()? else { return Ok(false) };
            self.record = self.from.take().map_or(0, |from| contents.lower_bound(&from));
            self.contents = Some(contents);
        }
    }

    fn current(&self) -> Option<(&[u8], &[u8])> {
        self.contents.as_ref()?.record(self.record)
    }

    fn step(&mut self) -> Result<Option<Record>, ArchiveError> {
        if !self.find()? {
            return Ok(None);
        }
        let record = self.current().map(|(key, value)| (key.to_vec(), value.to_vec()));
        self.record += 1;
        Ok(record)
    }

    /// Passes frames to the pool: the first one alone, then as many as it has room for.
    fn open_ahead(&mut self) {
        while self.frame < self.end {
            let entry = self.reader.frames()[self.frame].clone();
            let size =
                usize::try_from(entry.compressed.saturating_add(entry.uncompressed)).unwrap_or(usize::MAX);
            if self.pipeline.is_full(size) {
                return;
            }
            let number = self.frame;
            self.frame += 1;
            match self.reader.frame_bytes(number) {
                Ok(bytes) => self.pipeline.put(size, move || {
                    examine(&bytes).accept(&entry).map_err(|fault| entry.damage(number, fault).into())
                }),
                Err(error) => self.pipeline.put(0, move || Err(error)),
            }
            if self.from.is_some() {
                return;
            }
        }
    }
}

impl<R: Read + Seek> Iterator for IntoRecords<R> {
    type Item = Result<Record, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let record = self.step();
        self.over = !matches!(record, Ok(Some(_)));
        record.transpose()
    }
}
