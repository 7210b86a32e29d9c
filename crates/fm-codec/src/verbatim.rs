//! A decoded value beside the exact bytes that it came from.

use std::ops::Deref;

use crate::{Decode, DecodeError, DecodeErrorKind, Dialect, Encode, Reader};

/// A value and the bytes that were decoded to it.
///
/// Hashes, signatures and copies use [`bytes`](Self::bytes): a hash over a new encoding would prove nothing
/// about what was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbatim<T> {
    value: T,
    bytes: Vec<u8>,
}

impl<T: Decode + Encode> Verbatim<T> {
    /// Decodes `bytes`, all of them, and checks that the value encodes to the same bytes again.
    pub fn decode(bytes: Vec<u8>, dialect: Dialect) -> Result<Self, DecodeError> {
        Ok(Self { value: decode_exact(&bytes, dialect)?, bytes })
    }
}

impl<T> Verbatim<T> {
    /// The bytes that the value was decoded from.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value and its bytes.
    pub fn into_parts(self) -> (T, Vec<u8>) {
        (self.value, self.bytes)
    }
}

impl<T> Deref for Verbatim<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Decodes one value from all of `bytes`, and checks that it encodes to the same bytes again.
pub fn decode_exact<T: Decode + Encode>(bytes: &[u8], dialect: Dialect) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes, dialect);
    let value = T::decode(&mut reader)?;
    reader.finish()?;
    let again = value.to_bytes(dialect);
    if again != bytes {
        let offset = again.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        return Err(DecodeError { offset, kind: DecodeErrorKind::NotReproducible });
    }
    Ok(value)
}
