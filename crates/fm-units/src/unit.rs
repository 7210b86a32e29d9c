//! One signed unit: its fields, the bytes they were read from, and their encoding.
//!
//! Invariant: a unit's hash covers the stored bytes.

use fm_codec::{Dialect, Writer};
use fm_history::{Hash, sha256};

use crate::form::{DataShape, HashRule, UnitForm};
use crate::scale::{
    ScaleError, ScaleErrorKind, ScaleReader, Subset, write_bytes, write_compact, write_subset,
};

/// The largest number of guardians that a unit may name; far above any federation that existed.
pub const MAX_NODES: usize = fm_crypto::MAX_GUARDIANS;
/// The most items of a batch that are read; servers drop batches of more than 100 items.
pub const MAX_BATCH_ITEMS: usize = 10_000;
/// Length of a Schnorr signature. Source: secp256k1 0.29.1, src/constants.rs.
const SIGNATURE_BYTES: usize = 64;

/// A signature with the number of its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authored {
    /// The signature.
    pub signature: [u8; SIGNATURE_BYTES],
    /// The author's number, where the form has it.
    pub author: u64,
}

/// The data that a unit carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitData<'a> {
    /// A list of items, as SCALE writes a list of byte strings (after its count), and its author.
    Items {
        /// The number of items.
        count: usize,
        /// The byte strings, each with its length.
        list: &'a [u8],
        /// The author.
        by: Authored,
    },
    /// Encoded consensus items; the author where the form has one.
    Bytes {
        /// The encoding.
        bytes: &'a [u8],
        /// The author.
        by: Option<Authored>,
    },
    /// A guardian's signature over the session's header; the author where the form has one.
    HeaderSignature {
        /// The signature.
        signature: [u8; SIGNATURE_BYTES],
        /// The author.
        author: Option<u64>,
    },
}

/// A unit's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitFields<'a> {
    /// The unit's round.
    pub round: u16,
    /// The guardian that made the unit.
    pub creator: u64,
    /// The guardians whose units of the previous round this unit builds on.
    pub parents: Subset<'a>,
    /// One hash over the hashes of those units.
    pub parents_hash: [u8; 32],
    /// The unit's data.
    pub data: Option<UnitData<'a>>,
    /// The session.
    pub session: u64,
    /// The creator's signature over the unit's hash.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// A unit and the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// The fields.
    pub fields: UnitFields<'a>,
    /// The whole unit as stored, signature included.
    pub bytes: &'a [u8],
}

impl<'a> Unit<'a> {
    /// Reads a unit.
    ///
    /// # Errors
    /// Fails if the bytes end, or are not a unit of that form.
    pub fn read(reader: &mut ScaleReader<'a>, form: &UnitForm) -> Result<Self, ScaleError> {
        let start = reader.position();
        let fields = UnitFields {
            round: reader.u16()?,
            creator: reader.u64()?,
            parents: reader.subset(MAX_NODES)?,
            parents_hash: reader.array()?,
            data: if reader.flag()? { Some(read_data(reader, form.data)?) } else { None },
            session: reader.u64()?,
            signature: reader.array()?,
        };
        Ok(Self { fields, bytes: reader.since(start) })
    }

    /// Returns the unit's hash: over everything but the signature.
    pub fn hash(&self, rule: HashRule) -> Hash {
        rule.hash(&self.bytes[..self.bytes.len() - SIGNATURE_BYTES])
    }
}

impl HashRule {
    /// Returns the hash of SCALE bytes.
    pub fn hash(self, bytes: &[u8]) -> Hash {
        match self {
            Self::Plain => sha256(&[bytes]),
            Self::Sized => {
                let mut length = Writer::new(Dialect::MODERN);
                length.count(bytes.len());
                sha256(&[length.as_bytes(), bytes])
            }
        }
    }

    /// Returns the one hash over the parents' hashes; the input has a place for every node.
    pub fn parents_hash(self, parents: &[Option<Hash>]) -> Hash {
        let mut bytes = Vec::with_capacity(4 + 33 * parents.len());
        write_compact(&mut bytes, parents.len());
        for parent in parents {
            bytes.push(u8::from(parent.is_some()));
            bytes.extend(parent.iter().flat_map(|hash| hash.0));
        }
        self.hash(&bytes)
    }
}

