//! Rows in order, read on one thread while another thread processes them.
//!
//! Invariant: at most a few batches are in memory; an error on either side ends both.

use std::mem;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use crate::source::{OnRow, SourceError};

/// Bytes of rows that are handed over at a time; a single larger row is handed over alone.
const BATCH_BYTES: usize = 256 << 10;
/// The number of batches that wait.
const BATCHES: usize = 4;

/// Calls `each` with every row; `visit` reads them.
///
/// # Errors
/// Fails with the first error of the source, converted to the caller's error by `unreadable`, or of `each`.
pub fn each_row<E>(
    visit: impl FnOnce(OnRow<'_>) -> Result<(), SourceError> + Send,
    unreadable: impl Fn(SourceError) -> E,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (sender, batches) = sync_channel(BATCHES);
        let (give_back, spares) = channel();
        scope.spawn(move || read(visit, &sender, &spares));
        for batch in batches {
            let mut batch: Batch = batch.map_err(&unreadable)?;
            batch.rows().try_for_each(|(key, value)| each(key, value))?;
            batch.clear();
            // The reader may have ended; then the batch is not needed.
            let _ = give_back.send(batch);
        }
        Ok(())
    })
}

/// Rows, concatenated.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The ends of the key and of the value of each row.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let end_of_key = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((end_of_key, self.bytes.len()));
    }

    fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.ends.iter().scan(0, |start, (end_of_key, end)| {
            let row = (&self.bytes[*start..*end_of_key], &self.bytes[*end_of_key..*end]);
            *start = *end;
            Some(row)
        })
    }

    /// Makes the batch ready for other rows; the memory of a very large row is released.
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(2 * BATCH_BYTES);
        self.ends.clear();
    }
}

/// Reads until the rows end or fail, or the receiver is gone.
fn read(
    visit: impl FnOnce(OnRow<'_>) -> Result<(), SourceError>,
    sender: &SyncSender<Result<Batch, SourceError>>,
    spares: &Receiver<Batch>,
) {
    let mut batch = Batch::default();
    let end = visit(&mut |key, value| {
        batch.push(key, value);
        if batch.bytes.len() < BATCH_BYTES {
            return ControlFlow::Continue(());
        }
        let full = mem::replace(&mut batch, spares.try_recv().unwrap_or_default());
        if sender.send(Ok(full)).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let _ = sender.send(Ok(batch)).and_then(|()| end.or_else(|error| sender.send(Err(error))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Rows, visit_rows};

    fn rows(count: u32, fails: bool) -> Rows<'static> {
        let row = |number: u32| Ok((number.to_be_bytes().to_vec(), vec![7; 1_000]));
        let failure = fails.then(|| Err("the disk is gone".into()));
        Box::new((0..count).map(row).chain(failure))
    }

    #[test]
    fn all_rows_come_in_order() {
        for count in [0, 1, 10_000] {
            let mut next = 0u32;
            each_row(
                |on| visit_rows(rows(count, false), on),
                |error| error.to_string(),
                |key, value| {
                    assert_eq!((key, value.len()), (&next.to_be_bytes()[..], 1_000));
                    next += 1;
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(next, count);
        }
    }

    #[test]
    fn an_error_on_either_side_ends_it() {
        let mut seen = 0;
        let failed = each_row(
            |on| visit_rows(rows(3_000, true), on),
            |error| error.to_string(),
            |_, _| {
                seen += 1;
                Ok(())
            },
        );
        assert_eq!((failed.unwrap_err().as_str(), seen), ("the disk is gone", 3_000));
        let stopped = each_row(
            |on| visit_rows(rows(100_000, false), on),
            |error| error.to_string(),
            |key, _| {
                if key == 5_000u32.to_be_bytes() { Err("enough".to_owned()) } else { Ok(()) }
            },
        );
        assert_eq!(stopped.unwrap_err(), "enough");
    }
}
