//! The index and the trailer: a description of every data frame, the totals, and the root over all of it.
//!
//! Invariants: a checked index tiles the file from the end of the header to its own frame without gap or
//! overlap, its keys ascend over all frames, and its totals are the sums of its entries.

use std::ops::Range;

use fm_codec::{DecodeError, Dialect, Reader, Writer};
use sha2::{Digest, Sha256};

use crate::format::{
    END_MARK, INDEX_MARK, MAX_FRAME_LEN, MAX_KEY_LEN, MIN_ENTRY_LEN, TRAILER_LEN, most_compressed, wide,
};
use crate::{Damage, Fault, Region};

/// The index entry of one data frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// The key of its first record.
    pub first_key: Vec<u8>,
    /// The key of its last record.
    pub last_key: Vec<u8>,
    /// The number of its records.
    pub records: u64,
    /// The offset of the frame in the file.
    pub offset: u64,
    /// The size of the frame in the file.
    pub compressed: u64,
    /// The size of its contents.
    pub uncompressed: u64,
    /// The SHA-256 of its bytes in the file.
    pub compressed_sha256: [u8; 32],
    /// The SHA-256 of its contents.
    pub uncompressed_sha256: [u8; 32],
}

impl FrameInfo {
    /// Returns the bytes of the frame in the file.
    pub fn bytes(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.compressed)
    }

    /// Makes the damage of the frame with this number.
    pub(crate) fn damage(&self, number: usize, fault: Fault) -> Damage {
        let keys = Some((self.first_key.clone(), self.last_key.clone()));
        let region = Region::Frame(wide(number));
        Damage { region, bytes: self.bytes(), keys, records: Some(self.records), fault }
    }

    /// Returns an upper bound of its size in the index.
    pub(crate) fn most_encoded(&self) -> u64 {
        wide(self.first_key.len() + self.last_key.len() + 6 * 9 + 64)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            first_key: reader.bytes()?.to_vec(),
            last_key: reader.bytes()?.to_vec(),
            records: reader.u64()?,
            offset: reader.u64()?,
            compressed: reader.u64()?,
            uncompressed: reader.u64()?,
            compressed_sha256: reader.array()?,
            uncompressed_sha256: reader.array()?,
        })
    }

    fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.first_key);
        writer.bytes(&self.last_key);
        for number in [self.records, self.offset, self.compressed, self.uncompressed] {
            writer.u64(number);
        }
        writer.raw(&self.compressed_sha256);
        writer.raw(&self.uncompressed_sha256);
    }

    /// Returns the first field whose value is impossible, whatever the frame holds.
    fn impossible(&self) -> Option<&'static str> {
        let one = self.records == 1;
        let limit = wide(MAX_KEY_LEN);
        let facts = [
            ("length of the first key", wide(self.first_key.len()) <= limit),
            ("length of the last key", wide(self.last_key.len()) <= limit),
            (
                "order of its keys",
                if one { self.first_key == self.last_key } else { self.first_key < self.last_key },
            ),
            // A record takes at least two bytes.
            ("record count", (1..=self.uncompressed / 2).contains(&self.records)),
            ("uncompressed size", self.uncompressed <= wide(MAX_FRAME_LEN)),
            ("compressed size", self.compressed <= most_compressed(self.uncompressed)),
        ];
        facts.into_iter().find(|(_, holds)| !holds).map(|(field, _)| field)
    }
}

/// The totals of the data frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) records: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) uncompressed: u64,
}

/// What an archive holds, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The SHA-256 of the uncompressed record stream: equal records have equal identities.
    pub identity: [u8; 32],
    /// The SHA-256 of header and index: identifies this exact file.
    pub root: [u8; 32],
    /// The number of records.
    pub records: u64,
    /// The sum of the key lengths.
    pub key_bytes: u64,
    /// The sum of the value lengths.
    pub value_bytes: u64,
    /// The number of data frames.
    pub frames: u64,
    /// The size of the record stream.
    pub uncompressed: u64,
    /// The size of all data frames in the file.
    pub compressed: u64,
    /// The length of the whole file.
    pub length: u64,
}

/// The index of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) frames: Vec<FrameInfo>,
    pub(crate) totals: Totals,
    pub(crate) identity: [u8; 32],
}

