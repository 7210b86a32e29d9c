//! The pipeline: one thread reads the epochs, all cores decode, hash and verify them, and the caller receives
//! them in order.
//!
//! Invariants: the work in flight is bounded, whatever the size of the history; an epoch that does not decode
//! is passed on as such, never skipped.

use std::iter::Peekable;

use fm_crypto::{BATCH_SIZE, EpochKeys, SignatureError};
use fm_eras::hbbft::{self, EpochError, EpochLayout, HISTORY_TABLE};
use fm_history::{
    ConvertedSession, Epoch, EpochContent, EpochFacts, Finding, SessionHeader, SessionLeaf, SignatureState,
    convert_epoch,
};
use rayon::prelude::*;

use super::shares;
use super::shares::Unsigned;
use crate::control::Control;
use crate::error::AuditError;
use crate::frame::{Mark, OnEveryRow};
use crate::pipeline::{ChunkSize, Feed, HandOn, run_in_parts};
use crate::scope::{Attention, Scope};
use crate::source::{MalformedKeys, NumberedRecords, Origin};

/// A chunk of work is closed before it exceeds this many bytes of records, unless one record alone has more.
const CHUNK_BYTES: usize = 16 << 20;
/// The limit where no signatures are checked: several sources may be read at the same time.
const SMALL_CHUNK_BYTES: usize = 2 << 20;
/// The number of bytes of records that are decoded at a time: at two bytes each, 256 Ki elements.
const PART_BYTES: usize = 512 << 10;
/// Decoded epochs are passed on as soon as they have this many elements.
///
/// In addition to these, at most one record of [`hbbft::MAX_ELEMENTS`] is decoded. With up to 400 bytes an
/// element, and two such sets in memory at a time, the pipeline takes at most 500 MB.
const CHUNK_ELEMENTS: usize = 128 << 10;

/// The processing of each epoch.
#[derive(Clone, Copy)]
pub struct EpochOptions<'a> {
    /// Layout of the records.
    pub layout: EpochLayout,
    /// Keys to check signatures with; `None` leaves them unchecked.
    pub keys: Option<&'a EpochKeys>,
    /// Combine the shares in each epoch again, and compare the result with the signature of the previous
    /// epoch.
    pub shares: bool,
    /// Apply the conversion rule.
    pub convert: bool,
    /// The epochs that are processed, and which of their signatures are checked.
    pub scope: Scope<'a>,
    /// Called with every row of the history that is read.
    pub on_row: Option<OnEveryRow<'a>>,
}

impl EpochOptions<'_> {
    /// Returns options that only read and decode the epochs.
    pub(crate) fn reading(layout: EpochLayout) -> Self {
        Self { layout, keys: None, shares: false, convert: false, scope: Scope::default(), on_row: None }
    }
}

/// An epoch as the pipeline returns it.
pub struct AuditedEpoch {
    /// The number in its key.
    pub key: u64,
    /// The decoded record, or why it does not decode.
    pub decoded: Result<DecodedEpoch, String>,
}

impl AuditedEpoch {
    fn elements(&self) -> usize {
        let content = self.decoded.as_ref().ok().and_then(|decoded| decoded.epoch.content.as_ref());
        content.map_or(1, EpochContent::elements)
    }
}

/// The results for a record that decodes.
pub struct DecodedEpoch {
    /// The record.
    pub epoch: Epoch,
    /// The facts that the check of the chain needs.
    pub facts: EpochFacts,
    /// The session that the rule makes of it, if the options request it and its content is known.
    pub converted: Option<ConvertedSession>,
    /// The findings from its shares about the previous epoch.
    pub shares: Vec<Finding>,
    /// What was done with its signature.
    pub attention: Attention,
    /// What is to be remembered about it, if a trust file is in use.
    pub mark: Option<Mark>,
}

/// An epoch as read from the source.
struct RawEpoch {
    number: u64,
    /// Its record, if the record is not too large to be decoded.
    value: Result<Vec<u8>, EpochError>,
    /// Whether its signature is in the sample, if there is a sample.
    is_picked: bool,
}

