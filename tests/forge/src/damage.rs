//! Databases with one fault: copies of good ones, changed row by row.

use std::path::Path;

use fm_codec::Writer;
use fm_eras::block::{BlockLayout, decode_block, encode_block};
use fm_eras::hbbft::{EpochLayout, decode_epoch, encode_epoch, epoch_key};
use fm_history::{Block, Epoch};
use fm_rows::Row;
use fm_store::{ReadStore, StoreError, StoreSummary, StoreWriter};

/// Copies the database at `source` to a new one at `target` and passes each row through `change`; if `change`
/// returns none, the row is dropped.
///
/// # Errors
/// If a database cannot be read or written.
pub fn rewrite(
    source: &Path,
    target: &Path,
    change: impl FnMut(&[u8], &[u8]) -> Option<Row>,
) -> Result<StoreSummary, StoreError> {
    rewrite_and_add(source, target, change, &[])
}

/// Copies a database like [`rewrite`] and adds rows; an added row replaces one with the same key.
///
/// # Errors
/// If a database cannot be read or written.
pub fn rewrite_and_add(
    source: &Path,
    target: &Path,
    mut change: impl FnMut(&[u8], &[u8]) -> Option<Row>,
    added: &[Row],
) -> Result<StoreSummary, StoreError> {
    let source = ReadStore::open(source)?;
    let mut writer = StoreWriter::create(target)?;
    let mut rows = source.scan();
    while let Some(row) = rows.next_row() {
        let (key, value) = row?;
        if let Some((key, value)) = change(key, value) {
            writer.put(&key, &value)?;
        }
    }
    for (key, value) in added {
        writer.put(key, value)?;
    }
    writer.finish()
}

/// Returns a change for [`rewrite`]: the row with that key gets the value that `edit` returns; none drops the
/// row.
pub fn edit_row(
    wanted: Vec<u8>,
    edit: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> impl FnMut(&[u8], &[u8]) -> Option<Row> {
    move |key, value| {
        let value = if key == wanted { edit(value)? } else { value.to_vec() };
        Some((key.to_vec(), value))
    }
}

/// Returns a change for [`rewrite`] that edits one epoch as a value and encodes it again.
///
/// Hashes are not corrected: what the edit leaves inconsistent stays so. Layouts that hide module values have
/// no value to edit; use [`edit_row`] there.
pub fn edit_epoch(
    number: u64,
    layout: EpochLayout,
    edit: impl Fn(&mut Epoch),
) -> impl FnMut(&[u8], &[u8]) -> Option<Row> {
    edit_row(epoch_key(number, layout.dialect), move |value| {
        let mut epoch = decode_epoch(value, &layout).expect("the source of a damaged database is good");
        edit(&mut epoch);
        encode_epoch(&epoch, layout.dialect)
    })
}

/// Returns the key of a block or session.
pub fn block_key(index: u64, layout: &BlockLayout) -> Vec<u8> {
    let mut key = Writer::new(layout.dialect);
    key.u8(layout.history);
    key.u64(index);
    key.into_bytes()
}

/// Returns a change for [`rewrite`] that edits one block or session as a value and encodes it again.
///
/// Signatures are not corrected: what the edit leaves inconsistent stays so, unless it ends with
/// [`ForgedBlocks::sign`](crate::ForgedBlocks::sign).
pub fn edit_block(
    index: u64,
    layout: &'static BlockLayout,
    edit: impl Fn(&mut Block),
) -> impl FnMut(&[u8], &[u8]) -> Option<Row> {
    edit_row(block_key(index, layout), move |value| {
        let mut block = decode_block(value, layout).expect("the source of a damaged database is good");
        edit(&mut block);
        Some(encode_block(&block, layout))
    })
}
