//! The text of a key set in a guardian's files: hex of bincode, in which every coefficient is again a hex
//! text.
//!
//! Layout of the bytes: the count as a little-endian u64, then for each coefficient its length (96) as a u64
//! and 96 hex digits. Invariants: every length is checked before anything is allocated for it, and every byte
//! is consumed.

use crate::PublicKey;
use crate::keys::{EpochKeys, KeyError, MAX_COEFFICIENTS};

/// The number of hex digits of one compressed point. Source: fedimint-threshold-crypto 0.2.1, src/lib.rs.
const DIGITS: usize = 96;

impl EpochKeys {
    /// Parses a key set as `consensus.json` holds it.
    ///
    /// # Errors
    /// If the text is not exactly one key set; see [`KeyError`].
    pub fn from_config_hex(text: &str) -> Result<Self, KeyError> {
        let bytes = hex::decode(text).map_err(KeyError::Hex)?;
        let mut rest = Rest { bytes: &bytes, offset: 0 };
        let count = rest.number()?;
        let known = usize::try_from(count).ok().filter(|count| *count <= MAX_COEFFICIENTS);
        let coefficients = (0..known.ok_or(KeyError::TooManyCoefficients { count })?)
            .map(|coefficient| rest.coefficient(coefficient))
            .collect::<Result<Vec<_>, _>>()?;
        if !rest.bytes.is_empty() {
            return Err(KeyError::Trailing { offset: rest.offset, left: rest.bytes.len() });
        }
        Self::from_coefficients(coefficients)
    }
}

/// The bytes that are left to read, and their offset.
struct Rest<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], KeyError> {
        let Some((taken, rest)) = self.bytes.split_first_chunk::<N>() else {
            return Err(KeyError::Ends { offset: self.offset, needed: N - self.bytes.len() });
        };
        self.bytes = rest;
        self.offset += N;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64, KeyError> {
        self.take().map(u64::from_le_bytes)
    }

    fn coefficient(&mut self, coefficient: usize) -> Result<PublicKey, KeyError> {
        let length = self.number()?;
        if usize::try_from(length) != Ok(DIGITS) {
            return Err(KeyError::CoefficientLength { coefficient, length });
        }
        let mut point = [0; 48];
        hex::decode_to_slice(self.take::<DIGITS>()?, &mut point)
            .map_err(|source| KeyError::CoefficientHex { coefficient, source })?;
        Ok(point)
    }
}