/// Runs all epochs of a source through the pipeline; `on_epoch` receives them in ascending order.
///
/// Returns the keys of the history table that name no epoch.
///
/// # Errors
/// If the source cannot be read, `on_epoch` fails, or the job was interrupted.
pub fn each_epoch<E: From<AuditError> + Send>(
    origin: Origin<'_>,
    options: EpochOptions<'_>,
    control: Control<'_>,
    on_epoch: impl FnMut(AuditedEpoch) -> Result<(), E>,
) -> Result<MalformedKeys, E> {
    let read = |feed: &mut Feed<'_, RawEpoch, E>| {
        let (mut malformed, mut is_picked) = (MalformedKeys::default(), options.scope.picker());
        for row in rows_of(origin, options, control, &mut malformed) {
            let (number, value) = row?;
            if !options.scope.holds(number) {
                continue;
            }
            let value = hbbft::check_length(&value).map(|()| value);
            let bytes = value.as_ref().map_or(0, Vec::len);
            feed.push(RawEpoch { number, value, is_picked: is_picked() }, bytes)?;
        }
        Ok(malformed)
    };
    let mut processor = Processor { options, control, before: None };
    let process = |chunk: Vec<RawEpoch>, on: &mut Out<'_, E>| processor.process(chunk, on);
    // A full batch of signatures for every core.
    let most = BATCH_SIZE * rayon::current_num_threads();
    let bytes = if options.keys.is_some() { CHUNK_BYTES } else { SMALL_CHUNK_BYTES };
    run_in_parts(ChunkSize::new(most, bytes), control, read, process, on_epoch)
}

type Out<'a, E> = HandOn<'a, AuditedEpoch, E>;

/// Returns the rows of the history by ascending epoch; keys that name no epoch go to `stray`.
pub(crate) fn numbered_rows<'a>(
    origin: Origin<'a>,
    layout: EpochLayout,
    control: Control<'a>,
    malformed: &'a mut MalformedKeys,
) -> NumberedRecords<'a> {
    let options = EpochOptions::reading(layout);
    rows_of(origin, options, control, malformed)
}

/// Returns the same rows with these options; the observer of rows sees them in key order.
fn rows_of<'a>(
    origin: Origin<'a>,
    options: EpochOptions<'a>,
    control: Control<'a>,
    malformed: &'a mut MalformedKeys,
) -> NumberedRecords<'a> {
    let EpochOptions { layout, on_row, .. } = options;
    let numbered = origin.rows.scan_prefix(HISTORY_TABLE).filter_map(move |row| {
        let (key, value) =
            match control.check().and_then(|()| row.map_err(|source| origin.unreadable(source))) {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
        if let Some(on_row) = on_row {
            on_row(&key, &value);
        }
        match hbbft::epoch_of_key(&key, layout.dialect) {
            Ok(number) => Some(Ok((number, value))),
            Err(_) => {
                malformed.add(key);
                None
            }
        }
    });
    if layout.dialect != fm_codec::Dialect::A0 {
        return Box::new(numbered);
    }
    // Little-endian keys do not sort by number: sorting them takes eight bytes per epoch.
    let mut numbers: Vec<u64> = match numbered.map(|row| row.map(|(number, _)| number)).collect() {
        Ok(numbers) => numbers,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    numbers.sort_unstable();
    Box::new(numbers.into_iter().filter_map(move |epoch| {
        let value = origin.rows.get(&hbbft::epoch_key(epoch, layout.dialect));
        let value = control.check().and(value.map_err(|source| origin.unreadable(source)));
        value.map(|value| value.map(|value| (epoch, value))).transpose()
    }))
}

/// The middle of the pipeline.
struct Processor<'a> {
    options: EpochOptions<'a>,
    control: Control<'a>,
    /// The last epoch that was passed on, if it waits for the shares in the next one.
    before: Option<Unsigned>,
}

impl Processor<'_> {
    /// Decodes a chunk part by part: the memory that a part takes is known only after it is decoded.
    fn process<E>(&mut self, chunk: Vec<RawEpoch>, on: &mut Out<'_, E>) -> Result<(), AuditError> {
        let mut chunk = chunk.into_iter().peekable();
        let options = self.options;
        let (mut epochs, mut elements) = (Vec::new(), 0);
        while chunk.peek().is_some() {
            let part = next_part(&mut chunk);
            let decoded: Vec<AuditedEpoch> = part.into_par_iter().map(|raw| decode(raw, options)).collect();
            elements += decoded.iter().map(AuditedEpoch::elements).sum::<usize>();
            epochs.extend(decoded);
            if elements >= CHUNK_ELEMENTS {
                self.hand_on(std::mem::take(&mut epochs), on)?;
                elements = 0;
            }
        }
        self.hand_on(epochs, on)
    }

    /// Checks signatures and shares, and passes the epochs on.
    fn hand_on<E>(&mut self, mut epochs: Vec<AuditedEpoch>, on: &mut Out<'_, E>) -> Result<(), AuditError> {
        if let Some(keys) = self.options.keys {
            let batch = epochs.len().div_ceil(rayon::current_num_threads()).clamp(1, BATCH_SIZE);
            epochs.par_chunks_mut(batch).for_each(|batch| verify(batch, keys));
            if self.options.shares {
                shares::check_chunk(keys, self.control, &mut epochs, &mut self.before);
            }
        }
        on.results(epochs)
    }
}

