//! Whether a database's list of files (its `MANIFEST`) is whole.
//!
//! RocksDB reads the list up to the first record that is cut short and opens the database as of then: the
//! tables named behind it, and their rows, are gone without a word. So the list is walked here as well.
//!
//! Layout: blocks of 32 KiB; in them fragments of a header (masked CRC-32C over kind and payload, length,
//! kind; little endian) and a payload; fewer than seven bytes at the end of a block are not used.

/// Bytes of a block.
const BLOCK: usize = 32 << 10;
/// Bytes of a fragment's header.
const HEADER: usize = 7;
/// Added to a rotated checksum, so that a checksum over checksums is a good one.
const MASK: u32 = 0xa282_ead8;
/// CRC-32C's polynomial, reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Offset of the first byte that belongs to no whole record; none if the list is whole.
pub(crate) fn torn_at(list: &[u8]) -> Option<usize> {
    let mut at = 0;
    // Start of the record whose last fragment has not come yet.
    let mut open = None;
    while at < list.len() {
        let left_in_block = BLOCK - at % BLOCK;
        if left_in_block < HEADER {
            at += left_in_block;
            continue;
        }
        let Some(fragment) = Fragment::read(&list[at..], left_in_block) else {
            return Some(open.unwrap_or(at));
        };
        match (fragment.kind, open) {
            (Kind::Whole, None) => {}
            (Kind::First, None) => open = Some(at),
            (Kind::Middle, Some(_)) => {}
            (Kind::Last, Some(_)) => open = None,
            _ => return Some(open.unwrap_or(at)),
        }
        at += fragment.length;
    }
    open
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

/// A list of files is small: no table is worth its while.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg()))
    })
}
