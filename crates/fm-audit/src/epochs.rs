//! The pipeline: epochs read by one thread, decoded, hashed and verified on all cores, handed over in order.
//!
//! Invariants: bounded work in flight, whatever the size of the history; an epoch that does not decode is
//! handed over as such, never skipped.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use fm_crypto::{BATCH_SIZE, EpochKeys, SignatureError};
use fm_eras::hbbft::{self, HISTORY_TABLE, Layout};
use fm_eras::{RowSource, SourceError};
use fm_history::{ConvertedEpoch, Epoch, EpochFacts, Finding, SignatureState, convert_epoch};
use rayon::prelude::*;

use crate::shares::{self, Unsigned};
use crate::{AuditError, Control};

/// A chunk of work is closed at this many bytes of records.
const CHUNK_BYTES: usize = 16 << 20;
/// Keys without an epoch that are remembered.
const MOST_STRAY_KEYS: usize = 1000;

/// What is done with each epoch.
#[derive(Clone, Copy)]
pub struct EpochOptions<'a> {
    /// Layout of the records.
    pub layout: Layout,
    /// Keys to check signatures with; none leaves them unchecked.
    pub keys: Option<&'a EpochKeys>,
    /// Combine the shares in each epoch anew and compare them with the signature before.
    pub shares: bool,
    /// Apply the conversion rule.
    pub convert: bool,
}

/// An epoch as the pipeline hands it over.
pub struct AuditedEpoch {
    /// The number in its key.
    pub key: u64,
    /// The decoded record, or why it does not decode.
    pub decoded: Result<DecodedEpoch, String>,
}

/// What came of a record that decodes.
pub struct DecodedEpoch {
    /// The record.
    pub epoch: Epoch,
    /// What the chain needs to know.
    pub facts: EpochFacts,
    /// The session it becomes, if that was asked for and its content is known.
    pub converted: Option<ConvertedEpoch>,
    /// What the shares say about the epoch before.
    pub shares: Vec<Finding>,
}

/// Where the epochs come from.
#[derive(Clone, Copy)]
pub struct EpochStream<'a> {
    /// The rows.
    pub rows: &'a dyn RowSource,
    /// Name of the source, for errors.
    pub path: &'a Path,
}

type RawEpoch = (u64, Vec<u8>);

