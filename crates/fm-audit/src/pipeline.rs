//! Work in chunks: one thread reads, all cores process a chunk, the caller's thread receives the results in
//! order.
//!
//! Invariant: at most three chunks are held at a time, one by each stage, whatever the size of the source.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::control::Control;
use crate::error::AuditError;

/// A chunk of work is closed at this many bytes of input. In memory, a record takes up to a hundred times its
/// bytes.
const CHUNK_BYTES: usize = 4 << 20;
/// The limit where no signatures are checked. Only the batches of a signature check benefit from large
/// chunks, and several sources may be read at the same time.
const SMALL_CHUNK_BYTES: usize = 1 << 20;

/// When a chunk of work is closed.
#[derive(Clone, Copy)]
pub struct ChunkSize {
    inputs: usize,
    bytes: usize,
}

impl ChunkSize {
    /// Closes a chunk at this many inputs, or at the byte limit for a check of signatures.
    pub fn large(inputs: usize) -> Self {
        Self { inputs, bytes: CHUNK_BYTES }
    }

    /// Closes a chunk at this many inputs, or at the smaller byte limit.
    pub fn small(inputs: usize) -> Self {
        Self { inputs, bytes: SMALL_CHUNK_BYTES }
    }

    /// Closes a chunk at this many inputs or bytes.
    pub(crate) fn new(inputs: usize, bytes: usize) -> Self {
        Self { inputs, bytes }
    }
}

/// The first stage's output: takes inputs from the reader and passes them on in chunks.
pub struct Feed<'a, R, E> {
    control: Control<'a>,
    sender: SyncSender<Result<Vec<R>, E>>,
    most: ChunkSize,
    chunk: Vec<R>,
    bytes: usize,
}

impl<R, E> Feed<'_, R, E> {
    /// Takes one input of this many bytes. A chunk exceeds its limit of bytes only if a single input does.
    ///
    /// # Errors
    /// If the job was interrupted, or the stages after this one have ended.
    pub fn push(&mut self, input: R, bytes: usize) -> Result<(), AuditError> {
        if self.bytes + bytes > self.most.bytes && !self.chunk.is_empty() {
            self.flush()?;
        }
        self.chunk.push(input);
        self.bytes += bytes;
        if self.chunk.len() >= self.most.inputs { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), AuditError> {
        self.control.check()?;
        self.bytes = 0;
        self.sender.send(Ok(std::mem::take(&mut self.chunk))).map_err(|_| AuditError::Interrupted)
    }
}

/// The middle stage's output: takes its results and passes them on.
pub(crate) struct HandOn<'a, T, E> {
    control: Control<'a>,
    sender: SyncSender<Result<Vec<T>, E>>,
}

impl<T, E> HandOn<'_, T, E> {
    /// Passes results on. A stage with many results per chunk calls this several times, so that they are not
    /// all held in memory.
    ///
    /// # Errors
    /// If the job was interrupted, or the stage after this one has ended.
    pub(crate) fn results(&mut self, results: Vec<T>) -> Result<(), AuditError> {
        self.control.check()?;
        self.sender.send(Ok(results)).map_err(|_| AuditError::Interrupted)
    }
}

/// Runs the pipeline in chunks of at most `most`: `read` feeds it, `process` turns each chunk into results,
/// `on_result` receives the results in order. Returns what `read` returned.
///
/// # Errors
/// The first error of `read` or `on_result`, or an interruption.
pub fn run<R: Send, T: Send, O: Send, E: From<AuditError> + Send>(
    most: ChunkSize,
    control: Control<'_>,
    read: impl FnOnce(&mut Feed<'_, R, E>) -> Result<O, E> + Send,
    mut process: impl FnMut(Vec<R>) -> Vec<T> + Send,
    on_result: impl FnMut(T) -> Result<(), E>,
) -> Result<O, E> {
    run_in_parts(most, control, read, |chunk, on| on.results(process(chunk)), on_result)
}

/// Runs the pipeline as [`run`] does; `process` passes on the results of a chunk in parts.
///
/// # Errors
/// The first error of the three functions, or an interruption.
pub(crate) fn run_in_parts<R: Send, T: Send, O: Send, E: From<AuditError> + Send>(
    most: ChunkSize,
    control: Control<'_>,
    read: impl FnOnce(&mut Feed<'_, R, E>) -> Result<O, E> + Send,
    mut process: impl FnMut(Vec<R>, &mut HandOn<'_, T, E>) -> Result<(), AuditError> + Send,
    mut on_result: impl FnMut(T) -> Result<(), E>,
) -> Result<O, E> {
    thread::scope(|scope| {
        // The channels hold nothing: each stage holds one chunk, and there are no others.
        let (input, inputs) = sync_channel(0);
        let (sender, outputs) = sync_channel::<Result<Vec<T>, E>>(0);
        let reader = scope.spawn(move || {
            let mut feed = Feed { control, sender: input, most, chunk: Vec::new(), bytes: 0 };
            let outcome = read(&mut feed)?;
            feed.flush()?;
            Ok(outcome)
        });
        scope.spawn(move || {
            let mut hand_on = HandOn { control, sender };
            for chunk in inputs {
                let processed = chunk.and_then(|chunk| process(chunk, &mut hand_on).map_err(E::from));
                if let Err(error) = processed {
                    // If the receiver is gone, nobody reads the error either.
                    let _ = hand_on.sender.send(Err(error));
                    return;
                }
            }
        });
        // Dropping the receiver on an early return makes both threads end.
        for chunk in outputs {
            let chunk = chunk?;
            control.check()?;
            let count = chunk.len() as u64;
            chunk.into_iter().try_for_each(&mut on_result)?;
            control.progress.advance(count);
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
