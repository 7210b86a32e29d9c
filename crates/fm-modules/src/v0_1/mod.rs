//! The modules of v0.1 (v0.1.0-rc1 to v0.1.5): keys without parity, enums without lengths, no room for later
//! variants.
//!
//! A federation that was converted from v0.1 has these payloads in its sessions, too.
//! Source: fedimint at b6806febf, modules/fedimint-{mint,wallet,ln,dummy}-common.

pub mod dummy;
pub mod ln;
pub mod mint;
mod tiered;
pub mod wallet;

use fm_codec::{DecodeError, Dialect, Encode};

use crate::Kind;
use crate::payload::body_of;

pub use tiered::Tiered;

macro_rules! payload {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            /// Of `mint`.
            Mint(mint::$name),
            /// Of `wallet`.
            Wallet(wallet::$name),
            /// Of `ln`.
            Ln(ln::$name),
            /// Of `dummy`.
            Dummy(dummy::$name),
        }

        impl $name {
            /// Decodes the module's own encoding, all of it; `None` if v0.1 has no such kind.
            pub fn decode(kind: &Kind, body: &[u8]) -> Option<Result<Self, DecodeError>> {
                Some(match kind {
                    Kind::Mint => body_of(body, Dialect::A2).map(Self::Mint),
                    Kind::Wallet => body_of(body, Dialect::A2).map(Self::Wallet),
                    Kind::Ln => body_of(body, Dialect::A2).map(Self::Ln),
                    Kind::Dummy => body_of(body, Dialect::A2).map(Self::Dummy),
                    Kind::MintV2 | Kind::WalletV2 | Kind::LnV2 | Kind::Meta | Kind::Unknown(_) => return None,
                })
            }

            /// Returns the module's own encoding.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self {
                    Self::Mint(payload) => payload.to_bytes(Dialect::A2),
                    Self::Wallet(payload) => payload.to_bytes(Dialect::A2),
                    Self::Ln(payload) => payload.to_bytes(Dialect::A2),
                    Self::Dummy(payload) => payload.to_bytes(Dialect::A2),
                }
            }
        }
    };
}

payload!(
    /// An input of a transaction.
    Input
);
payload!(
    /// An output of a transaction.
    #[expect(clippy::large_enum_variant, reason = "as many outputs are of contracts as of others")]
    Output
);
payload!(
    /// An item of a guardian.
    Item
);
payload!(
    /// The outcome of an output.
    Outcome
);
