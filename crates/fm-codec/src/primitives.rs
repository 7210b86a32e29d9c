//! The primitive values as types that read and write themselves, so that records can be listed field by field.

use crate::{Decode, DecodeError, Encode, Reader, Writer};

macro_rules! integer {
    ($($integer:ident),+) => {$(
        impl Decode for $integer {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.$integer()
            }
        }

        impl Encode for $integer {
            fn encode(&self, writer: &mut Writer) {
                writer.$integer(*self);
            }
        }
    )+};
}

integer!(u8, u16, u32, u64);

impl Decode for bool {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.flag()
    }
}

impl Encode for bool {
    fn encode(&self, writer: &mut Writer) {
        writer.flag(*self);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array()
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, writer: &mut Writer) {
        writer.raw(self);
    }
}

/// A byte string with its length.
impl Decode for Vec<u8> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(reader.bytes()?.to_vec())
    }
}

/// A byte string with its length.
impl Encode for Vec<u8> {
    fn encode(&self, writer: &mut Writer) {
        writer.bytes(self);
    }
}

impl Decode for String {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.text()
    }
}

impl Encode for String {
    fn encode(&self, writer: &mut Writer) {
        writer.text(self);
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.option(T::decode)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, writer: &mut Writer) {
        writer.option(self.as_ref(), |writer, value| value.encode(writer));
    }
}