fn read_data<'a>(reader: &mut ScaleReader<'a>, shape: DataShape) -> Result<UnitData<'a>, ScaleError> {
    let offset = reader.position();
    let signed = shape != DataShape::Bytes;
    match (reader.u8()?, shape) {
        (0, DataShape::ItemsSigned) => {
            let count = reader.count("items", MAX_BATCH_ITEMS)?;
            let start = reader.position();
            for _ in 0..count {
                reader.bytes()?;
            }
            let list = reader.since(start);
            Ok(UnitData::Items { count, list, by: read_author(reader)? })
        }
        (0, _) => {
            let bytes = reader.bytes()?;
            let by = if signed { Some(read_author(reader)?) } else { None };
            Ok(UnitData::Bytes { bytes, by })
        }
        (1, _) => {
            let signature = reader.array()?;
            let author = if signed { Some(reader.u64()?) } else { None };
            Ok(UnitData::HeaderSignature { signature, author })
        }
        (variant, _) => {
            let kind = ScaleErrorKind::UnknownVariant { of: "unit data", variant };
            Err(ScaleError { offset, kind })
        }
    }
}

fn read_author(reader: &mut ScaleReader<'_>) -> Result<Authored, ScaleError> {
    Ok(Authored { signature: reader.array()?, author: reader.u64()? })
}

impl<'a> UnitData<'a> {
    /// Returns the byte strings of a list of items; a batch of encoded items is not taken apart.
    pub fn strings(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let list = if let Self::Items { list, .. } = self { *list } else { &[] };
        let mut reader = ScaleReader::new(list);
        std::iter::from_fn(move || if reader.left() == 0 { None } else { reader.bytes().ok() })
    }

    /// Returns the bytes that the author of a batch signed, with the integers of its dialect.
    pub fn authored(&self, dialect: Dialect) -> Option<(Authored, Vec<u8>)> {
        match self {
            Self::Items { count, by, .. } => {
                let mut writer = Writer::new(dialect);
                writer.count(*count);
                self.strings().for_each(|item| writer.bytes(item));
                Some((*by, sha256(&[writer.as_bytes()]).0.to_vec()))
            }
            Self::Bytes { bytes, by: Some(by) } => Some((*by, bytes.to_vec())),
            Self::Bytes { by: None, .. } | Self::HeaderSignature { .. } => None,
        }
    }
}

impl UnitFields<'_> {
    /// Appends the unit as it is stored, signature included.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        self.write_unsigned(bytes);
        bytes.extend_from_slice(&self.signature);
    }

    /// Appends everything but the signature: what is hashed.
    pub fn write_unsigned(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.round.to_le_bytes());
        bytes.extend_from_slice(&self.creator.to_le_bytes());
        write_subset(bytes, self.parents);
        bytes.extend_from_slice(&self.parents_hash);
        bytes.push(u8::from(self.data.is_some()));
        if let Some(data) = &self.data {
            data.write(bytes);
        }
        bytes.extend_from_slice(&self.session.to_le_bytes());
    }
}

impl UnitData<'_> {
    fn write(&self, bytes: &mut Vec<u8>) {
        let authored = |bytes: &mut Vec<u8>, by: &Authored| {
            bytes.extend_from_slice(&by.signature);
            bytes.extend_from_slice(&by.author.to_le_bytes());
        };
        match self {
            Self::Items { count, list, by } => {
                bytes.push(0);
                write_compact(bytes, *count);
                bytes.extend_from_slice(list);
                authored(bytes, by);
            }
            Self::Bytes { bytes: batch, by } => {
                bytes.push(0);
                write_bytes(bytes, batch);
                by.iter().for_each(|by| authored(bytes, by));
            }
            Self::HeaderSignature { signature, author } => {
                bytes.push(1);
                bytes.extend_from_slice(signature);
                bytes.extend(author.iter().flat_map(|author| author.to_le_bytes()));
            }
        }
    }
}
