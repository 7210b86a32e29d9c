//! Amounts in their two units. A sum or a product that does not fit 64 bits is `None`, never another amount.

use std::fmt;

use fm_codec::{Decode, DecodeError, Encode, Reader, Writer};

/// An amount in millisatoshi.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msat(pub u64);

/// An amount in satoshi.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sat(pub u64);

/// The number of satoshi that there can ever be.
pub const MAX_MONEY: Sat = Sat(2_100_000_000_000_000);

impl Msat {
    /// Adds two amounts; `None` if the sum does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Adds amounts; `None` if the sum does not fit.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self(0), Self::checked_add)
    }
}

impl Sat {
    /// Returns the amount in millisatoshi; `None` if it does not fit.
    pub fn to_msat(self) -> Option<Msat> {
        self.0.checked_mul(1000).map(Msat)
    }

    /// Adds two amounts; `None` if the sum does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

macro_rules! integer {
    ($name:ident, $unit:literal) => {
        impl Decode for $name {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.u64().map(Self)
            }
        }

        impl Encode for $name {
            fn encode(&self, writer: &mut Writer) {
                writer.u64(self.0);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $unit), self.0)
            }
        }
    };
}

integer!(Msat, "msat");
integer!(Sat, "sat");
