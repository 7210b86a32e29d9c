//! How many records are requested ahead of the reader.
//!
//! Invariants: never more than [`AHEAD`] records, and approximately no more than [`AHEAD_BYTES`]; always at
//! least one.

use crate::AHEAD;

/// The approximate number of bytes of the records that are fetched ahead.
const AHEAD_BYTES: usize = 32 << 20;
/// The number of records that are requested at first: many readers want only a few.
const FIRST: usize = 2;

/// The number of records that are requested ahead.
///
/// It doubles while the reader has to wait for records, which is while the line takes longer than the reader;
/// it shrinks by one while they wait for the reader.
#[derive(Debug)]
pub(crate) struct Window {
    records: usize,
    /// The size of the last record in bytes.
    record_bytes: usize,
    /// How many records in a row were there before they were needed.
    ready: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { records: FIRST, record_bytes: 0, ready: 0 }
    }

    /// Returns how many records may be requested ahead.
    pub(crate) fn size(&self) -> usize {
        // Sessions are about as large as the ones before them.
        AHEAD_BYTES.checked_div(self.record_bytes).unwrap_or(AHEAD).clamp(1, self.records)
    }

    /// Notes a record, and whether the reader had to wait for it.
    pub(crate) fn took(&mut self, record_bytes: usize, had_to_wait: bool) {
        self.record_bytes = record_bytes;
        if had_to_wait {
            (self.records, self.ready) = ((self.records * 2).min(AHEAD), 0);
            return;
        }
        self.ready += 1;
        if self.ready > 2 * self.records {
            (self.records, self.ready) = ((self.records - 1).max(FIRST), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_the_reader_waits_and_shrinks_while_it_does_not() {
        let mut window = Window::new();
        (0..1000).for_each(|_| window.took(100, true));
        assert_eq!(window.size(), AHEAD);
        (0..100_000).for_each(|_| window.took(100, false));
        assert_eq!(window.size(), FIRST);
    }

    #[test]
    fn large_records_are_few() {
        let mut window = Window::new();
        (0..1000).for_each(|_| window.took(AHEAD_BYTES / 3, true));
        assert_eq!(window.size(), 3);
        window.took(usize::MAX, true);
        assert_eq!(window.size(), 1);
    }
}
