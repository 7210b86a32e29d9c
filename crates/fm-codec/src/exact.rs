//! Decoding that consumes every byte and allows no ambiguity.

use crate::{Decode, DecodeError, DecodeErrorKind, Dialect, Encode, Reader};

/// Decodes one value from all of `bytes`, and checks that it encodes to the same bytes again.
///
/// # Errors
/// If the value does not decode, bytes are left, or the value encodes to other bytes.
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
