//! All rows in order, read on one thread while another works on them.
//!
//! Invariant: at most a few batches are in memory; an error on either side ends both.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use fm_eras::{Rows, SourceError};
use fm_store::Row;

/// Bytes of rows handed over at a time; a single larger row goes alone.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that wait.
const BATCHES: usize = 4;

/// Calls `each` with every row; `open` starts the reading.
///
/// # Errors
/// The first one of the source, made into one of the caller's by `unreadable`, or of `each`.
pub(crate) fn each_row<'a, E>(
    open: impl FnOnce() -> Rows<'a> + Send,
    unreadable: impl Fn(SourceError) -> E,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (sender, batches) = sync_channel(BATCHES);
        scope.spawn(move || read(open(), &sender));
        for batch in batches {
            for (key, value) in batch.map_err(&unreadable)? {
                each(&key, &value)?;
            }
        }
        Ok(())
    })
}

/// Reads until the rows end, fail, or nobody listens any more.
fn read(rows: Rows<'_>, sender: &SyncSender<Result<Vec<Row>, SourceError>>) {
    let (mut batch, mut bytes) = (Vec::new(), 0usize);
    for row in rows {
        match row {
            Ok(row) => {
                bytes = bytes.saturating_add(row.0.len()).saturating_add(row.1.len());
                batch.push(row);
            }
            Err(error) => {
                let _ = sender.send(Ok(batch)).and_then(|()| sender.send(Err(error)));
                return;
            }
        }
        if bytes >= BATCH_BYTES {
            bytes = 0;
            if sender.send(Ok(std::mem::take(&mut batch))).is_err() {
                return;
            }
        }
    }
    let _ = sender.send(Ok(batch));
}

#[cfg(test)]
mod tests {
    use super::*;

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
                || rows(count, false),
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
            || rows(3_000, true),
            |error| error.to_string(),
            |_, _| {
                seen += 1;
                Ok(())
            },
        );
        assert_eq!((failed.unwrap_err().as_str(), seen), ("the disk is gone", 3_000));
        let stopped = each_row(
            || rows(100_000, false),
            |error| error.to_string(),
            |key, _| {
                if key == 5_000u32.to_be_bytes() { Err("enough".to_owned()) } else { Ok(()) }
            },
        );
        assert_eq!(stopped.unwrap_err(), "enough");
    }
}