/// Returns the next records of a chunk, up to `PART_BYTES`, but at least one record.
fn next_part(chunk: &mut Peekable<impl Iterator<Item = RawEpoch>>) -> Vec<RawEpoch> {
    let length = |raw: &RawEpoch| raw.value.as_ref().map_or(0, Vec::len);
    let mut part: Vec<RawEpoch> = chunk.next().into_iter().collect();
    let mut bytes = part.iter().map(length).sum::<usize>();
    while let Some(next) = chunk.next_if(|next| bytes + length(next) <= PART_BYTES) {
        bytes += length(&next);
        part.push(next);
    }
    part
}

fn decode(raw: RawEpoch, options: EpochOptions<'_>) -> AuditedEpoch {
    let RawEpoch { number: key, value, is_picked } = raw;
    let decoded = value.and_then(|value| hbbft::decode_epoch(&value, &options.layout));
    let decoded = decoded.map_err(|error| error.to_string()).map(|epoch| {
        let mark = options.scope.trust.map(|trust| {
            let content = [&epoch_leaf(key, &epoch).to_bytes(), epoch.stored_hash.0.as_slice()].concat();
            trust.mark(&content, epoch.signature.as_ref().map_or(&[], <[u8; 96]>::as_slice))
        });
        let is_known = options.scope.trust.zip(mark).is_some_and(|(trust, mark)| trust.has(key, mark));
        let attention = match (is_known, is_picked) {
            (true, _) => Attention::Trusted,
            (false, true) => Attention::Check,
            (false, false) => Attention::LeftOut,
        };
        DecodedEpoch {
            facts: facts(key, &epoch, attention == Attention::Trusted && options.keys.is_some()),
            converted: match &epoch.content {
                Some(content) if options.convert => Some(convert_epoch(key, content)),
                _ => None,
            },
            shares: Vec::new(),
            attention,
            mark,
            epoch,
        }
    });
    AuditedEpoch { key, decoded }
}

fn facts(key: u64, epoch: &Epoch, is_trusted: bool) -> EpochFacts {
    EpochFacts {
        key,
        number: epoch.number,
        last_hash: epoch.last_hash,
        computed_hash: epoch.computed_hash,
        stored_hash: epoch.stored_hash,
        signature: match epoch.signature {
            Some(_) if is_trusted => SignatureState::Valid,
            Some(_) => SignatureState::Unchecked,
            None => SignatureState::Absent,
        },
    }
}

/// Returns an epoch as a leaf of the root in a trust file. Its hash covers all of it; the number of items is
/// not used, because some layouts hide the items.
pub(crate) fn epoch_leaf(key: u64, epoch: &Epoch) -> SessionLeaf {
    SessionLeaf { items: 0, header: SessionHeader { index: key, root: epoch.computed_hash } }
}

/// Checks the signatures of a batch, over the hashes that the records claim.
fn verify(batch: &mut [AuditedEpoch], keys: &EpochKeys) {
    let (states, items): (Vec<&mut SignatureState>, Vec<_>) = batch
        .iter_mut()
        .filter_map(|audited| audited.decoded.as_mut().ok())
        .filter(|decoded| decoded.attention == Attention::Check)
        .filter_map(|decoded| {
            let signature = decoded.epoch.signature?;
            Some((&mut decoded.facts.signature, (decoded.epoch.stored_hash.0, signature)))
        })
        .unzip();
    for (state, verdict) in states.into_iter().zip(keys.verify_batch(&items)) {
        *state = match verdict {
            Ok(()) => SignatureState::Valid,
            Err(SignatureError::DoesNotVerify) => SignatureState::Invalid,
            Err(error) => SignatureState::Malformed(error.to_string()),
        };
    }
}
