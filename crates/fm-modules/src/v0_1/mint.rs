//! `mint`: many notes in one input or output; guardians exchange their signature shares in items.

use super::Tiered;
use super::tiered::Fixed;
use crate::macros::record;
use crate::{G1, OutPoint, XOnlyKey};

/// An input: notes that are spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// The notes.
    pub notes: Tiered<Note>,
}

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Its serial number: the key that signs the transaction which spends the note.
    pub nonce: XOnlyKey,
    /// The federation's signature of the nonce, with the key of the denomination.
    pub signature: G1,
}

/// An output: notes that are issued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// The blinded messages of their nonces.
    pub blind_nonces: Tiered<G1>,
}

/// The outcome of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// The federation's blind signatures, as soon as the shares combine to them.
    pub signatures: Option<Tiered<G1>>,
}

/// An item: a guardian's shares of the signatures of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The output.
    pub outpoint: OutPoint,
    /// The shares.
    pub shares: Tiered<Share>,
}

/// A share of a blind signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// What is signed.
    pub blind_nonce: G1,
    /// The share.
    pub share: G1,
}

impl Fixed for Note {
    const BYTES: usize = XOnlyKey::BYTES + G1::BYTES;
}

impl Fixed for Share {
    const BYTES: usize = 2 * G1::BYTES;
}

record!(Input { notes });
record!(Note { nonce, signature });
record!(Output { blind_nonces });
record!(Outcome { signatures });
record!(Item { outpoint, shares });
record!(Share { blind_nonce, share });
