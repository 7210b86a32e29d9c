//! Checks a whole archive, and reports where it is damaged.
//!
//! Invariants: every byte of the file is covered; the check does not stop at the first damage; a damaged part
//! is not used as evidence against a sound one: if the root does not match, the frames decide which parts of
//! the index are true.

use std::io::{Read, Seek};
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::format::{MAX_HEADER_LEN, SKIPPABLE_LEN, TRAILER_LEN, wide};
use crate::frame::{Examined, examine, sha256};
use crate::header::Header;
use crate::index::{FrameInfo, Index, Totals};
use crate::locate::{Head, Search, Source, Tail, exactly, is_of_the_place};
use crate::pipeline::Pipeline;
use crate::record::Contents;
use crate::survey::survey;
use crate::{ArchiveError, Damage, Fault, Metadata, Region, Summary};

/// The readable part of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readable {
    /// The number of data frames that are whole and sound.
    pub frames: u64,
    /// The number of records in them.
    pub records: u64,
    /// The SHA-256 of their contents, if no data frame before the end of the file or the index is damaged.
    pub identity: Option<[u8; 32]>,
}

/// The result of a whole check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an archive may be damaged though the check itself went well"]
pub struct VerifyReport {
    /// The length of the file.
    pub length: u64,
    /// The metadata, if the header is sound.
    pub metadata: Option<Metadata>,
    /// The numbers in the index, if it is usable; proven only if nothing is damaged.
    pub summary: Option<Summary>,
    /// What can be read.
    pub readable: Readable,
    /// Every damaged part, in file order.
    pub damage: Vec<Damage>,
}

impl VerifyReport {
    /// Returns whether every byte is as it was written.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.summary.is_some()
    }

    /// Returns the proven summary, or the first damage as an error.
    ///
    /// # Errors
    /// If anything is damaged, or the file has no usable index.
    pub fn into_result(self) -> Result<Summary, ArchiveError> {
        match (self.damage.into_iter().next(), self.summary) {
            (None, Some(summary)) => Ok(summary),
            (Some(damage), _) => Err(damage.into()),
            (None, None) => Err(ArchiveError::NotAnArchive { length: self.length }),
        }
    }
}

