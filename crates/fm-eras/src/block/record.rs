//! The record of a finished block or session.
//!
//! ```text
//! record = [index u64] || list<item> || map<peer, signature[64]>
//! item   = (bytes || [position u64] | consensus item) || peer
//! ```

use fm_codec::{DecodeError, DecodeErrorKind, MAX_DECODE_SIZE, Reader, Writer};
use fm_history::{Block, BlockContent, BlockItem, merkle_root_of_items};

use super::item::{decode_item, encode_item};
use super::layout::{BlockLayout, ItemForm, ItemLayout};

/// Largest record that is decoded, in bytes: twice what any server since v0.3 decodes as one value.
const MAX_BLOCK_BYTES: usize = 2 * MAX_DECODE_SIZE;
/// Most elements that are decoded in one record: items, inputs, outputs, signatures. An element takes two or
/// three bytes in a record, and about 200 in memory.
const MAX_ELEMENTS: usize = 1 << 19;
/// The least number of bytes that an item takes in any layout: a length or variant, and a guardian's number.
/// Source: fedimint-core 0.5.0, src/session_outcome.rs.
const LEAST_ITEM_BYTES: usize = 2;
/// Bytes of a guardian's number and signature, at least. Source: fedimint-core 0.5.0, src/session_outcome.rs.
const LEAST_SIGNATURE_BYTES: usize = 1 + 64;

/// Decodes a whole record.
///
/// # Errors
/// Fails if the record is too large, does not decode, has bytes left over or does not encode to the same
/// bytes.
pub fn decode_block(value: &[u8], layout: &BlockLayout) -> Result<Block, DecodeError> {
    if value.len() > MAX_BLOCK_BYTES {
        let kind = DecodeErrorKind::ValueTooLarge { length: value.len(), most: MAX_BLOCK_BYTES };
        return Err(DecodeError { offset: 0, kind });
    }
    let mut reader = Reader::new(value, layout.dialect).limited(MAX_ELEMENTS);
    let index = if layout.own_index { Some(reader.u64()?) } else { None };
    let mut stored = Vec::new();
    let items = reader.list(LEAST_ITEM_BYTES, |reader| {
        let start = reader.position();
        let item = read_accepted_item(reader, layout)?;
        stored.push(reader.since(start));
        Ok(item)
    })?;
    let signatures = reader.map(LEAST_SIGNATURE_BYTES, Reader::u16, Reader::array)?;
    reader.finish()?;
    // A threshold of guardians signs, more than two thirds of all: this bounds the number of guardians.
    let guardians = signatures.len().saturating_mul(3) / 2;
    let merkle = merkle_root_of_items(&stored, |pair| is_acceptable(pair, layout, guardians));
    let block = Block { index, items, merkle, signatures };
    let mut again = Writer::with_capacity(layout.dialect, value.len());
    write_block(&block, layout, &mut again);
    check_reproducible(again.as_bytes(), value)?;
    Ok(block)
}

/// Decodes a whole accepted item of the open session.
///
/// # Errors
/// Fails if the value does not decode, has bytes left over or does not encode to the same bytes.
pub fn decode_accepted_item(value: &[u8], layout: &BlockLayout) -> Result<BlockItem, DecodeError> {
    let mut reader = Reader::new(value, layout.dialect).limited(MAX_ELEMENTS);
    let item = read_accepted_item(&mut reader, layout)?;
    reader.finish()?;
    check_reproducible(&encode_accepted_item(&item, layout), value)?;
    Ok(item)
}

/// Returns whether a server with this many guardians may have accepted these bytes as an item: it accepts
/// only kinds that it knows.
fn is_acceptable(bytes: &[u8], layout: &BlockLayout, guardians: usize) -> bool {
    let is_known = |item: BlockItem| match item.content {
        BlockContent::Opaque(_) => layout.item == ItemForm::Bytes(None),
        BlockContent::Unknown { .. } => false,
        _ => true,
    };
    decode_accepted_item(bytes, layout).is_ok_and(|item| usize::from(item.peer) < guardians && is_known(item))
}

/// Encodes an accepted item, as its leaf of the Merkle tree hashes it.
pub fn encode_accepted_item(item: &BlockItem, layout: &BlockLayout) -> Vec<u8> {
    let mut writer = Writer::new(layout.dialect);
    write_accepted_item(item, layout, &mut writer);
    writer.into_bytes()
}

/// Encodes a record.
pub fn encode_block(block: &Block, layout: &BlockLayout) -> Vec<u8> {
    let mut writer = Writer::new(layout.dialect);
    write_block(block, layout, &mut writer);
    writer.into_bytes()
}

fn write_block(block: &Block, layout: &BlockLayout, writer: &mut Writer) {
    if let Some(index) = block.index {
        writer.u64(index);
    }
    writer.list(block.items.iter(), |writer, item| write_accepted_item(item, layout, writer));
    writer.list(block.signatures.iter(), |writer, (peer, signature)| {
        writer.u16(*peer);
        writer.raw(signature);
    });
}

fn check_reproducible(again: &[u8], value: &[u8]) -> Result<(), DecodeError> {
    if again == value {
        return Ok(());
    }
    let offset = again.iter().zip(value).take_while(|(a, b)| a == b).count();
    Err(DecodeError { offset, kind: DecodeErrorKind::NotReproducible })
}

fn read_accepted_item(reader: &mut Reader<'_>, layout: &BlockLayout) -> Result<BlockItem, DecodeError> {
    let content = match &layout.item {
        ItemForm::Inline(item) => decode_item(reader, item)?,
        ItemForm::Bytes(item) => read_bytes_item(reader, item.as_ref())?,
    };
    let position = if layout.item_positions { Some(reader.u64()?) } else { None };
    Ok(BlockItem { content, position, peer: reader.u16()? })
}

/// Reads a byte string that is exactly one consensus item, or is opaque. A byte string beyond the limits is
/// an error, not opaque.
fn read_bytes_item(
    reader: &mut Reader<'_>,
    layout: Option<&ItemLayout>,
) -> Result<BlockContent, DecodeError> {
    let bytes = reader.bytes()?;
    let Some(layout) = layout else { return Ok(BlockContent::Opaque(bytes.to_vec())) };
    let decoded = reader.inside(bytes, layout.dialect, |reader| decode_item(reader, layout));
    match decoded {
        Err(error @ DecodeError { kind: DecodeErrorKind::TooManyElements { .. }, .. }) => Err(error),
        Err(_) => Ok(BlockContent::Opaque(bytes.to_vec())),
        decoded => decoded,
    }
}

fn write_accepted_item(item: &BlockItem, layout: &BlockLayout, writer: &mut Writer) {
    match &layout.item {
        ItemForm::Inline(form) => encode_item(&item.content, form, writer),
        ItemForm::Bytes(form) => {
            let dialect = form.map_or(layout.dialect, |form| form.dialect);
            writer.framed(dialect, |writer| match (&item.content, form) {
                (BlockContent::Opaque(opaque), _) => writer.raw(opaque),
                (content, Some(form)) => encode_item(content, form, writer),
                // Without a layout of items, every item is opaque.
                (_, None) => {}
            });
        }
    }
    if let Some(position) = item.position {
        writer.u64(position);
    }
    writer.u16(item.peer);
}
