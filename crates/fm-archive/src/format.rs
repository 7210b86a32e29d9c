//! The constants of the format, version 1: magic numbers, sizes and limits.
//!
//! Invariant: the writer checks a limit before it writes, and the reader before it allocates.

/// The format version that this crate writes, and the only one that it reads.
pub const FORMAT_VERSION: u16 = 1;

/// The longest payload of the header frame, in bytes.
pub const MAX_HEADER_LEN: usize = 64 << 10;
/// The longest key, in bytes.
pub const MAX_KEY_LEN: usize = 64 << 10;
/// The longest value, in bytes (four times what any Fedimint server decodes as one value).
pub const MAX_VALUE_LEN: usize = 64 << 20;
/// The longest uncompressed data frame, in bytes: one largest record with its two lengths.
pub const MAX_FRAME_LEN: usize = MAX_KEY_LEN + MAX_VALUE_LEN + 2 * 5;
/// The longest payload of the index frame, in bytes.
pub const MAX_INDEX_LEN: u64 = 1 << 30;
/// The largest frame target that a writer accepts, in bytes: two of them stay below [`MAX_FRAME_LEN`].
pub const MAX_FRAME_TARGET: usize = 16 << 20;
/// The uncompressed size in bytes at which a data frame is closed, unless the caller sets another.
pub const DEFAULT_FRAME_TARGET: usize = 1 << 20;

/// The Zstandard magic of the skippable frame that holds the header.
pub(crate) const HEADER_FRAME_MAGIC: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();
/// The Zstandard magic of the skippable frame that holds the index and the trailer.
pub(crate) const INDEX_FRAME_MAGIC: [u8; 4] = 0x184D_2A51_u32.to_le_bytes();
/// The Zstandard magic of a data frame.
pub(crate) const DATA_FRAME_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// The first bytes of the header payload.
pub(crate) const HEADER_MARK: [u8; 8] = *b"FMARHEAD";
/// The first bytes of the index payload.
pub(crate) const INDEX_MARK: [u8; 8] = *b"FMARINDX";
/// The last bytes of the file.
pub(crate) const END_MARK: [u8; 8] = *b"FMAREND1";

/// The bytes of magic and length before a skippable frame's payload.
pub(crate) const SKIPPABLE_LEN: u64 = 8;
/// The bytes of mark, version and SHA-256: the part of a header payload that is always there.
pub(crate) const HEADER_FIXED_LEN: usize = 8 + 2 + 32;
/// The bytes of root, offset of the index frame and end mark.
pub(crate) const TRAILER_LEN: usize = 32 + 8 + 8;
/// The bytes of the smallest index payload: mark, five small integers, identity, trailer.
pub(crate) const MIN_INDEX_LEN: u64 = 8 + 5 + 32 + TRAILER_LEN as u64;
/// The fewest bytes that one frame takes in the index: six small integers and two hashes.
pub(crate) const MIN_ENTRY_LEN: usize = 6 + 64;

/// Converts a length in memory to a number in the file.
pub(crate) fn wide(length: usize) -> u64 {
    u64::try_from(length).expect("a length in memory fits 64 bits")
}

/// Returns the largest compressed size that a data frame of `uncompressed` bytes may have.
///
/// This is Zstandard's own bound for incompressible data, plus room for the frame's header and checksum.
pub(crate) fn most_compressed(uncompressed: u64) -> u64 {
    uncompressed.saturating_add(uncompressed >> 8).saturating_add(128)
}

/// Returns whether a file begins like an archive; of a shorter start, whether it may be that of one.
pub fn begins_like_one(start: &[u8]) -> bool {
    // After the magic number and the length of the frame.
    start.get(8..16).map_or(start.starts_with(&HEADER_FRAME_MAGIC), |mark| mark == HEADER_MARK)
}