/// Checks a whole archive, and calls `on_progress(bytes done, bytes in all)` on the way.
///
/// Damage is part of the report, not an error.
///
/// # Errors
/// If the source fails, is not an archive of this version, or ends inside its header.
pub fn verify<R: Read + Seek>(
    read: R,
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, ArchiveError> {
    check(read, None, on_progress)
}

/// Checks an archive as [`verify`] does, for a caller who wrote it and knows its root. If the file has that
/// root, the index is what was written, and so is each frame whose bytes match their hash; its contents were
/// already compared when the frame was compressed.
///
/// # Errors
/// As [`verify`].
pub fn verify_written<R: Read + Seek>(
    read: R,
    root: [u8; 32],
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, ArchiveError> {
    check(read, Some(root), on_progress)
}

fn check<R: Read + Seek>(
    mut read: R,
    written: Option<[u8; 32]>,
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, ArchiveError> {
    let mut source = Source::new(&mut read)?;
    let mut head = source.head()?;
    let search = source.tail(&head)?;
    let mut report = VerifyReport {
        length: source.length,
        metadata: None,
        summary: None,
        readable: Readable::default(),
        damage: head.damage.iter().cloned().collect(),
    };
    match search {
        Search::Found(tail) => {
            report.damage.extend(tail.damage.iter().cloned());
            match tail.index(head.header.as_ref()) {
                Ok(index) => {
                    recover_header(&mut source, &mut head, &mut report, index.first_offset(tail.offset))?;
                    let mut check = Check::new(&index, &tail, tail.rooted(&head), written);
                    check.frames(&mut source, on_progress)?;
                    report.summary = Some(index.summary(tail.trailer.root, tail.end()));
                    report.readable = check.readable();
                    report.damage.extend(check.conclude(&head));
                }
                Err(fault) => {
                    report.damage.push(Damage::new(Region::Index, tail.index_bytes(), fault));
                    by_survey(&mut source, &head, &mut report, false, on_progress)?;
                }
            }
        }
        Search::Lost(damage) => {
            report.damage.extend(damage);
            by_survey(&mut source, &head, &mut report, false, on_progress)?;
        }
        Search::Cut => by_survey(&mut source, &head, &mut report, true, on_progress)?,
    }
    report.metadata = head.header.map(|header| header.metadata);
    report.damage.sort_by_key(|damage| damage.bytes.start);
    on_progress(report.length, report.length);
    Ok(report)
}

/// Takes the header's length from the index if the header's own frame declares a wrong one.
fn recover_header<R: Read + Seek>(
    source: &mut Source<'_, R>,
    head: &mut Head,
    report: &mut VerifyReport,
    end: u64,
) -> Result<(), ArchiveError> {
    let actual = end.saturating_sub(SKIPPABLE_LEN);
    if head.header.is_some() || actual > wide(MAX_HEADER_LEN) {
        return Ok(());
    }
    let Ok(payload) = source.place(SKIPPABLE_LEN, actual)? else { return Ok(()) };
    if let Ok(header) = Header::from_payload(payload) {
        head.header = Some(header);
        let fault = Fault::Length { declared: head.end - SKIPPABLE_LEN, actual };
        report.damage.retain(|damage| damage.region != Region::Header);
        report.damage.push(Damage::new(Region::Header, 0..SKIPPABLE_LEN, fault));
    }
    Ok(())
}

/// Fills the report from the frames alone.
fn by_survey<R: Read + Seek>(
    source: &mut Source<'_, R>,
    head: &Head,
    report: &mut VerifyReport,
    truncated: bool,
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ArchiveError> {
    let survey = survey(source, head.end, on_progress)?;
    let identity = survey.identity();
    report.readable = Readable { frames: survey.frames, records: survey.records, identity };
    if truncated {
        let fault = Fault::Truncated { whole_frames: survey.frames, records: survey.records };
        report.damage.push(Damage::new(Region::Tail, survey.end..source.length, fault));
    }
    report.damage.extend(survey.damage);
    Ok(())
}

/// The result of reading a frame.
enum Look {
    /// The frame has the bytes that were written.
    AsWritten,
    Examined(Examined),
}

impl Look {
    fn at(frame: &[u8], written: Option<[u8; 32]>) -> Self {
        match written {
            Some(hash) if sha256(frame) == hash => Self::AsWritten,
            _ => Self::Examined(examine(frame)),
        }
    }
}

/// The check of all frames against the index.
struct Check<'a> {
    index: &'a Index,
    tail: &'a Tail,
    rooted: bool,
    found: Totals,
    frames: u64,
    /// `None` if the identity follows from frames that are as they were written.
    identity: Option<Sha256>,
    damage: Vec<Damage>,
    frame_damaged: bool,
}

impl<'a> Check<'a> {
    fn new(index: &'a Index, tail: &'a Tail, rooted: bool, written: Option<[u8; 32]>) -> Self {
        let found = Totals::default();
        let is_known = rooted && written == Some(tail.trailer.root);
        let identity = (!is_known).then(Sha256::new);
        Self { index, tail, rooted, found, frames: 0, identity, damage: Vec::new(), frame_damaged: false }
    }

    fn frames<R: Read + Seek>(
        &mut self,
        source: &mut Source<'_, R>,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ArchiveError> {
        let index = self.index;
        let is_known = self.identity.is_none();
        let mut pipeline: Pipeline<Result<Look, Fault>> = Pipeline::new(0);
        let mut waiting = index.frames.iter().zip(0..);
        let mut settle = |check: &mut Self, result, length| {
            if let Some((entry, number)) = waiting.next() {
                check.settle(number, entry, result);
                on_progress(entry.bytes().end, length);
            }
        };
        for entry in &index.frames {
            let size = entry.compressed.saturating_add(entry.uncompressed);
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            while pipeline.is_full(size)
                && let Some(result) = pipeline.take()
            {
                settle(self, result, source.length);
            }
            // A disk that fails at one place may be readable at the next.
            let bytes = source.seek(entry.offset).and_then(|()| {
                exactly(source.read, entry.compressed).map_err(ArchiveError::io("reading a frame"))
            });
            match bytes {
                Ok(bytes) => {
                    let written = is_known.then_some(entry.compressed_sha256);
                    pipeline.put(size, move || Ok(Look::at(&bytes, written)));
                }
                Err(ArchiveError::Io { source, .. }) if is_of_the_place(&source) => {
                    let message = source.to_string();
                    pipeline.put(size, || Err(Fault::Unreadable { message }));
                }
                Err(error) => return Err(error),
            }
        }
        while let Some(result) = pipeline.take() {
            settle(self, result, source.length);
        }
        Ok(())
    }

    fn settle(&mut self, number: u64, entry: &FrameInfo, result: Result<Look, Fault>) {
        let contents = result.and_then(|look| {
            let examined = match look {
                Look::AsWritten => return Ok(None),
                Look::Examined(examined) => examined,
            };
            if self.rooted {
                return examined.accept(entry).map(Some);
            }
            // The index is in doubt and the frame has its own checksum: the frame decides.
            if let Some(field) = examined.difference(entry) {
                let fault = Fault::Entry { frame: number, field };
                self.damage.push(Damage::new(Region::Index, self.tail.index_bytes(), fault));
            }
            Ok(Some(examined.own?.0))
        });
        match contents {
            Ok(Some(contents)) => self.add(&contents),
            Ok(None) => {
                self.frames += 1;
                self.found.records += entry.records;
            }
            Err(fault) => {
                let keys = Some((entry.first_key.clone(), entry.last_key.clone()));
                let records = Some(entry.records);
                let (region, bytes) = (Region::Frame(number), entry.bytes());
                self.damage.push(Damage { region, bytes, keys, records, fault });
                self.frame_damaged = true;
            }
        }
    }

    fn add(&mut self, contents: &Contents) {
        self.frames += 1;
        self.found.records += wide(contents.len());
        self.found.key_bytes += contents.key_bytes;
        self.found.value_bytes += contents.value_bytes;
        self.found.uncompressed += wide(contents.plain().len());
        if let Some(identity) = &mut self.identity {
            identity.update(contents.plain());
        }
    }

    fn identity(&self) -> Option<[u8; 32]> {
        let of_stream = |identity: &Sha256| identity.clone().finalize().into();
        (!self.frame_damaged).then(|| self.identity.as_ref().map_or(self.index.identity, of_stream))
    }

    fn readable(&self) -> Readable {
        Readable { frames: self.frames, records: self.found.records, identity: self.identity() }
    }

    /// Adds what all frames together show about totals, identity and root, and returns the damage.
    fn conclude(mut self, head: &Head) -> Vec<Damage> {
        let index_bytes = self.tail.index_bytes();
        if let Some(identity) = self.identity() {
            if self.identity.is_some() && self.found != self.index.totals {
                let fault = Fault::Total { field: "key and value bytes" };
                self.damage.push(Damage::new(Region::Index, index_bytes.clone(), fault));
            }
            if identity != self.index.identity {
                self.damage.push(Damage::new(Region::Index, index_bytes.clone(), Fault::Identity));
            }
        }
        if self.rooted || head.header.is_none() {
            return self.damage;
        }
        let root: Range<u64> = index_bytes.end..index_bytes.end + wide(TRAILER_LEN) - 16;
        if self.damage.is_empty() {
            // Header, frames and index agree with each other: only the root itself changed.
            self.damage.push(Damage::new(Region::Trailer, root, Fault::Root));
        } else if self.frame_damaged {
            self.damage.push(Damage::new(Region::Index, index_bytes.start..root.end, Fault::Root));
        }
        self.damage
    }
}
