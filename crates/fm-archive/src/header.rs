//! The header: the metadata of the archive, and the first frame of the file, which holds it.
//!
//! Invariants: a header is trusted only if its own SHA-256 matches; every format version keeps mark, version
//! and closing SHA-256 in the same place, so that a newer version can be distinguished from a damaged header.

use std::collections::BTreeMap;

use fm_codec::{Dialect, Reader, Writer};
use sha2::{Digest, Sha256};

use crate::format::{
    FORMAT_VERSION, HEADER_FIXED_LEN, HEADER_FRAME_MAGIC, HEADER_MARK, MAX_HEADER_LEN, SKIPPABLE_LEN, wide,
};
use crate::{ArchiveError, Fault};

/// The metadata of an archive, by name: kind, era, dialect, federation, tool and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Creates empty metadata.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one entry, and returns the value that it replaced.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) -> Option<String> {
        self.0.insert(name.into(), value.into())
    }

    /// Returns one entry.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns all entries, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// A header whose hash matches.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) payload: Vec<u8>,
    pub(crate) metadata: Metadata,
}

/// Why a payload is not a valid header.
pub(crate) enum HeaderFault {
    Damaged(Fault),
    OtherVersion(u16),
}

impl From<Fault> for HeaderFault {
    fn from(fault: Fault) -> Self {
        Self::Damaged(fault)
    }
}

impl Header {
    /// Creates the header of a new archive.
    pub(crate) fn new(metadata: &Metadata) -> Result<Self, ArchiveError> {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.raw(&HEADER_MARK);
        writer.raw(&FORMAT_VERSION.to_le_bytes());
        writer.list(metadata.0.iter(), |writer, (name, value)| {
            writer.text(name);
            writer.text(value);
        });
        let hash = Sha256::digest(writer.as_bytes());
        writer.raw(&hash);
        let payload = writer.into_bytes();
        if payload.len() > MAX_HEADER_LEN {
            return Err(ArchiveError::HeaderTooLarge { length: payload.len(), limit: MAX_HEADER_LEN });
        }
        Ok(Self { payload, metadata: metadata.clone() })
    }

    /// Reads a payload from a file.
    pub(crate) fn from_payload(payload: Vec<u8>) -> Result<Self, HeaderFault> {
        let body = payload.len().checked_sub(32).filter(|_| payload.len() >= HEADER_FIXED_LEN);
        let Some(body) = body else {
            let actual = wide(HEADER_FIXED_LEN);
            return Err(Fault::Length { declared: wide(payload.len()), actual }.into());
        };
        let (covered, hash) = payload.split_at(body);
        if Sha256::digest(covered).as_slice() != hash {
            return Err(Fault::Hash { of: "the header" }.into());
        }
        let mut reader = Reader::new(covered, Dialect::MODERN);
        if reader.array::<8>().map_err(Fault::from)? != HEADER_MARK {
            return Err(Fault::Mark { what: "the mark of the header" }.into());
        }
        let version = u16::from_le_bytes(reader.array().map_err(Fault::from)?);
        if version != FORMAT_VERSION {
            return Err(HeaderFault::OtherVersion(version));
        }
        let entries = reader.map(2, |reader| reader.text(), |reader| reader.text()).map_err(Fault::from)?;
        reader.finish().map_err(Fault::from)?;
        Ok(Self { payload, metadata: Metadata(entries) })
    }

    /// Returns where the header's frame ends in the file.
    pub(crate) fn end(&self) -> u64 {
        SKIPPABLE_LEN + wide(self.payload.len())
    }

    /// Returns the whole frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a header payload is limited to 64 KiB");
        [&HEADER_FRAME_MAGIC[..], &length.to_le_bytes(), &self.payload].concat()
    }
}
