//! Work in chunks: one thread reads, all cores process a chunk, the caller's thread takes the results in order.
//!
//! Invariant: at most three chunks are held at a time, one by each stage, whatever the size of the source.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::control::Control;
use crate::error::AuditError;

/// A chunk of work is closed at this many bytes of input. A record takes up to a hundred times its bytes in memory.
const CHUNK_BYTES: usize = 4 << 20;
/// The same where no signatures are checked. Only the batches of a signature check profit from large chunks, and several
/// sources may be read side by side.
const SMALL_CHUNK_BYTES: usize = 1 << 20;

/// When a chunk of work is closed.
#[derive(Clone, Copy)]
pub struct ChunkSize {
    inputs: usize,
    bytes: usize,
}

impl ChunkSize {
    /// At this many inputs, or at the bytes for a check of signatures.
    pub fn large(inputs: usize) -> Self {
        Self { inputs, bytes: CHUNK_BYTES }
    }

    /// At this many inputs, or at fewer bytes.
    pub fn small(inputs: usize) -> Self {
        Self { inputs, bytes: SMALL_CHUNK_BYTES }
    }

    /// At this many inputs or bytes.
    pub(crate) fn new(inputs: usize, bytes: usize) -> Self {
        Self { inputs, bytes }
    }
}

/// Takes what the reader reads, and passes it on in chunks.
pub struct Feed<'a, R, E> {
    control: Control<'a>,
    sender: SyncSender<Result<Vec<R>, E>>,
    most: ChunkSize,
    chunk: Vec<R>,
    bytes: usize,
}

impl<R, E> Feed<'_, R, E> {
    /// Takes one input of this many bytes. A chunk has more bytes than its size only if one input alone has.
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

/// Takes results of the middle stage, and hands them on.
pub(crate) struct HandOn<'a, T, E> {
    control: Control<'a>,
    sender: SyncSender<Result<Vec<T>, E>>,
}

impl<T, E> HandOn<'_, T, E> {
    /// Hands results on. A stage that makes much of a chunk calls this several times, so that not all of it is held.
    ///
    /// # Errors
    /// If the job was interrupted, or the stage after this one has ended.
    pub(crate) fn results(&mut self, results: Vec<T>) -> Result<(), AuditError> {
        self.control.check()?;
        self.sender.send(Ok(results)).map_err(|_| AuditError::Interrupted)
    }
}

/// Runs the pipeline in chunks of at most `most`: `read` feeds it, `process` turns each chunk into results, `on_result`
/// takes the results in order. Returns what `read` returned.
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

/// The same; `process` hands on the results of a chunk in parts.
///
/// # Errors
/// The first error of the three, or an interruption.
pub(crate) fn run_in_parts<R: Send, T: Send, O: Send, E: From<AuditError> + Send>(
    most: ChunkSize,
    control: Control<'_>,
    read: impl FnOnce(&mut Feed<'_, R, E>) -> Result<O, E> + Send,
    mut process: impl FnMut(Vec<R>, &mut HandOn<'_, T, E>) -> Result<(), AuditError> + Send,
    mut on_result: impl FnMut(T) -> Result<(), E>,
) -> Result<O, E> {
    thread::scope(|scope| {
        // Nothing waits inside the channels: each stage has one chunk in hand, and no more are alive.
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
                    // A receiver that is gone wants no error either.
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
