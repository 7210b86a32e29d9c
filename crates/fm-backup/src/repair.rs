//! `repair`: makes a damaged archive whole with what other copies of it hold.
//!
//! A copy whose header and index are sound is the plan: its index has the hash of every frame, so what
//! another copy has for a frame is proven to be what was written there. Invariants: no copy is written; the
//! result has the identity of the plan, or there is no result; a plan is taken from another file only if the
//! damaged archive's own header, index or records show that it is a copy.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fm_archive::{ArchiveError, ArchiveReader, ArchiveWriter, FrameInfo, Options, Record, Summary, salvage};
use fm_audit::{AuditError, Control, Medium, ReadSeek, StateIdentity};
use fm_history::Hash;

use crate::joined::Joined;
use crate::kinship::Kin;
use crate::sealed::Payload;
use crate::{BackupError, DEFAULT_LEVEL, Location, Unfit};

/// A frame that the damaged archive does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameLoss {
    /// The number of the frame.
    pub frame: u64,
    /// The first key.
    pub first_key: Vec<u8>,
    /// The last key.
    pub last_key: Vec<u8>,
    /// The number of records.
    pub records: u64,
    /// The copy that has the frame; `None` if it is lost.
    pub found_in: Option<PathBuf>,
}

/// The result of a repair.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// The copy whose index was followed.
    pub plan: PathBuf,
    /// The identity of the archive as it was first written.
    pub identity: Hash,
    /// The history root that the plan's header states.
    pub history_root: Option<String>,
    /// The number of frames.
    pub frames: u64,
    /// The frames that the damaged archive does not have.
    pub losses: Vec<FrameLoss>,
    /// Whether the damaged archive's header or index is damaged.
    pub index_damaged: bool,
    /// The copy whose key opens the damaged archive, if that is encrypted and its own key is lost.
    pub key_from: Option<PathBuf>,
    /// The new archive, if one was requested and nothing is lost.
    pub written: Option<Summary>,
    /// What remains of the work in the store because it may not be removed, in a sentence.
    pub left: Option<String>,
}

impl Repaired {
    /// Returns whether the archive had no damage at all.
    pub fn was_whole(&self) -> bool {
        self.losses.is_empty() && !self.index_damaged && self.key_from.is_none()
    }

    /// Returns the frames that no copy has.
    pub fn lost(&self) -> impl Iterator<Item = &FrameLoss> {
        self.losses.iter().filter(|loss| loss.found_in.is_none())
    }
}

/// Finds the damaged parts of `broken` and the copies among `others` that have them; writes the whole archive
/// to `target`, if given.
///
/// # Errors
/// If no copy has a sound index, another archive is among the copies, or the target cannot be written.
pub fn repair(
    broken: &Location,
    others: &[Location],
    target: Option<&Location>,
    control: Control<'_>,
) -> Result<Repaired, BackupError> {
    let mut copies = open_all(std::iter::once(broken).chain(others))?;
    copies.extend(joined(&copies)?);
    let Some(plan) = copies.iter().position(|copy| copy.reader.is_some()) else {
        return Err(no_plan(broken.path(), &copies));
    };
    let index_damaged = copies[0].reader.is_none();
    if index_damaged {
        check_kinship(&mut copies, control)?;
    }
    let (plan_path, key_from) = (copies[plan].path.clone(), copies[0].key_from.clone());
    let Some(reader) = &copies[plan].reader else { return Err(no_plan(broken.path(), &copies)) };
    let (frames, summary, metadata) =
        (reader.frames().to_vec(), reader.summary().clone(), reader.metadata().clone());
    check_same(&copies, summary.identity)?;
    let mut losses = Vec::new();
    control.progress.begin("frames", "frames", Some(summary.frames));
    for (number, frame) in (0u64..).zip(&frames) {
        control.check()?;
        control.progress.advance(1);
        let found_in = find(&mut copies, frame, control)?.map(|(copy, _)| copy);
        if found_in != Some(0) {
            losses.push(FrameLoss {
                frame: number,
                first_key: frame.first_key.clone(),
                last_key: frame.last_key.clone(),
                records: frame.records,
                found_in: found_in.map(|copy| copies[copy].path.clone()),
            });
        }
    }
    control.progress.end();
    let mut repaired = Repaired {
        plan: plan_path,
        identity: Hash(summary.identity),
        history_root: metadata.get("history_root").map(str::to_owned),
        frames: summary.frames,
        losses,
        index_damaged,
        key_from,
        written: None,
        left: None,
    };
    if let Some(target) = target.filter(|_| !repaired.was_whole() && repaired.lost().next().is_none()) {
        let (written, left) = write(&mut copies, &frames, &metadata, &summary, target, control)?;
        (repaired.written, repaired.left) = (Some(written), left);
    }
    Ok(repaired)
}

