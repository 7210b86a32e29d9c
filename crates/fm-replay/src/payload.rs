//! What units of 0.30 and 0.36 carry, as the libraries hand it on.

#![allow(clippy::cast_possible_truncation, reason = "the derived encoding casts its constant indices")]

use fm_units::UnitData;
use parity_scale_codec::{Decode, Encode};

/// What a unit carries.
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
    /// The same as the unit reader has it; lists of items do not occur in these versions.
    pub(crate) fn of(data: &UnitData<'_>) -> Self {
        match data {
            UnitData::Bytes { bytes, .. } | UnitData::Items { list: bytes, .. } => {
                Self::Batch(bytes.to_vec())
            }
            UnitData::HeaderSignature { signature, .. } => Self::HeaderSignature(*signature),
        }
    }
}
