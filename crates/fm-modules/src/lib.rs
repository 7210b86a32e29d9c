//! The modules of Fedimint: what their inputs, outputs, items and outcomes are, one room (module) for each
//! kind and generation.
//!
//! A payload is plain data. Decoding accepts what guardians accept, and refuses what they refuse: points and
//! keys are checked, proofs of deposits are verified. Rules that depend on a guardian's state are not part of
//! it.
//!
//! Invariants:
//! - A payload encodes to the very bytes that it was decoded from.
//! - An unknown kind, and a variant that a later version may have added, are kept as bytes. Anything else that
//!   cannot be decoded is an error with its place.
//! - Rooms do not import each other, except that a generation may use the types of the one before it.
//!
//! # Example
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use fm_codec::ModuleValue;
//! use fm_modules::{Generation, Item, Registry, lnv2};
//!
//! let modules = Registry::new(Generation::Current, &BTreeMap::from([(1, "lnv2".to_owned())]));
//! let vote = ModuleValue { instance: 1, body: vec![0, 1, 200] };
//! assert_eq!(modules.item(&vote)?, Item::LnV2(lnv2::Item::BlockCountVote(200)));
//!
//! let cut = ModuleValue { instance: 1, body: vec![0, 1] };
//! assert_eq!(modules.item(&cut).unwrap_err().source.offset, 1);
//! # Ok::<(), fm_modules::PayloadError>(())
//! ```

mod accounting;
mod amount;
pub mod bitcoin;
mod common;
mod describe;
pub mod dummy;
mod kind;
pub mod ln;
pub mod lnv2;
mod macros;
pub mod meta;
pub mod mint;
pub mod mintv2;
mod payload;
mod points;
mod registry;
pub mod tables;
pub mod v0_1;
mod version;
pub mod wallet;
pub mod walletv2;

pub use accounting::{IssuedNote, NoteKey, SpentNote, Stated, Withdrawal};
pub use amount::{MAX_MONEY, Msat, Sat};
pub use common::{ModuleVersion, OutPoint, UnknownVariant};
pub use describe::{Description, Fact};
pub use kind::Kind;
pub use payload::{Input, Item, Outcome, Output, Part, PayloadError};
pub use points::{EcdsaSignature, G1, G2, PublicKey, SchnorrSignature, XOnlyKey};
pub use registry::{Generation, Registry};
pub use version::Version;
