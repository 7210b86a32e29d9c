//! Reads all data frames from the start and checks each by itself, for files without a usable index.
//!
//! Invariants: a damaged frame whose end is known is listed and skipped; the survey ends where no further
//! frame can be found; frames are checked on all cores, a few at a time.

use std::io::{Read, Seek};
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::format::wide;
use crate::frame::unpack;
use crate::locate::{Source, is_of_the_place};
use crate::pipeline::Pipeline;
use crate::record::Contents;
use crate::walk::{Step, next_frame};
use crate::{ArchiveError, Damage, Fault, Region};

/// The result of a survey.
#[derive(Default)]
pub(crate) struct Survey {
    /// The number of whole and sound frames.
    pub(crate) frames: u64,
    /// The number of records in them.
    pub(crate) records: u64,
    /// Where the last data frame with a whole structure ends.
    pub(crate) end: u64,
    /// The frames that have a whole structure but are damaged.
    pub(crate) damage: Vec<Damage>,
    identity: Sha256,
    last_key: Option<Vec<u8>>,
}

impl Survey {
    /// Returns the SHA-256 of the record stream, if none of its frames is damaged.
    pub(crate) fn identity(&self) -> Option<[u8; 32]> {
        self.damage.is_empty().then(|| self.identity.clone().finalize().into())
    }

    fn add(&mut self, number: u64, bytes: Range<u64>, result: Result<Contents, Fault>) {
        self.end = bytes.end;
        let ordered = result.and_then(|contents| {
            let ascends = self.last_key.as_deref().is_none_or(|last| last < contents.first_key());
            if ascends { Ok(contents) } else { Err(Fault::RecordOrder { record: 0 }) }
        });
        match ordered {
            Ok(contents) => {
                self.frames += 1;
                self.records += wide(contents.len());
                self.identity.update(contents.plain());
                self.last_key = Some(contents.last_key().to_vec());
            }
            Err(fault) => self.damage.push(Damage::new(Region::Frame(number), bytes, fault)),
        }
    }
}

/// Surveys the frames from byte `start` on.
pub(crate) fn survey<R: Read + Seek>(
    source: &mut Source<'_, R>,
    start: u64,
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<Survey, ArchiveError> {
    type Job = (u64, Range<u64>, Result<Contents, Fault>);
    let mut survey = Survey { end: start.min(source.length), ..Survey::default() };
    let mut pipeline: Pipeline<Job> = Pipeline::new(0);
    let (mut offset, mut number) = (start, 0);
    source.seek(start)?;
    loop {
        let frame = match next_frame(source.read) {
            Ok(Step::Frame(frame)) => frame,
            Ok(_) => break,
            Err(error) if !is_of_the_place(&error) => {
                return Err(ArchiveError::Io { doing: "reading a frame", source: error });
            }
            Err(error) => {
                let fault = Fault::Unreadable { message: error.to_string() };
                let bytes = offset.min(source.length)..source.length;
                survey.damage.push(Damage::new(Region::Frame(number), bytes, fault));
                break;
            }
        };
        let (this, bytes, size) = (number, offset..offset + wide(frame.len()), frame.len());
        (number, offset) = (number + 1, bytes.end);
        if pipeline.is_full(size)
            && let Some((number, bytes, result)) = pipeline.take()
        {
            on_progress(bytes.end, source.length);
            survey.add(number, bytes, result);
        }
        pipeline.put(size, move || (this, bytes, unpack(&frame)));
    }
    while let Some((number, bytes, result)) = pipeline.take() {
        on_progress(bytes.end, source.length);
        survey.add(number, bytes, result);
    }
    Ok(survey)
}
