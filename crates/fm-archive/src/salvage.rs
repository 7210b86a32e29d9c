//! Reads the records of a truncated archive's whole frames in order, for a repair or a resumption.
//!
//! Invariants: a frame's records are handed out only after the whole frame was checked by its own checksum
//! and its records; nothing after a damaged frame is handed out, so what was read is a prefix of what was
//! written. Without the index there is no SHA-256: a salvage detects accidents, but not forgeries, and not a
//! missing whole frame in the middle.

use std::io::Read;

use crate::format::{FORMAT_VERSION, HEADER_FRAME_MAGIC, HEADER_MARK, MAX_HEADER_LEN, SKIPPABLE_LEN, wide};
use crate::frame::unpack;
use crate::header::{Header, HeaderFault};
use crate::record::Contents;
use crate::walk::{Step, fill, next_frame};
use crate::{ArchiveError, Damage, Fault, Metadata, Record, Region};

/// Where the data frames of an archive end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At an index frame (whose contents a salvage does not read): no data frame is missing.
    Index,
    /// At the end of the file, or inside a frame that the file does not hold completely.
    Cut,
}

/// An iterator over the records of whole frames.
#[derive(Debug)]
pub struct Salvage<R> {
    source: R,
    metadata: Metadata,
    contents: Option<Contents>,
    record: usize,
    last_key: Option<Vec<u8>>,
    whole_frames: u64,
    records: u64,
    at_byte: u64,
    ending: Option<Ending>,
    over: bool,
}

/// Starts to read an archive from its first byte, without its end. The header must be sound.
///
/// # Errors
/// If the source fails, or does not begin with the whole, sound header of an archive of this version.
pub fn salvage<R: Read>(mut source: R) -> Result<Salvage<R>, ArchiveError> {
    let mut start = Vec::new();
    let reading = ArchiveError::io("reading the header");
    let whole = fill(&mut source, &mut start, 16).map_err(&reading)?;
    if !whole || start[8..] != HEADER_MARK {
        return Err(ArchiveError::NotAnArchive { length: wide(start.len()) });
    }
    let damaged = |bytes, fault| ArchiveError::from(Damage::new(Region::Header, bytes, fault));
    let mut payload = start.split_off(8);
    if start[..4] != HEADER_FRAME_MAGIC {
        return Err(damaged(0..SKIPPABLE_LEN, Fault::Mark { what: "the magic of its frame" }));
    }
    let declared = u64::from(u32::from_le_bytes([start[4], start[5], start[6], start[7]]));
    let limit = wide(MAX_HEADER_LEN);
    let length = usize::try_from(declared).ok().filter(|length| *length <= MAX_HEADER_LEN);
    let Some(length) = length else {
        return Err(damaged(
            0..SKIPPABLE_LEN,
            Fault::OverLimit { what: "a header", length: declared, limit },
        ));
    };
    if !fill(&mut source, &mut payload, length).map_err(&reading)? {
        let length = SKIPPABLE_LEN + wide(payload.len());
        return Err(ArchiveError::Truncated { whole_frames: 0, records: 0, at_byte: 0, length });
    }
    let end = SKIPPABLE_LEN + declared;
    let header = Header::from_payload(payload).map_err(|fault| match fault {
        HeaderFault::Damaged(fault) => damaged(0..end, fault),
        HeaderFault::OtherVersion(version) => {
            ArchiveError::UnsupportedVersion { version, supported: FORMAT_VERSION }
        }
    })?;
    Ok(Salvage {
        source,
        metadata: header.metadata,
        contents: None,
        record: 0,
        last_key: None,
        whole_frames: 0,
        records: 0,
        at_byte: end,
        ending: None,
        over: false,
    })
}

impl<R: Read> Salvage<R> {
    /// Returns the archive's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the number of whole frames so far.
    pub fn whole_frames(&self) -> u64 {
        self.whole_frames
    }

    /// Returns the number of records in the whole frames so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns where the last whole frame ends in the file (the header, before the first frame).
    pub fn at_byte(&self) -> u64 {
        self.at_byte
    }

    /// Returns where the frames end, after the iteration got there; `None` before that and after an error.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Reads the next whole frame into `contents`; returns false at the end.
    fn next_contents(&mut self) -> Result<bool, ArchiveError> {
        let step = next_frame(&mut self.source).map_err(ArchiveError::io("reading a frame"))?;
        let (length, result) = match step {
            Step::Frame(frame) => (wide(frame.len()), unpack(&frame)),
            Step::Foreign { seen, fault } => (seen, Err(fault)),
            Step::Index | Step::Cut => {
                let index = matches!(step, Step::Index);
                self.ending = Some(if index { Ending::Index } else { Ending::Cut });
                return Ok(false);
            }
        };
        let ordered = result.and_then(|contents| {
            let ascends = self.last_key.as_deref().is_none_or(|last| last < contents.first_key());
            if ascends { Ok(contents) } else { Err(Fault::RecordOrder { record: 0 }) }
        });
        let end = self.at_byte + length;
        let contents = ordered
            .map_err(|fault| Damage::new(Region::Frame(self.whole_frames), self.at_byte..end, fault))?;
        self.at_byte = end;
        self.whole_frames += 1;
        self.records += wide(contents.len());
        self.last_key = Some(contents.last_key().to_vec());
        self.contents = Some(contents);
        self.record = 0;
        Ok(true)
    }

    fn step(&mut self) -> Result<Option<Record>, ArchiveError> {
        loop {
            if let Some((key, value)) = self.contents.as_ref().and_then(|all| all.record(self.record)) {
                let record = (key.to_vec(), value.to_vec());
                self.record += 1;
                return Ok(Some(record));
            }
            if !self.next_contents()? {
                return Ok(None);
            }
        }
    }
}

impl<R: Read> Iterator for Salvage<R> {
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