impl Index {
    /// Encodes the index payload up to the root.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.raw(&INDEX_MARK);
        writer.list(self.frames.iter(), |writer, frame| frame.encode(writer));
        let Totals { records, key_bytes, value_bytes, uncompressed } = self.totals;
        for number in [records, key_bytes, value_bytes, uncompressed] {
            writer.u64(number);
        }
        writer.raw(&self.identity);
        writer.into_bytes()
    }

    /// Decodes the index payload up to the root; checks nothing against the file.
    pub(crate) fn decode(covered: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(covered, Dialect::MODERN);
        if reader.array::<8>()? != INDEX_MARK {
            return Err(Fault::Mark { what: "the mark of the index" });
        }
        let frames = reader.list(MIN_ENTRY_LEN, FrameInfo::decode)?;
        let totals = Totals {
            records: reader.u64()?,
            key_bytes: reader.u64()?,
            value_bytes: reader.u64()?,
            uncompressed: reader.u64()?,
        };
        let identity = reader.array()?;
        reader.finish()?;
        Ok(Self { frames, totals, identity })
    }

    /// Returns where the header ends if the index is right.
    pub(crate) fn first_offset(&self, index_offset: u64) -> u64 {
        self.frames.first().map_or(index_offset, |frame| frame.offset)
    }

    /// Checks all numbers against the places of header and index in the file.
    pub(crate) fn check(&self, header_end: u64, index_offset: u64) -> Result<(), Fault> {
        let mut offset = header_end;
        let mut previous: Option<&[u8]> = None;
        for (number, frame) in self.frames.iter().enumerate() {
            let refuse = |field| Err(Fault::Entry { frame: wide(number), field });
            if frame.offset != offset {
                return refuse("offset");
            }
            if let Some(field) = frame.impossible() {
                return refuse(field);
            }
            if previous.is_some_and(|previous| previous >= frame.first_key.as_slice()) {
                return refuse("order of its keys after the frame before it");
            }
            previous = Some(&frame.last_key);
            offset = frame.bytes().end;
        }
        if offset != index_offset {
            return Err(Fault::Length { declared: offset, actual: index_offset });
        }
        self.check_totals()
    }

    fn check_totals(&self) -> Result<(), Fault> {
        let sum = |of: fn(&FrameInfo) -> u64| {
            self.frames.iter().try_fold(0u64, |sum, frame| sum.checked_add(of(frame)))
        };
        let Totals { records, key_bytes, value_bytes, uncompressed } = self.totals;
        if sum(|frame| frame.records) != Some(records) {
            return Err(Fault::Total { field: "records" });
        }
        if sum(|frame| frame.uncompressed) != Some(uncompressed) {
            return Err(Fault::Total { field: "uncompressed bytes" });
        }
        // A record is its key, its value and two lengths of one to five bytes.
        let lengths = key_bytes.checked_add(value_bytes).and_then(|bytes| uncompressed.checked_sub(bytes));
        let possible = 2 * records..=10 * records;
        if !lengths.is_some_and(|lengths| possible.contains(&lengths)) {
            return Err(Fault::Total { field: "key and value bytes" });
        }
        Ok(())
    }

    /// Returns the summary of an archive with this index.
    pub(crate) fn summary(&self, root: [u8; 32], length: u64) -> Summary {
        let Totals { records, key_bytes, value_bytes, uncompressed } = self.totals;
        let compressed = self.frames.iter().map(|frame| frame.compressed).sum();
        let frames = wide(self.frames.len());
        let identity = self.identity;
        Summary { identity, root, records, key_bytes, value_bytes, frames, uncompressed, compressed, length }
    }
}

/// Computes the root over a header payload and the index payload up to the root.
pub(crate) fn root(header_payload: &[u8], covered: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(header_payload).chain_update(covered).finalize().into()
}

/// The last bytes of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trailer {
    pub(crate) root: [u8; 32],
    pub(crate) index_offset: u64,
    pub(crate) end_mark: [u8; 8],
}

impl Trailer {
    pub(crate) fn new(root: [u8; 32], index_offset: u64) -> Self {
        Self { root, index_offset, end_mark: END_MARK }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.root[..], &self.index_offset.to_le_bytes(), &self.end_mark].concat()
    }

    pub(crate) fn decode(bytes: &[u8; TRAILER_LEN]) -> Self {
        let mut reader = Reader::new(bytes, Dialect::MODERN);
        let whole = "a trailer has 48 bytes";
        Self {
            root: reader.array().expect(whole),
            index_offset: u64::from_le_bytes(reader.array().expect(whole)),
            end_mark: reader.array().expect(whole),
        }
    }
}
