//! Records in key order, from any key on.
//!
//! Invariants: memory does not grow with the number of records; an error ends the iteration, so a gap is
//! never skipped silently.

use std::io::{Read, Seek};

use crate::{ArchiveError, ArchiveReader, Record};

/// An iterator over the records of an archive.
#[derive(Debug)]
pub struct Records<'a, R> {
    reader: &'a mut ArchiveReader<R>,
    /// The first key to read, until the first frame is loaded.
    from: Option<Vec<u8>>,
    prefix: Option<Vec<u8>>,
    frame: usize,
    record: usize,
    over: bool,
}

impl<'a, R: Read + Seek> Records<'a, R> {
    pub(crate) fn new(reader: &'a mut ArchiveReader<R>, from: Vec<u8>, prefix: Option<Vec<u8>>) -> Self {
        let frame = reader.frame_from(&from);
        Self { reader, from: Some(from), prefix, frame, record: 0, over: false }
    }

    fn step(&mut self) -> Result<Option<Record>, ArchiveError> {
        while self.frame < self.reader.frames().len() {
            let contents = self.reader.load(self.frame)?;
            if let Some(from) = self.from.take() {
                self.record = contents.lower_bound(&from);
            }
            if let Some((key, value)) = contents.record(self.record) {
                self.record += 1;
                let wanted = self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix));
                return Ok(wanted.then(|| (key.to_vec(), value.to_vec())));
            }
            self.frame += 1;
            self.record = 0;
        }
        Ok(None)
    }
}

impl<R: Read + Seek> Iterator for Records<'_, R> {
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
