//! The data of units of 0.30 and 0.36, in the form that the libraries pass on.

#![allow(clippy::cast_possible_truncation, reason = "the derived encoding casts its constant indices")]

use fm_units::UnitData;
use parity_scale_codec::{Decode, Encode};

/// The data of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Payload {
    /// A consensus-encoded list of items.
    #[codec(index = 0)]
    Batch(Vec<u8>),
    /// A guardian's signature over the header of the session.
    #[codec(index = 1)]
    HeaderSignature([u8; 64]),
}

impl Payload {
    /// Converts the unit reader's form; lists of items do not occur in these versions.
    pub(crate) fn of(data: &UnitData<'_>) -> Self {
        match data {
            UnitData::Bytes { bytes, .. } | UnitData::Items { list: bytes, .. } => {
                Self::Batch(bytes.to_vec())
            }
            UnitData::HeaderSignature { signature, .. } => Self::HeaderSignature(*signature),
        }
    }
}