/// A copy of the archive, in any state.
struct Copy {
    path: PathBuf,
    location: Location,
    /// The key that opens it, if it is encrypted.
    payload: Option<Arc<Payload>>,
    /// The copy that the key is from, if the key in this one is lost.
    key_from: Option<PathBuf>,
    /// The reader, if header and index are sound.
    reader: Option<ArchiveReader<Box<dyn ReadSeek>>>,
    /// Why there is no reader.
    error: Option<ArchiveError>,
}

/// Opens all copies; an encrypted one whose own header is lost is opened with the key of another copy.
fn open_all<'a>(locations: impl Iterator<Item = &'a Location>) -> Result<Vec<Copy>, BackupError> {
    let locations: Vec<&Location> = locations.collect();
    let payloads: Vec<_> = locations.iter().map(|location| location.payload()).collect();
    let opened = |(location, payload): (&&Location, &Result<Option<Arc<Payload>>, _>)| {
        Some((location.path().to_owned(), payload.as_ref().ok()?.clone()?))
    };
    let known: Vec<(PathBuf, Arc<Payload>)> = locations.iter().zip(&payloads).filter_map(opened).collect();
    let mut copies = Vec::new();
    for (location, payload) in locations.into_iter().zip(payloads) {
        let is_headless = match &payload {
            Ok(payload) => payload.is_none() && Copy::open(location, None).is_err(),
            Err(error) => matches!(error, BackupError::SealDamaged { .. } | BackupError::WrongKey { .. }),
        };
        let mut found = None;
        for (path, known) in known.iter().filter(|_| is_headless) {
            if let Some(as_known) = location.opened_as(known)? {
                let copy = Copy::open(&as_known, Some(Arc::clone(known)))?;
                found = Some(Copy { key_from: Some(path.clone()), ..copy });
                break;
            }
        }
        copies.push(match found {
            Some(copy) => copy,
            None => Copy::open(location, payload.map_err(without_key)?)?,
        });
    }
    Ok(copies)
}

/// Returns the error for an encrypted file whose key is lost and is in none of the copies.
fn without_key(error: BackupError) -> BackupError {
    match error {
        BackupError::SealDamaged { path } => BackupError::not_fit(&path, Unfit::KeyLost),
        error => error,
    }
}

/// Returns the encrypted copies read as one, if there are several: undamaged chunks have the same bytes in
/// all of them.
fn joined(copies: &[Copy]) -> Result<Option<Copy>, BackupError> {
    let sealed: Vec<&Copy> = copies.iter().filter(|copy| copy.payload.is_some()).collect();
    let [first, _, ..] = sealed.as_slice() else { return Ok(None) };
    let media = sealed.iter().map(|copy| copy.location.open()).collect::<Result<Vec<_>, _>>();
    let names: Vec<String> = sealed.iter().map(|copy| copy.path.display().to_string()).collect();
    let path = PathBuf::from(names.join(" with "));
    let failed = |source| BackupError::File { path: first.path.clone(), source };
    let bytes: Box<dyn ReadSeek> = Box::new(media.and_then(Joined::new).map_err(failed)?);
    // Copies that do not open together are of different archives, or are damaged at the same places.
    let Ok(reader) = ArchiveReader::open(bytes) else { return Ok(None) };
    let location = first.location.clone();
    let payload = first.payload.clone();
    Ok(Some(Copy { path, location, payload, key_from: None, reader: Some(reader), error: None }))
}

/// Refuses archives if the damaged one, the first, does not show that they are copies of it.
fn check_kinship(copies: &mut [Copy], control: Control<'_>) -> Result<(), BackupError> {
    let Some((broken, others)) = copies.split_first_mut() else { return Ok(()) };
    let mut kin = None;
    for copy in others {
        let Some(reader) = &mut copy.reader else { continue };
        // No two files have the same key.
        if broken.payload.is_some() && broken.payload == copy.payload {
            continue;
        }
        if kin.is_none() {
            kin = Some(Kin::of(&broken.location)?);
        }
        if let Some(kin) = &kin {
            kin.check(&copy.path, reader, control)?;
        }
    }
    Ok(())
}

impl Copy {
    fn open(location: &Location, payload: Option<Arc<Payload>>) -> Result<Self, BackupError> {
        let (path, location) = (location.path().to_owned(), location.clone());
        let bytes = location.open().map_err(|source| BackupError::File { path: path.clone(), source })?;
        let (reader, error) = match ArchiveReader::open(bytes) {
            Ok(reader) => (Some(reader), None),
            Err(error @ (ArchiveError::Damaged(_) | ArchiveError::Truncated { .. })) => (None, Some(error)),
            // The other copies show whether an encrypted file holds an archive at all.
            Err(error @ ArchiveError::NotAnArchive { .. }) if payload.is_some() => (None, Some(error)),
            Err(ArchiveError::Io { source, .. }) => return Err(BackupError::File { path, source }),
            Err(error) => return Err(BackupError::not_fit(&path, Unfit::Irreparable(error))),
        };
        Ok(Self { path, location, payload, key_from: None, reader, error })
    }

