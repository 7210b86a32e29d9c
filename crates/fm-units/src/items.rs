//! What guardians proposed: the items inside units.

use fm_codec::{DecodeError, Dialect, Reader};
use fm_history::ConsensusItem;

use crate::unit::UnitData;

/// An item in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedItem<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The item, if it has the current encoding.
    pub item: Option<ConsensusItem>,
}

/// The encoding of the items of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemEncoding {
    /// The current encoding, since 2023-11-24.
    Modern,
    /// An older encoding: an encoded batch stays one item.
    Older,
}

/// Returns the items of a batch; empty if the data is not a batch.
///
/// # Errors
/// Fails if an encoded batch does not decode as a whole; the server then skips it.
pub fn items<'a>(data: &UnitData<'a>, encoding: ItemEncoding) -> Result<Vec<ProposedItem<'a>>, DecodeError> {
    let undecoded = |bytes| ProposedItem { bytes, item: None };
    match (data, encoding) {
        (UnitData::HeaderSignature { .. }, _) => Ok(Vec::new()),
        (UnitData::Items { .. }, _) => Ok(data.strings().map(undecoded).collect()),
        (UnitData::Bytes { bytes, .. }, ItemEncoding::Older) => Ok(vec![undecoded(bytes)]),
        (UnitData::Bytes { bytes, .. }, ItemEncoding::Modern) => {
            let mut reader = Reader::new(bytes, Dialect::MODERN);
            let items = reader.list(2, |reader| {
                let start = reader.position();
                let item = reader.value()?;
                Ok(ProposedItem { bytes: reader.since(start), item: Some(item) })
            })?;
            reader.finish()?;
            Ok(items)
        }
    }
}
