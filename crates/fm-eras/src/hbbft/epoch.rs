//! The history record: `SignedEpochOutcome` of every layout.
//!
//! ```text
//! record  = outcome || hash[32] || option<signature[96]>
//! outcome = epoch u64 || option<last_hash[32]> || list<(peer, list<item>)> || set<txid[32]>
//! ```

use fm_codec::{
    DecodeError, DecodeErrorKind, Dialect, Encode, EnumBody, MAX_DECODE_SIZE, ModuleValue, Reader, Writer,
};
use fm_history::{Contribution, Epoch, EpochContent, EpochItem, EpochTransaction, Hash, sha256};
use thiserror::Error;

use super::layout::EpochLayout;

/// Largest history record that is decoded, in bytes: twice what any server since v0.3 decodes as one value.
///
/// v0.1 itself had no limit; the epochs of the real databases in `fixtures` have some thousand bytes.
pub const MAX_EPOCH_BYTES: usize = 2 * MAX_DECODE_SIZE;
/// Most elements that are decoded in one record: contributions, items, inputs, outputs and rejected
/// transactions.
///
/// That is 100,000 transactions with four inputs and outputs each. An element takes a byte or two in a
/// record, and up to about 400 bytes in memory with the session that it becomes: 200 MB in the worst record.
/// Such a record passes through the pipeline alone.
pub const MAX_ELEMENTS: usize = 1 << 19;
/// Bytes of the hash field.
const HASH: usize = 32;
/// Bytes of a signature with its flag. Source: fedimint-threshold-crypto 0.2.1, src/lib.rs.
const SIGNED: usize = 97;
/// The bit that marks a compressed point in the first byte of a signature.
/// Source: bls12_381 0.8.0, src/g2.rs.
const COMPRESSED: u8 = 0x80;

/// An error in decoding a history record.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EpochError {
    /// The bytes do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The record decodes, but encodes to other bytes.
    #[error("encoding the record again results in other bytes from byte {offset} on")]
    NotReproducible { offset: usize },
    /// The record is larger than any that a server wrote.
    #[error("the record of {length} bytes is too large: at most {MAX_EPOCH_BYTES} are decoded")]
    TooLarge { length: usize },
    /// Neither end of an opaque record fits.
    #[error("the record of {length} bytes does not end in a hash and a signature or its absence")]
    NoEnd { length: usize },
}

/// Decodes a whole history record.
///
/// # Errors
/// Fails if the record is too large, does not decode, has bytes left over or does not encode to the same
/// bytes.
pub fn decode_epoch(value: &[u8], layout: &EpochLayout) -> Result<Epoch, EpochError> {
    check_length(value)?;
    if layout.is_framed() { decode_framed(value, layout.dialect) } else { split(value, layout.dialect) }
}

/// Refuses a record that is too large to be decoded, by its length alone.
///
/// # Errors
/// Fails if the record is longer than [`MAX_EPOCH_BYTES`].
pub fn check_length(value: &[u8]) -> Result<(), EpochError> {
    let length = value.len();
    if length > MAX_EPOCH_BYTES { Err(EpochError::TooLarge { length }) } else { Ok(()) }
}

fn decode_framed(value: &[u8], dialect: Dialect) -> Result<Epoch, EpochError> {
    let mut reader = Reader::new(value, dialect).limited(MAX_ELEMENTS);
    let number = reader.u64()?;
    let last_hash = reader.option(read_hash)?;
    let content = read_content(&mut reader)?;
    let outcome_end = reader.position();
    let stored_hash = read_hash(&mut reader)?;
    let signature = reader.option(Reader::array)?;
    reader.finish()?;
    let epoch = Epoch {
        number,
        last_hash,
        content: Some(content),
        computed_hash: sha256(&[&value[..outcome_end]]),
        stored_hash,
        signature,
    };
    match encode_epoch(&epoch, dialect) {
        Some(again) if again == value => Ok(epoch),
        again => {
            let again = again.unwrap_or_default();
            let offset = again.iter().zip(value).take_while(|(a, b)| a == b).count();
            Err(EpochError::NotReproducible { offset })
        }
    }
}

/// Splits a record whose module values have no length, from both ends.
fn split(value: &[u8], dialect: Dialect) -> Result<Epoch, EpochError> {
    let (number, last_hash) = read_front(value, dialect)?;
    let signed = value.len().checked_sub(SIGNED).filter(|at| {
        // A flag byte alone would fit one record in 256; a signature is also a compressed point.
        *at >= HASH && value[*at] == 1 && value[at + 1] & COMPRESSED != 0
    });
    let unsigned = value.len().checked_sub(1).filter(|at| *at >= HASH && value[*at] == 0);
    let epoch_ending_at = |flag_at: usize| {
        let (outcome, rest) = value[..flag_at].split_at(flag_at - HASH);
        let mut stored_hash = Hash::default();
        stored_hash.0.copy_from_slice(rest);
        let mut signature = None;
        if flag_at + 1 < value.len() {
            let mut bytes = [0; 96];
            bytes.copy_from_slice(&value[flag_at + 1..]);
            signature = Some(bytes);
        }
        Epoch { number, last_hash, content: None, computed_hash: sha256(&[outcome]), stored_hash, signature }
    };
    let readings: Vec<Epoch> = [signed, unsigned].into_iter().flatten().map(epoch_ending_at).collect();
    // Where both ends fit, the hash decides; a record that fails its hash is damage either way.
    readings
        .iter()
        .find(|epoch| epoch.computed_hash == epoch.stored_hash)
        .or(readings.first())
        .cloned()
        .ok_or(EpochError::NoEnd { length: value.len() })
}

