//! Work in chunks: one thread reads, all cores process a chunk, the caller's thread takes the results in order.
//!
//! Invariant: at most three chunks are held at a time, one by each stage, whatever the size of the source.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::control::Control;
use crate::error::AuditError;

/// A chunk of work is closed at this many bytes of input. A record takes up to a hundred times its bytes in memory.
const CHUNK_BYTES: usize = 4 << 20;
/// The same where no signatures are checked, which alone are the faster for being many: several sources may be read side
/// by side.
const SMALL_CHUNK_BYTES: usize = 1 << 20;

/// When a chunk of work is closed.
#[derive(Clone, Copy)]
pub struct ChunkSize {
    inputs: usize,
    bytes: usize,
}

impl ChunkSize {
    /// At so many inputs, or as many bytes as signatures are checked in.
    pub fn large(inputs: usize) -> Self {
        Self { inputs, bytes: CHUNK_BYTES }
    }

    /// At so many inputs, or fewer bytes.
    pub fn small(inputs: usize) -> Self {
        Self { inputs, bytes: SMALL_CHUNK_BYTES }
    }
}

/// Takes what the reader reads, and passes it on in chunks.
pub struct Feed<'a, R> {
    control: Control<'a>,
    sender: SyncSender<Result<Vec<R>, AuditError>>,
    most: ChunkSize,
    chunk: Vec<R>,
    bytes: usize,
}

impl<R> Feed<'_, R> {
    /// Takes one input of so many bytes.
    ///
    /// # Errors
    /// If nobody wants more.
    pub fn push(&mut self, input: R, bytes: usize) -> Result<(), AuditError> {
        self.chunk.push(input);
        self.bytes += bytes;
        if self.chunk.len() >= self.most.inputs || self.bytes >= self.most.bytes {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), AuditError> {
        self.control.check()?;
        self.bytes = 0;
        self.sender.send(Ok(std::mem::take(&mut self.chunk))).map_err(|_| AuditError::Interrupted)
    }
}

/// Runs the pipeline in chunks of at most `most`: `read` feeds it, `process` gets each chunk, `on_result` the
/// results in order. Returns what `read` returned.
///
/// # Errors
/// The first one of the three, or an interruption.
pub fn run<R: Send, T: Send, O: Send, E: From<AuditError>>(
    most: ChunkSize,
    control: Control<'_>,
    read: impl FnOnce(&mut Feed<'_, R>) -> Result<O, AuditError> + Send,
    mut process: impl FnMut(Vec<R>) -> Vec<T> + Send,
    mut on_result: impl FnMut(T) -> Result<(), E>,
) -> Result<O, E> {
    thread::scope(|scope| {
        let (input, inputs) = sync_channel(0);
        let (output, outputs) = sync_channel::<Result<Vec<T>, AuditError>>(0);
        let reader = scope.spawn(move || {
            let mut feed = Feed { control, sender: input, most, chunk: Vec::new(), bytes: 0 };
            read(&mut feed).and_then(|outcome| feed.flush().map(|()| outcome))
        });
        scope.spawn(move || {
            for chunk in inputs {
                if output.send(chunk.map(&mut process)).is_err() {
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
        Ok(reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
    })
}
