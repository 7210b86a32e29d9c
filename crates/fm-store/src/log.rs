//! The format of RocksDB's logs, which include the list of files (`MANIFEST`).
//!
//! RocksDB reads a list of files up to the first truncated record and opens the database as of then: it drops
//! the tables named after that record, and their rows, silently. Therefore this module reads the list
//! as well.
//!
//! Layout: blocks of 32 KiB that hold fragments. A fragment is a header (masked CRC-32C over kind and
//! payload, length, kind; little endian) and a payload. Fewer than seven bytes at the end of a block are not
//! used. A record of a write-ahead log is a batch of changes: the sequence number of the first one (8 bytes),
//! how many (4 bytes), the changes.

use std::ops::Range;

/// Bytes of a block.
const BLOCK: usize = 32 << 10;
/// Bytes of a fragment's header.
const HEADER: usize = 7;
/// Bytes of a batch before its changes.
const BATCH_HEAD: usize = 12;
/// Added to a rotated checksum, so that a checksum over checksums is a good one.
const MASK: u32 = 0xa282_ead8;
/// The kinds of fragments.
const KINDS: std::ops::RangeInclusive<u8> = 1..=4;
/// Kinds of fragments in recycled log files.
const ENDLESS: [u8; 5] = [5, 6, 7, 8, 11];
/// CRC-32C's polynomial, reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Returns the offset of the first byte that belongs to no whole record; `None` if the log is whole.
pub(crate) fn torn_at(log: &[u8]) -> Option<usize> {
    // Start of the record whose last fragment has not been read yet.
    let mut open = None;
    for fragment in (Fragments { log, at: 0 }) {
        let (at, fragment) = match fragment {
            Ok(found) => found,
            Err(at) => return Some(open.unwrap_or(at)),
        };
        match (fragment.kind, open) {
            (Kind::Whole, None) => {}
            (Kind::First, None) => open = Some(at),
            (Kind::Middle, Some(_)) => {}
            (Kind::Last, Some(_)) => open = None,
            _ => return Some(open.unwrap_or(at)),
        }
    }
    open
}

/// Returns the sequence numbers of the changes in a write-ahead log up to where it is torn; `None` if it
/// holds no changes.
pub(crate) fn changes(log: &[u8]) -> Option<Range<u64>> {
    let mut found: Option<Range<u64>> = None;
    let mut head = Vec::with_capacity(BATCH_HEAD);
    for (at, fragment) in (Fragments { log, at: 0 }).map_while(Result::ok) {
        if matches!(fragment.kind, Kind::Whole | Kind::First) {
            head.clear();
        }
        let payload = log.get(at + HEADER..at + fragment.length)?;
        head.extend(payload.iter().take(BATCH_HEAD - head.len()));
        if matches!(fragment.kind, Kind::Middle | Kind::First) {
            continue;
        }
        let (first, count) = (head.first_chunk::<8>()?, head.last_chunk::<4>()?);
        if head.len() == BATCH_HEAD && *count != [0; 4] {
            let first = u64::from_le_bytes(*first);
            let end = first.saturating_add(u32::from_le_bytes(*count).into());
            found = Some(found.map_or(first, |known| known.start)..end);
        }
    }
    found
}

/// Returns the sequence number of the last change that a list of files records, up to where the list is torn;
/// `None` if it records no number.
pub(crate) fn last_change(list: &[u8]) -> Option<u64> {
    let fragments = (Fragments { log: list, at: 0 }).map_while(Result::ok);
    let begins = fragments.filter(|(_, fragment)| matches!(fragment.kind, Kind::Whole | Kind::First));
    let payloads = begins.filter_map(|(at, fragment)| list.get(at + HEADER..at + fragment.length));
    payloads.filter_map(last_change_of_edit).last()
}

/// Returns the sequence number of the last change in an edit of the list of files. An edit consists of tags
/// and values (`VersionEdit::EncodeTo` in RocksDB's version_edit.cc); the number comes before everything
/// about tables.
fn last_change_of_edit(mut edit: &[u8]) -> Option<u64> {
    /// Values that are a length and that many bytes: the order of keys, the database's id.
    const TEXTS: [u64; 2] = [1, 8193];
    /// Values that are a number: of a log, of the next file, of the previous log, of the oldest log, of
    /// column families.
    const NUMBERS: [u64; 5] = [2, 3, 9, 10, 203];
    const LAST_CHANGE: u64 = 4;
    loop {
        match varint(&mut edit)? {
            LAST_CHANGE => return varint(&mut edit),
            tag if NUMBERS.contains(&tag) => drop(varint(&mut edit)?),
            tag if TEXTS.contains(&tag) => {
                let length = usize::try_from(varint(&mut edit)?).ok()?;
                edit = edit.get(length..)?;
            }
            _ => return None,
        }
    }
}

