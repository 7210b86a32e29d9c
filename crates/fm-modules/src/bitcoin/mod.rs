//! The structures of Bitcoin that modules carry, in Bitcoin's own encoding: little endian integers and
//! counts of one to nine bytes.
//!
//! Invariant: what decodes here encodes to the same bytes; counts are checked against the bytes that are left
//! before anything is allocated.
//!
//! Source: bitcoin 0.32, src/consensus/encode.rs and src/blockdata; protocol documentation of Bitcoin.

mod address;
mod proof;
mod script;
mod transaction;

use std::fmt;

use fm_codec::{Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};
use fm_history::sha256;

pub use address::Network;
pub use proof::{PartialMerkleTree, TxOutProof};
pub use script::{Script, ScriptKind};
pub use transaction::{BitcoinOutPoint, Transaction, TxIn, TxOut};

/// The id of a transaction or block: a double SHA-256, printed in reverse, as Bitcoin does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitcoinHash(pub [u8; 32]);

impl BitcoinHash {
    /// Returns the double SHA-256 over the concatenated parts.
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(sha256(&[&sha256(parts).0]).0)
    }
}

impl Decode for BitcoinHash {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

impl Encode for BitcoinHash {
    fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.0);
    }
}

impl fmt::Display for BitcoinHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0;
        bytes.reverse();
        f.write_str(&hex::encode(bytes))
    }
}

impl fmt::Debug for BitcoinHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn u32_le(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    reader.array().map(u32::from_le_bytes)
}

fn u64_le(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    reader.array().map(u64::from_le_bytes)
}

/// Reads a count of elements that take at least `least` bytes each; it must be in its shortest form.
fn count(reader: &mut Reader<'_>, least: usize) -> Result<usize, DecodeError> {
    let offset = reader.position();
    let (length, smallest) = match reader.u8()? {
        0xFD => (u16::from_le_bytes(reader.array()?).into(), 0xFD),
        0xFE => (u32_le(reader)?.into(), 0x1_0000),
        0xFF => (u64_le(reader)?, 0x1_0000_0000),
        small => (small.into(), 0),
    };
    if length < smallest {
        return Err(DecodeError { offset, kind: DecodeErrorKind::NonMinimalInteger { value: length } });
    }
    let left = reader.left();
    usize::try_from(length)
        .ok()
        .filter(|count| *count <= left / least)
        .ok_or(DecodeError { offset, kind: DecodeErrorKind::LengthBeyondInput { length, left } })
}

/// Reads a list of values that take at least `least` bytes each.
fn list<T: Decode>(reader: &mut Reader<'_>, least: usize) -> Result<Vec<T>, DecodeError> {
    let count = count(reader, least)?;
    let mut list = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        list.push(reader.value()?);
    }
    Ok(list)
}

fn bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let length = count(reader, 1)?;
    reader.take(length)
}

fn write_count(writer: &mut Writer, count: usize) {
    let wide = (count as u64).to_le_bytes();
    match count {
        0..=0xFC => writer.raw(&wide[..1]),
        0xFD..=0xFFFF => {
            writer.u8(0xFD);
            writer.raw(&wide[..2]);
        }
        0x1_0000..=0xFFFF_FFFF => {
            writer.u8(0xFE);
            writer.raw(&wide[..4]);
        }
        _ => {
            writer.u8(0xFF);
            writer.raw(&wide);
        }
    }
}

fn write_bytes(writer: &mut Writer, bytes: &[u8]) {
    write_count(writer, bytes.len());
    writer.raw(bytes);
}

fn write_list<T: Encode>(writer: &mut Writer, list: &[T]) {
    write_count(writer, list.len());
    for value in list {
        writer.value(value);
    }
}
