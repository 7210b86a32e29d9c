//! A second, independent writer of the format, which also writes what a correct writer never would.
//!
//! Invariant: whatever it is asked to falsify, header hash and root match the bytes that it writes.

use fm_archive::Record;
use sha2::{Digest, Sha256};

/// One data frame and its entry in the index.
#[derive(Clone)]
pub(crate) struct ForgedFrame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) plain: Vec<u8>,
    pub(crate) first: Vec<u8>,
    pub(crate) last: Vec<u8>,
    pub(crate) records: u64,
    pub(crate) uncompressed: u64,
    /// Added to the true offset in the index.
    pub(crate) offset_lie: u64,
}

/// An archive to be built.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) version: u16,
    /// Replaces the encoded metadata map.
    pub(crate) header_body: Vec<u8>,
    pub(crate) frames: Vec<ForgedFrame>,
    /// Replaces the frame count.
    pub(crate) frame_count: Option<u64>,
    /// Added to the true totals of records, key bytes, value bytes and uncompressed bytes.
    pub(crate) total_lies: [u64; 4],
    pub(crate) identity: Option<[u8; 32]>,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    /// Follows the identity inside the index.
    pub(crate) index_extra: Vec<u8>,
    /// Lies between the last data frame and the index frame.
    pub(crate) gap: Vec<u8>,
}

/// Encodes Lightning's BigSize integer.
pub(crate) fn big_size(value: u64) -> Vec<u8> {
    match value {
        0..=0xFC => vec![u8::try_from(value).unwrap()],
        0xFD..=0xFFFF => [&[0xFD][..], &u16::try_from(value).unwrap().to_be_bytes()].concat(),
        0x1_0000..=0xFFFF_FFFF => [&[0xFE][..], &u32::try_from(value).unwrap().to_be_bytes()].concat(),
        _ => [&[0xFF][..], &value.to_be_bytes()].concat(),
    }
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

pub(crate) fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [big_size(length(bytes)), bytes.to_vec()].concat()
}

/// Returns the record stream of these records.
pub(crate) fn stream(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(|(key, value)| [prefixed(key), prefixed(value)].concat()).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Compresses as the format requires.
pub(crate) fn compress(plain: &[u8]) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
    compressor.include_checksum(true).unwrap();
    compressor.include_contentsize(true).unwrap();
    compressor.compress(plain).unwrap()
}

impl ForgedFrame {
    pub(crate) fn new(records: &[Record]) -> Self {
        let key = |record: Option<&Record>| record.map(|(key, _)| key.clone()).unwrap_or_default();
        let plain = stream(records);
        Self {
            bytes: compress(&plain),
            uncompressed: length(&plain),
            plain,
            first: key(records.first()),
            last: key(records.last()),
            records: u64::try_from(records.len()).unwrap(),
            offset_lie: 0,
        }
    }
}

impl Forge {
    /// Creates an honest archive with a frame for each group of records.
    pub(crate) fn new(frames: &[&[Record]]) -> Self {
        let sum = |of: fn(&Record) -> u64| frames.iter().flat_map(|frame| frame.iter()).map(of).sum();
        Self {
            version: 1,
            header_body: [big_size(1), prefixed(b"kind"), prefixed(b"test")].concat(),
            frames: frames.iter().map(|records| ForgedFrame::new(records)).collect(),
            frame_count: None,
            total_lies: [0; 4],
            identity: None,
            key_bytes: sum(|(key, _)| length(key)),
            value_bytes: sum(|(_, value)| length(value)),
            index_extra: Vec::new(),
            gap: Vec::new(),
        }
    }

    /// Builds the file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut header = [&b"FMARHEAD"[..], &self.version.to_le_bytes(), &self.header_body].concat();
        header.extend(sha256(&header));
        let mut file = skippable(0x184D_2A50, &header);
        let mut index = b"FMARINDX".to_vec();
        index.extend(big_size(self.frame_count.unwrap_or(u64::try_from(self.frames.len()).unwrap())));
        let mut plain = Vec::new();
        for frame in &self.frames {
            let offset = length(&file).wrapping_add(frame.offset_lie);
            index.extend([prefixed(&frame.first), prefixed(&frame.last)].concat());
            for number in [frame.records, offset, length(&frame.bytes), frame.uncompressed] {
                index.extend(big_size(number));
            }
            index.extend([sha256(&frame.bytes), sha256(&frame.plain)].concat());
            file.extend(&frame.bytes);
            plain.extend(&frame.plain);
        }
        let sum = |of: fn(&ForgedFrame) -> u64| self.frames.iter().map(of).fold(0, u64::wrapping_add);
        let totals =
            [sum(|frame| frame.records), self.key_bytes, self.value_bytes, sum(|frame| frame.uncompressed)];
        for (total, lie) in totals.into_iter().zip(self.total_lies) {
            index.extend(big_size(total.wrapping_add(lie)));
        }
        index.extend(self.identity.unwrap_or(sha256(&plain)));
        index.extend(&self.index_extra);
        file.extend(&self.gap);
        let root = sha256(&[header, index.clone()].concat());
        index.extend([&root[..], &length(&file).to_le_bytes(), b"FMAREND1"].concat());
        file.extend(skippable(0x184D_2A51, &index));
        file
    }
}

fn skippable(magic: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&magic.to_le_bytes()[..], &length.to_le_bytes(), payload].concat()
}
