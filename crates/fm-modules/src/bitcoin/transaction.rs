//! Transactions of Bitcoin, with and without witnesses (BIP 144).

use std::fmt;

use fm_codec::{Decode, DecodeError, DecodeErrorKind, Dialect, Encode, Reader, Writer};

use super::{BitcoinHash, Script, bytes, count, list, u32_le, u64_le, write_count, write_list};
use crate::Sat;

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Its version.
    pub version: i32,
    /// Inputs.
    pub inputs: Vec<TxIn>,
    /// Outputs.
    pub outputs: Vec<TxOut>,
    /// The earliest block or time at which it may be mined.
    pub lock_time: u32,
}

/// An input of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxIn {
    /// The output that it spends.
    pub previous: BitcoinOutPoint,
    /// The script that unlocks it; empty for outputs that need a witness.
    pub script: Vec<u8>,
    /// Its sequence number.
    pub sequence: u32,
    /// The encoded elements of the witness, each with its length.
    pub witness: Vec<u8>,
    /// The number of elements of the witness.
    pub witness_elements: usize,
}

/// An output of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxOut {
    /// Its value. Any 64-bit number, as upstream decodes it.
    pub value: Sat,
    /// The script that locks it.
    pub script: Script,
}

/// An output of a transaction of Bitcoin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitcoinOutPoint {
    /// The transaction.
    pub txid: BitcoinHash,
    /// The index among its outputs.
    pub vout: u32,
}

/// The marker before witnesses, where a transaction without them has the number of its inputs.
const MARKER: u8 = 0;
/// The only form of a transaction with a marker.
const FLAG: u8 = 1;
/// Bytes of an input with an empty script.
const LEAST_INPUT: usize = 32 + 4 + 1 + 4;
/// Bytes of an output with an empty script.
const LEAST_OUTPUT: usize = 8 + 1;

impl Transaction {
    /// Returns its id: the hash of its encoding without witnesses.
    pub fn txid(&self) -> BitcoinHash {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.raw(&self.version.to_le_bytes());
        write_list(&mut writer, &self.inputs);
        write_list(&mut writer, &self.outputs);
        writer.raw(&self.lock_time.to_le_bytes());
        BitcoinHash::of(&[writer.as_bytes()])
    }

    /// A transaction without inputs has the form with witnesses: its first byte would be the marker anyway.
    fn has_marker(&self) -> bool {
        self.inputs.is_empty() || self.inputs.iter().any(|input| input.witness_elements > 0)
    }
}

impl Decode for Transaction {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = i32::from_le_bytes(reader.array()?);
        let start = reader.position();
        let mut inputs: Vec<TxIn> = list(reader, LEAST_INPUT)?;
        let has_marker = inputs.is_empty();
        if has_marker {
            if reader.u8()? != FLAG {
                return Err(not(start, "a transaction of Bitcoin with a known flag"));
            }
            inputs = list(reader, LEAST_INPUT)?;
        }
        let outputs = list(reader, LEAST_OUTPUT)?;
        if has_marker {
            for input in &mut inputs {
                input.witness_elements = count(reader, 1)?;
                let from = reader.position();
                for _ in 0..input.witness_elements {
                    bytes(reader)?;
                }
                input.witness = reader.since(from).to_vec();
            }
        }
        let transaction = Self { version, inputs, outputs, lock_time: u32_le(reader)? };
        if has_marker && !transaction.has_marker() {
            return Err(not(start, "a transaction of Bitcoin: it announces witnesses and has none"));
        }
        Ok(transaction)
    }
}

fn not(offset: usize, what: &'static str) -> DecodeError {
    DecodeError { offset, kind: DecodeErrorKind::Not { what } }
}

impl Encode for Transaction {
    fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.version.to_le_bytes());
        if self.has_marker() {
            writer.raw(&[MARKER, FLAG]);
        }
        write_list(writer, &self.inputs);
        write_list(writer, &self.outputs);
        if self.has_marker() {
            for input in &self.inputs {
                write_count(writer, input.witness_elements);
                writer.raw(&input.witness);
            }
        }
        writer.raw(&self.lock_time.to_le_bytes());
    }
}

impl Decode for TxIn {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            previous: reader.value()?,
            script: bytes(reader)?.to_vec(),
            sequence: u32_le(reader)?,
            witness: Vec::new(),
            witness_elements: 0,
        })
    }
}

/// The witness is not written here: it follows the outputs.
impl Encode for TxIn {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.previous);
        super::write_bytes(writer, &self.script);
        writer.raw(&self.sequence.to_le_bytes());
    }
}

impl Decode for TxOut {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { value: Sat(u64_le(reader)?), script: reader.value()? })
    }
}

impl Encode for TxOut {
    fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.value.0.to_le_bytes());
        writer.value(&self.script);
    }
}

impl Decode for BitcoinOutPoint {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { txid: reader.value()?, vout: u32_le(reader)? })
    }
}

impl Encode for BitcoinOutPoint {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.txid);
        writer.raw(&self.vout.to_le_bytes());
    }
}

impl fmt::Display for BitcoinOutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.vout)
    }
}
