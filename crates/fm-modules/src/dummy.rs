//! `dummy`, upstream's module for tests: accounts of keys up to 0.9, amounts out of nothing since 0.11.
//!
//! The forms of 0.11 add a unit, and have no variant of their own. They cannot be confused: after the amount
//! an account takes 33 bytes, and a unit at most 9 without a key, or at least 34 with one. The forms of 0.10,
//! which only that release has, are enums and are not decoded.
//!
//! Source: fedimint-dummy-common 0.5.0, 0.9.0, 0.10.0, 0.11.0 and 0.13.0, src/lib.rs.

use fm_codec::{Decode, DecodeError, Encode, Reader, Writer};

use crate::macros::{empty, record};
use crate::{Msat, PublicKey};

/// An input: takes an amount from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// The amount.
    pub amount: Msat,
    /// The unit of the amount, since 0.11: 0 is bitcoin.
    pub unit: Option<u64>,
    /// The account, whose key signs the transaction.
    pub account: PublicKey,
}

/// An output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Adds an amount to an account; up to 0.9.
    Account(Posting),
    /// Takes an amount out of circulation; since 0.11.
    Unit {
        /// The amount.
        amount: Msat,
        /// Its unit; 0 is bitcoin.
        unit: u64,
    },
}

/// An amount, and the key of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Posting {
    /// The amount.
    pub amount: Msat,
    /// The account.
    pub account: PublicKey,
}

/// The outcome of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Empty, since 0.11.
    Nothing,
    /// What the account holds afterwards; up to 0.9.
    Account(Posting),
}

/// An item, which takes no bytes; servers refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item;

record!(Posting { amount, account });
empty!(Item);

impl Decode for Input {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let amount = reader.value()?;
        let unit = if reader.left() == PublicKey::BYTES { None } else { Some(reader.u64()?) };
        Ok(Self { amount, unit, account: reader.value()? })
    }
}

impl Encode for Input {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.amount);
        if let Some(unit) = self.unit {
            writer.u64(unit);
        }
        writer.value(&self.account);
    }
}

impl Decode for Output {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let amount = reader.value()?;
        if reader.left() == PublicKey::BYTES {
            return Ok(Self::Account(Posting { amount, account: reader.value()? }));
        }
        Ok(Self::Unit { amount, unit: reader.u64()? })
    }
}

impl Encode for Output {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Account(posting) => writer.value(posting),
            Self::Unit { amount, unit } => {
                writer.value(amount);
                writer.u64(*unit);
            }
        }
    }
}

impl Decode for Outcome {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 { Ok(Self::Nothing) } else { reader.value().map(Self::Account) }
    }
}

impl Encode for Outcome {
    fn encode(&self, writer: &mut Writer) {
        if let Self::Account(posting) = self {
            writer.value(posting);
        }
    }
}
