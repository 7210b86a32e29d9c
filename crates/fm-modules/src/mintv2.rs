//! `mintv2`, since 0.11: notes whose denominations are powers of two.
//!
//! Source: fedimint-mintv2-common 0.13.0, src/lib.rs.

use crate::macros::{empty, record, variants};
use crate::{G1, Msat, PublicKey, UnknownVariant};

/// The exponent of a note's amount: it is worth two to this power, in millisatoshi.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Denomination {
    /// The exponent. Decoding accepts every byte, as upstream's does; federations issue 0 to 41.
    pub exponent: u8,
}

impl Denomination {
    /// Returns the amount; `None` if it does not fit 64 bits.
    pub fn amount(self) -> Option<Msat> {
        1u64.checked_shl(self.exponent.into()).map(Msat)
    }
}

/// An input: a note that is spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The only form so far.
    V0(Note),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Its denomination.
    pub denomination: Denomination,
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
    pub denomination: Denomination,
    /// The blinded message of its nonce, which guardians sign.
    pub blind_nonce: G1,
    /// Lets the owner derive the note again from its secret.
    pub tweak: [u8; 16],
}

/// The outcome of an output, which is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome;

/// An item. Guardians propose none; the form leaves room for later ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A later form.
    Unknown(UnknownVariant),
}

record!(Denomination { exponent });
record!(Note { denomination, nonce, signature });
record!(NoteOutput { denomination, blind_nonce, tweak });
empty!(Outcome);
variants!(Input: "input of mintv2" { 0 => V0(note) } else Unknown);
variants!(Output: "output of mintv2" { 0 => V0(note) } else Unknown);
variants!(Item: "item of mintv2" {} else Unknown);
