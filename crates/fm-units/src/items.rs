//! What guardians proposed: the items inside units.

use fm_codec::{DecodeError, Dialect, Reader};
use fm_history::ConsensusItem;

use crate::unit::UnitData;

/// An item in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedItem<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The item, where the encoding is today's.
    pub item: Option<ConsensusItem>,
}

/// How the items of a batch are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemEncoding {
    /// As today, from 2023-11-24 on.
    Modern,
    /// In an older way: an encoded batch stays one item.
    Older,
}

/// The items of a batch; none if it is no batch.
///
/// # Errors
/// If an encoded batch does not decode, all of it; the server then skips it.
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
