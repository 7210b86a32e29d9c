//! The payload of any module: what a transaction's inputs and outputs, an item or an outcome contain.
//!
//! Invariant: a payload encodes to the very bytes that it was decoded from. Of an unknown kind, and of an
//! unknown variant, the bytes are kept.

use std::fmt;

use fm_codec::{Decode, DecodeError, Dialect, Encode, decode_exact};
use thiserror::Error;

use crate::{Kind, UnknownVariant, dummy, ln, lnv2, meta, mint, mintv2, v0_1, wallet, walletv2};

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// An input of a transaction.
    Input,
    /// An output of a transaction.
    Output,
    /// An item of a guardian.
    Item,
    /// The outcome of an output.
    Outcome,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Item => "item",
            Self::Outcome => "outcome",
        })
    }
}

/// Why a payload of a known kind cannot be decoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("not an {part} of module {instance} ({kind})")]
pub struct PayloadError {
    /// The module instance.
    pub instance: u16,
    /// Its kind.
    pub kind: Kind,
    /// What was expected.
    pub part: Part,
    /// What was found, at which byte of the module's own encoding.
    pub source: DecodeError,
}

macro_rules! payload {
    ($(#[$doc:meta])* $name:ident: $($kind:ident => $room:ident),+) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $(
                #[doc = concat!("Of `", stringify!($room), "`.")]
                $kind($room::$name),
            )+
            /// Of a module of v0.1.
            V0_1(v0_1::$name),
            /// Of a kind that is not decoded.
            Unknown(Vec<u8>),
        }

        impl $name {
            /// Decodes the module's own encoding since 0.2, all of it.
            ///
            /// # Errors
            /// If the bytes are not exactly one such payload of this kind.
            pub fn decode(kind: &Kind, body: &[u8]) -> Result<Self, DecodeError> {
                match kind {
                    $(Kind::$kind => body_of(body, Dialect::MODERN).map(Self::$kind),)+
                    Kind::Unknown(_) => Ok(Self::Unknown(body.to_vec())),
                }
            }

            /// Decodes the module's own encoding of v0.1, all of it. Of a kind that v0.1 does not have, the bytes
            /// are kept.
            ///
            /// # Errors
            /// If the bytes are not exactly one such payload of this kind.
            pub fn decode_v0_1(kind: &Kind, body: &[u8]) -> Result<Self, DecodeError> {
                let decoded = v0_1::$name::decode(kind, body);
                decoded.map_or_else(|| Ok(Self::Unknown(body.to_vec())), |known| known.map(Self::V0_1))
            }

            /// Returns the module's own encoding.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self {
                    $(Self::$kind(payload) => payload.to_bytes(Dialect::MODERN),)+
                    Self::V0_1(payload) => payload.to_bytes(),
                    Self::Unknown(bytes) => bytes.clone(),
                }
            }
        }
    };
}

payload!(
    /// An input of a transaction.
    Input: Mint => mint, MintV2 => mintv2, Wallet => wallet, WalletV2 => walletv2, Ln => ln, LnV2 => lnv2,
    Meta => meta, Dummy => dummy
);
payload!(
    /// An output of a transaction.
    Output: Mint => mint, MintV2 => mintv2, Wallet => wallet, WalletV2 => walletv2, Ln => ln, LnV2 => lnv2,
    Meta => meta, Dummy => dummy
);
payload!(
    /// An item of a guardian.
    Item: Mint => mint, MintV2 => mintv2, Wallet => wallet, WalletV2 => walletv2, Ln => ln, LnV2 => lnv2,
    Meta => meta, Dummy => dummy
);
payload!(
    /// The outcome of an output, as a guardian states it.
    Outcome: Mint => mint, MintV2 => mintv2, Wallet => wallet, WalletV2 => walletv2, Ln => ln, LnV2 => lnv2,
    Meta => meta, Dummy => dummy
);

/// Decodes all of a body, and checks that it encodes to the same bytes.
pub(crate) fn body_of<T: Decode + Encode>(body: &[u8], dialect: Dialect) -> Result<T, DecodeError> {
    decode_exact(body, dialect)
}

macro_rules! unknown_variant {
    ($name:ident: $($kind:ident => $room:ident),+) => {
        impl $name {
            /// Returns the payload's variant if it is one that this version does not know.
            pub fn unknown_variant(&self) -> Option<&UnknownVariant> {
                match self {
                    $(Self::$kind($room::$name::Unknown(unknown)) => Some(unknown),)+
                    _ => None,
                }
            }
        }
    };
}

unknown_variant!(Input: Mint => mint, MintV2 => mintv2, Wallet => wallet, WalletV2 => walletv2, Ln => ln, LnV2 => lnv2);
unknown_variant!(Output: Mint => mint, MintV2 => mintv2, Wallet => wallet, WalletV2 => walletv2, Ln => ln, LnV2 => lnv2);
unknown_variant!(Item: Mint => mint, MintV2 => mintv2, Wallet => wallet, WalletV2 => walletv2, Ln => ln, LnV2 => lnv2);
unknown_variant!(Outcome: Mint => mint, Wallet => wallet, Ln => ln, LnV2 => lnv2);