/// Runs all epochs of a source through the pipeline; `on_epoch` gets them in ascending order.
///
/// Returns the keys of the history table that name no epoch (the first 1000 of them).
pub fn epochs(
    stream: EpochStream<'_>,
    options: EpochOptions<'_>,
    control: Control<'_>,
    mut on_epoch: impl FnMut(AuditedEpoch) -> Result<(), AuditError>,
) -> Result<Vec<Vec<u8>>, AuditError> {
    // A full batch of signatures for every core.
    let chunk_epochs = BATCH_SIZE * rayon::current_num_threads();
    thread::scope(|scope| {
        let (raw_sender, raw_receiver) = sync_channel(1);
        let (sender, receiver) = sync_channel(1);
        let reader =
            scope.spawn(move || read_chunks(stream, options.layout, chunk_epochs, control, &raw_sender));
        scope.spawn(move || process_chunks(options, raw_receiver, &sender));
        // Dropping the receiver on an early return makes both threads end.
        for chunk in receiver {
            let chunk = chunk?;
            control.check()?;
            let count = chunk.len() as u64;
            for epoch in chunk {
                on_epoch(epoch)?;
            }
            control.progress.advance(count);
        }
        Ok(reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

type RawChunk = Result<Vec<RawEpoch>, AuditError>;

/// Reads all epochs into chunks; returns the keys that name none.
fn read_chunks(
    stream: EpochStream<'_>,
    layout: Layout,
    chunk_epochs: usize,
    control: Control<'_>,
    sender: &SyncSender<RawChunk>,
) -> Vec<Vec<u8>> {
    let mut stray = Vec::new();
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for row in numbered_rows(stream.rows, layout) {
        let (number, value) = match row {
            Ok(row) => row,
            Err(source) => {
                let _ = sender.send(Err(AuditError::rows(stream.path, source)));
                return stray;
            }
        };
        match number {
            Ok(number) => {
                bytes += value.len();
                chunk.push((number, value));
            }
            Err(key) if stray.len() < MOST_STRAY_KEYS => stray.push(key),
            Err(_) => {}
        }
        if chunk.len() >= chunk_epochs || bytes >= CHUNK_BYTES {
            let full = control.check().map(|()| std::mem::take(&mut chunk));
            bytes = 0;
            let stop = full.is_err();
            if sender.send(full).is_err() || stop {
                return stray;
            }
        }
    }
    let _ = sender.send(Ok(chunk));
    stray
}

/// A row of the history: its epoch, or its key if that names none.
type NumberedRow = (Result<u64, Vec<u8>>, Vec<u8>);
type NumberedRows<'a> = Box<dyn Iterator<Item = Result<NumberedRow, SourceError>> + 'a>;

/// The history's rows by ascending epoch.
fn numbered_rows(rows: &dyn RowSource, layout: Layout) -> NumberedRows<'_> {
    let number = move |key: Vec<u8>| hbbft::epoch_of_key(&key, layout.dialect).map_err(|_| key);
    let table = rows.scan_prefix(HISTORY_TABLE);
    if layout.dialect != fm_codec::Dialect::A0 {
        return Box::new(table.map(move |row| row.map(|(key, value)| (number(key), value))));
    }
    // Little-endian keys do not sort by number: eight bytes per epoch put them in order.
    let mut numbers = Vec::new();
    let mut others: Vec<Result<NumberedRow, SourceError>> = Vec::new();
    for row in table {
        match row.map(|(key, value)| (number(key), value)) {
            Ok((Ok(epoch), _)) => numbers.push(epoch),
            other => others.push(other),
        }
    }
    numbers.sort_unstable();
    let sorted = numbers.into_iter().filter_map(move |epoch| {
        let value = rows.get(&hbbft::epoch_key(epoch, layout.dialect));
        value.map(|value| value.map(|value| (Ok(epoch), value))).transpose()
    });
    Box::new(others.into_iter().chain(sorted))
}

fn process_chunks(
    options: EpochOptions<'_>,
    chunks: Receiver<RawChunk>,
    sender: &SyncSender<Result<Vec<AuditedEpoch>, AuditError>>,
) {
    let share_keys = options.keys.filter(|_| options.shares);
    let mut before: Option<Unsigned> = None;
    for chunk in chunks {
        let processed = chunk.map(|chunk| {
            let mut epochs = process(chunk, options);
            if let Some(keys) = share_keys {
                shares::check_chunk(keys, &mut epochs, &mut before);
            }
            epochs
        });
        if sender.send(processed).is_err() {
            return;
        }
    }
}

fn process(chunk: Vec<RawEpoch>, options: EpochOptions<'_>) -> Vec<AuditedEpoch> {
    let mut epochs: Vec<AuditedEpoch> =
        chunk.into_par_iter().map(|(key, value)| decode(key, &value, options)).collect();
    if let Some(keys) = options.keys {
        let batch = epochs.len().div_ceil(rayon::current_num_threads()).clamp(1, BATCH_SIZE);
        epochs.par_chunks_mut(batch).for_each(|batch| verify(batch, keys));
    }
    epochs
}

fn decode(key: u64, value: &[u8], options: EpochOptions<'_>) -> AuditedEpoch {
    let decoded = hbbft::decode_epoch(value, &options.layout).map_err(|error| error.to_string());
    let decoded = decoded.map(|epoch| DecodedEpoch {
        facts: EpochFacts {
            key,
            number: epoch.number,
            last_hash: epoch.last_hash,
            computed_hash: epoch.computed_hash,
            stored_hash: epoch.stored_hash,
            signature: match epoch.signature {
                Some(_) => SignatureState::Unchecked,
                None => SignatureState::Absent,
            },
        },
        converted: match &epoch.content {
            Some(content) if options.convert => Some(convert_epoch(key, content)),
            _ => None,
        },
        shares: Vec::new(),
        epoch,
    });
    AuditedEpoch { key, decoded }
}

/// Checks the signatures of a batch, over the hashes that the records claim.
fn verify(batch: &mut [AuditedEpoch], keys: &EpochKeys) {
    let (states, items): (Vec<&mut SignatureState>, Vec<_>) = batch
        .iter_mut()
        .filter_map(|audited| audited.decoded.as_mut().ok())
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
