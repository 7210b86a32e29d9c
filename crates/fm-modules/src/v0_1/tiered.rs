//! Lists by denomination.

use std::collections::BTreeMap;

use fm_codec::{Decode, DecodeError, Encode, Reader, Writer};

use crate::{G1, Msat};

/// Values by their denomination, each with its place in the list of that denomination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tiered<T>(pub BTreeMap<Msat, Vec<T>>);

/// A value that takes the same number of bytes always.
pub trait Fixed {
    /// The number of bytes.
    const BYTES: usize;
}

impl Fixed for G1 {
    const BYTES: usize = G1::BYTES;
}

impl<T> Tiered<T> {
    /// Returns the values with their denominations, the lowest first.
    pub fn iter(&self) -> impl Iterator<Item = (Msat, &T)> {
        self.0.iter().flat_map(|(amount, values)| values.iter().map(|value| (*amount, value)))
    }

    /// Returns the sum of the denominations of all values; `None` if it does not fit 64 bits.
    pub fn total(&self) -> Option<Msat> {
        Msat::sum(self.iter().map(|(amount, _)| amount))
    }
}

impl<T: Decode + Fixed> Decode for Tiered<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(2, Reader::value, |reader| reader.list(T::BYTES, Reader::value)).map(Self)
    }
}

impl<T: Encode> Encode for Tiered<T> {
    fn encode(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, (amount, values)| {
            writer.value(amount);
            writer.list(values.iter(), Writer::value);
        });
    }
}