/// Returns the part of an outcome that every layout lets us read; the counts that follow it must fit the
/// record.
fn read_front(value: &[u8], dialect: Dialect) -> Result<(u64, Option<Hash>), DecodeError> {
    let mut reader = Reader::new(value, dialect);
    let number = reader.u64()?;
    let last_hash = reader.option(read_hash)?;
    let contributions = reader.count(2)?;
    if contributions > 0 {
        reader.u16()?;
        reader.count(1)?;
    }
    Ok((number, last_hash))
}

fn read_hash(reader: &mut Reader<'_>) -> Result<Hash, DecodeError> {
    reader.array().map(Hash)
}

fn read_content(reader: &mut Reader<'_>) -> Result<EpochContent, DecodeError> {
    let contributions = reader
        .list(2, |reader| Ok(Contribution { peer: reader.u16()?, items: reader.list(1, read_item)? }))?;
    // A set; kept as a list. Encoding it again in order checks that it is a set.
    let rejected = reader.set(HASH, read_hash)?.into_iter().collect();
    Ok(EpochContent { contributions, rejected })
}

fn read_item(reader: &mut Reader<'_>) -> Result<EpochItem, DecodeError> {
    debug_assert_eq!(reader.dialect().enum_body, EnumBody::Bare);
    let start = reader.position();
    reader.variant(|reader, variant| match variant {
        0 => Ok(EpochItem::ConsensusUpgrade),
        1 => Ok(EpochItem::ClientConfigSignatureShare(Box::new(reader.array()?))),
        2 => Ok(EpochItem::EpochOutcomeSignatureShare(Box::new(reader.array()?))),
        3 => Ok(EpochItem::Transaction(Box::new(read_transaction(reader)?))),
        4 => Ok(EpochItem::Module(reader.value()?)),
        variant => Err(DecodeError {
            offset: start,
            kind: DecodeErrorKind::UnknownVariant { of: "epoch item", variant },
        }),
    })
}

pub(super) fn read_transaction(reader: &mut Reader<'_>) -> Result<EpochTransaction, DecodeError> {
    let start = reader.position();
    let inputs = reader.list(ModuleValue::LEAST_BYTES, Reader::value)?;
    let outputs = reader.list(ModuleValue::LEAST_BYTES, Reader::value)?;
    let txid = sha256(&[reader.since(start)]);
    Ok(EpochTransaction { txid, inputs, outputs, signature: reader.option(Reader::array)? })
}

/// Encodes a record; returns `None` if its content is unknown.
pub fn encode_epoch(epoch: &Epoch, dialect: Dialect) -> Option<Vec<u8>> {
    let mut writer = Writer::new(dialect);
    writer.u64(epoch.number);
    writer.option(epoch.last_hash.as_ref(), |writer, hash| writer.raw(&hash.0));
    encode_content(epoch.content.as_ref()?, &mut writer);
    writer.raw(&epoch.stored_hash.0);
    writer.option(epoch.signature.as_ref(), |writer, signature| writer.raw(signature));
    Some(writer.into_bytes())
}

/// Encodes the content of an outcome: contributions and rejected transactions.
pub fn encode_content(content: &EpochContent, writer: &mut Writer) {
    writer.list(content.contributions.iter(), |writer, contribution| {
        writer.u16(contribution.peer);
        writer.list(contribution.items.iter(), write_item);
    });
    writer.list(content.rejected.iter(), |writer, txid| writer.raw(&txid.0));
}

/// Encodes one item as a contribution holds it.
pub fn encode_item(item: &EpochItem, dialect: Dialect) -> Vec<u8> {
    let mut writer = Writer::new(dialect);
    write_item(&mut writer, item);
    writer.into_bytes()
}

fn write_item(writer: &mut Writer, item: &EpochItem) {
    match item {
        EpochItem::ConsensusUpgrade => writer.variant(0, |_| {}),
        EpochItem::ClientConfigSignatureShare(share) => {
            writer.variant(1, |writer| writer.raw(share.as_slice()))
        }
        EpochItem::EpochOutcomeSignatureShare(share) => {
            writer.variant(2, |writer| writer.raw(share.as_slice()))
        }
        EpochItem::Transaction(transaction) => {
            writer.variant(3, |writer| write_transaction(transaction, writer));
        }
        EpochItem::Module(value) => writer.variant(4, |writer| value.encode(writer)),
    }
}

pub(super) fn write_transaction(transaction: &EpochTransaction, writer: &mut Writer) {
    writer.list(transaction.inputs.iter(), |writer, input| input.encode(writer));
    writer.list(transaction.outputs.iter(), |writer, output| output.encode(writer));
    writer.option(transaction.signature.as_ref(), |writer, signature| writer.raw(signature));
}