    /// Returns the records of the frame, if this copy has them; `None` if they are not those of the frame.
    fn records(
        &mut self,
        frame: &FrameInfo,
        control: Control<'_>,
    ) -> Result<Option<Vec<Record>>, BackupError> {
        let records = match &mut self.reader {
            Some(reader) => gather(reader.range(&frame.first_key), frame, control)?,
            None => {
                let failed = |source| BackupError::File { path: self.path.clone(), source };
                match salvage(BufReader::new(self.location.open().map_err(failed)?)) {
                    Ok(records) => gather(records, frame, control)?,
                    Err(_) => None,
                }
            }
        };
        Ok(records.filter(|records| are_of(records, frame)))
    }
}

fn gather(
    records: impl Iterator<Item = Result<Record, ArchiveError>>,
    frame: &FrameInfo,
    control: Control<'_>,
) -> Result<Option<Vec<Record>>, AuditError> {
    let mut gathered = Vec::new();
    for record in records {
        control.check()?;
        // This copy is damaged; another one may have the record.
        let Ok((key, value)) = record else { return Ok(None) };
        // Stops at the last record: the next frame may be damaged as well.
        let is_last = key >= frame.last_key;
        if key >= frame.first_key {
            gathered.push((key, value));
        }
        if is_last {
            break;
        }
    }
    Ok(Some(gathered))
}

/// Returns whether these are the records that the frame was written with.
fn are_of(records: &[Record], frame: &FrameInfo) -> bool {
    let mut identity = StateIdentity::default();
    records.iter().for_each(|(key, value)| identity.push(key, value));
    records.len() as u64 == frame.records && identity.finish().0 == frame.uncompressed_sha256
}

/// Returns the first copy that has the records of a frame.
fn find(
    copies: &mut [Copy],
    frame: &FrameInfo,
    control: Control<'_>,
) -> Result<Option<(usize, Vec<Record>)>, BackupError> {
    for (number, copy) in copies.iter_mut().enumerate() {
        if let Some(records) = copy.records(frame, control)? {
            return Ok(Some((number, records)));
        }
    }
    Ok(None)
}

fn no_plan(broken: &Path, copies: &[Copy]) -> BackupError {
    let reasons: Vec<String> = copies
        .iter()
        .filter_map(|copy| copy.error.as_ref().map(|error| format!("{}: {error}", copy.path.display())))
        .collect();
    BackupError::not_fit(broken, Unfit::NoPlan { reasons })
}

fn check_same(copies: &[Copy], identity: [u8; 32]) -> Result<(), BackupError> {
    for copy in copies {
        let Some(reader) = &copy.reader else { continue };
        let found = reader.summary().identity;
        if found != identity {
            let why = Unfit::OtherIdentity { found: Hash(found), wanted: Hash(identity) };
            return Err(BackupError::not_fit(&copy.path, why));
        }
    }
    Ok(())
}

fn write(
    copies: &mut [Copy],
    frames: &[FrameInfo],
    metadata: &fm_archive::Metadata,
    summary: &Summary,
    target: &Location,
    control: Control<'_>,
) -> Result<(Summary, Option<String>), BackupError> {
    let path = target.path();
    if target.is_there()? {
        return Err(fm_store::StoreError::AlreadyExists { path: path.to_owned() }.into());
    }
    let options = Options { level: DEFAULT_LEVEL, ..Options::default() };
    let mut writer =
        ArchiveWriter::new(target.create()?, metadata, options).map_err(BackupError::writing(path))?;
    control.progress.begin("archive", "frames", Some(summary.frames));
    for frame in frames {
        let read_back = || BackupError::ReadBack {
            path: path.to_owned(),
            what: "a frame that was there a moment ago is not readable any more".to_owned(),
        };
        let (_, records) = find(copies, frame, control)?.ok_or_else(read_back)?;
        for (key, value) in records {
            writer.push(&key, &value).map_err(BackupError::writing(path))?;
        }
        control.progress.advance(1);
    }
    control.progress.end();
    let (mut draft, written) = writer.finish().map_err(BackupError::writing(path))?;
    if written.identity != summary.identity {
        let what = "its identity is not that of the copies".to_owned();
        return Err(BackupError::ReadBack { path: path.to_owned(), what });
    }
    draft.complete()?;
    crate::export::read_back(&draft.written(), &written, control)?;
    let left = draft.publish()?;
    Ok((written, left))
}