/// Reads a number in groups of seven bits, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Returns the offset of the first fragment whose kind makes RocksDB's reader loop forever; `None` if no
/// fragment has such a kind.
///
/// These are the kinds of recycled log files, which no database of ours has. In a file that is not recycled
/// their header does not fit, and the reader looks at the same bytes forever. The search uses only the
/// lengths and covers everything that the reader may reach: after bytes that cannot be a fragment, the reader
/// continues with the next block.
pub(crate) fn endless_at(log: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(rest) = log.get(at..).filter(|rest| rest.len() >= HEADER) {
        let left_in_block = BLOCK - at % BLOCK;
        let (length, kind) = (HEADER + usize::from(u16::from_le_bytes([rest[4], rest[5]])), rest[6]);
        if left_in_block < HEADER {
            at += left_in_block;
        } else if ENDLESS.contains(&kind) {
            return Some(at);
        } else if KINDS.contains(&kind) && length <= left_in_block {
            at += length;
        } else {
            at += left_in_block;
        }
    }
    None
}

/// The fragments of a log with their offsets; ends with the offset of the first byte that is not part of a
/// fragment.
struct Fragments<'a> {
    log: &'a [u8],
    at: usize,
}

impl Iterator for Fragments<'_> {
    type Item = Result<(usize, Fragment), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let left_in_block = BLOCK - self.at % BLOCK;
        if left_in_block < HEADER {
            self.at += left_in_block;
        }
        let at = self.at;
        let rest = self.log.get(at..).filter(|rest| !rest.is_empty())?;
        let fragment = Fragment::read(rest, BLOCK - at % BLOCK);
        self.at = fragment.as_ref().map_or(self.log.len(), |fragment| at + fragment.length);
        Some(fragment.map(|fragment| (at, fragment)).ok_or(at))
    }
}

/// Which part of a record a fragment is.
#[derive(Clone, Copy)]
enum Kind {
    Whole,
    First,
    Middle,
    Last,
}

struct Fragment {
    kind: Kind,
    /// Header and payload.
    length: usize,
}

impl Fragment {
    fn read(bytes: &[u8], left_in_block: usize) -> Option<Self> {
        let [c0, c1, c2, c3, l0, l1, kind] = *bytes.first_chunk::<HEADER>()?;
        let length = HEADER + usize::from(u16::from_le_bytes([l0, l1]));
        if length > left_in_block {
            return None;
        }
        let summed = bytes.get(HEADER - 1..length)?;
        let unmasked = u32::from_le_bytes([c0, c1, c2, c3]).wrapping_sub(MASK).rotate_left(15);
        if unmasked != crc32c(summed) {
            return None;
        }
        let kind = match kind {
            1 => Kind::Whole,
            2 => Kind::First,
            3 => Kind::Middle,
            4 => Kind::Last,
            _ => return None,
        };
        Some(Self { kind, length })
    }
}

/// Computes the checksum without a table, because the input is small.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(kind: u8, payload: usize) -> Vec<u8> {
        let length = u16::try_from(payload).unwrap().to_le_bytes();
        [&[0; 4], &length[..], &[kind], &vec![0xAB; payload][..]].concat()
    }

    #[test]
    fn kinds_that_rocksdb_never_ends_on_are_found_where_it_reads() {
        let good = [fragment(1, 9), fragment(2, 0), fragment(4, 30)].concat();
        assert_eq!(endless_at(&good), None);
        for kind in 0..=u8::MAX {
            let log = [&good[..], &[kind; 40]].concat();
            let endless = [5, 6, 7, 8, 11].contains(&kind);
            assert_eq!(endless_at(&log), endless.then_some(good.len()), "{kind}");
        }
        // In a payload it is not a kind; after bytes that are not a fragment, the reader continues with the
        // next block.
        assert_eq!(endless_at(&[fragment(1, 9), vec![7; 6]].concat()), None);
        let next_block = [fragment(9, BLOCK - HEADER), fragment(7, 3)].concat();
        assert_eq!(endless_at(&next_block), Some(BLOCK));
        let at_the_end = [fragment(1, BLOCK - HEADER - 3), vec![7; 3], fragment(6, 1)].concat();
        assert_eq!(endless_at(&at_the_end), Some(BLOCK));
    }
}
