//! `mint`, since 0.2: notes of any denomination, one for each input and output.
//!
//! Source: fedimint-mint-common 0.5.0 and 0.13.0, src/lib.rs; the same since 0.2.2.

use crate::macros::{record, variants};
use crate::{G1, Msat, PublicKey, UnknownVariant};

/// An input: a note that is spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The only form so far.
    V0(NoteInput),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A note that is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoteInput {
    /// Its denomination.
    pub amount: Msat,
    /// The note.
    pub note: Note,
}

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Its serial number: the key that signs the transaction which spends the note.
    pub nonce: PublicKey,
    /// The federation's signature of the nonce, with the key of the denomination.
    pub signature: G1,
}

/// An output: a note that is issued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The only form so far.
    V0(NoteOutput),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A note that is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoteOutput {
    /// Its denomination.
    pub amount: Msat,
    /// The blinded message of its nonce, which guardians sign.
    pub blind_nonce: G1,
}

/// The outcome of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The guardian's share of the blind signature.
    V0(G1),
    /// A later form.
    Unknown(UnknownVariant),
}

/// An item. Guardians propose none; the form leaves room for later ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A later form.
    Unknown(UnknownVariant),
}

record!(NoteInput { amount, note });
record!(Note { nonce, signature });
record!(NoteOutput { amount, blind_nonce });
variants!(Input: "input of mint" { 0 => V0(note) } else Unknown);
variants!(Output: "output of mint" { 0 => V0(note) } else Unknown);
variants!(Outcome: "outcome of mint" { 0 => V0(share) } else Unknown);
variants!(Item: "item of mint" {} else Unknown);
