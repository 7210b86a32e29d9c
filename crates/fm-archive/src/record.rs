//! Records and the uncompressed contents of a data frame.
//!
//! Invariants: contents hold one record or more, keys strictly ascending, each key and value within its
//! limit, and no other bytes; a length has only one encoding, so the same records are the same bytes.

use fm_codec::{Dialect, Reader};

use crate::format::{MAX_FRAME_LEN, MAX_KEY_LEN, MAX_VALUE_LEN, wide};
use crate::{ArchiveError, Fault};

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// Refuses a record that no archive can hold; `record` is its number, for the error.
///
/// # Errors
/// If the key or the value is larger than its limit.
pub fn check_limits(record: u64, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
    for (part, length, limit) in [("key", key.len(), MAX_KEY_LEN), ("value", value.len(), MAX_VALUE_LEN)] {
        if length > limit {
            return Err(ArchiveError::RecordTooLarge { record, part, length, limit });
        }
    }
    Ok(())
}

/// Returns the size of a record in the record stream.
pub(crate) fn encoded_len(key: &[u8], value: &[u8]) -> usize {
    let length = |length: usize| match length {
        0..=0xFC => 1,
        0xFD..=0xFFFF => 3,
        _ => 5,
    };
    length(key.len()) + key.len() + length(value.len()) + value.len()
}

/// The parsed contents of one data frame.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    plain: Vec<u8>,
    starts: Vec<u32>,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
}

impl Contents {
    /// Parses the uncompressed bytes of a frame, including every record.
    pub(crate) fn parse(plain: Vec<u8>) -> Result<Self, Fault> {
        within("a data frame", plain.len(), MAX_FRAME_LEN)?;
        let (mut starts, mut key_bytes, mut value_bytes) = (Vec::new(), 0, 0);
        let mut previous: Option<&[u8]> = None;
        let mut reader = Reader::new(&plain, Dialect::MODERN);
        // The first iteration also runs on empty contents: a frame without a record is an error.
        while previous.is_none() || reader.left() > 0 {
            starts.push(u32::try_from(reader.position()).expect("a frame is limited to less than 4 GiB"));
            let key = reader.bytes()?;
            within("a key", key.len(), MAX_KEY_LEN)?;
            if previous.is_some_and(|previous| previous >= key) {
                return Err(Fault::RecordOrder { record: wide(starts.len() - 1) });
            }
            let value = reader.bytes()?;
            within("a value", value.len(), MAX_VALUE_LEN)?;
            key_bytes += wide(key.len());
            value_bytes += wide(value.len());
            previous = Some(key);
        }
        Ok(Self { plain, starts, key_bytes, value_bytes })
    }

    /// Returns the uncompressed bytes.
    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Returns the number of records.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns key and value of the record with this number, if there is one.
    pub(crate) fn record(&self, number: usize) -> Option<(&[u8], &[u8])> {
        let start = usize::try_from(*self.starts.get(number)?).ok()?;
        let mut reader = Reader::new(self.plain.get(start..)?, Dialect::MODERN);
        Some((reader.bytes().ok()?, reader.bytes().ok()?))
    }

    /// Returns the first key.
    pub(crate) fn first_key(&self) -> &[u8] {
        self.key(0)
    }

    /// Returns the last key.
    pub(crate) fn last_key(&self) -> &[u8] {
        self.key(self.len() - 1)
    }

    fn key(&self, number: usize) -> &[u8] {
        self.record(number).expect("contents were parsed when they were made").0
    }

    /// Returns the number of the first record whose key is `key` or greater.
    pub(crate) fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle) < key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

fn within(what: &'static str, length: usize, limit: usize) -> Result<(), Fault> {
    if length > limit {
        return Err(Fault::OverLimit { what, length: wide(length), limit: wide(limit) });
    }
    Ok(())
}
