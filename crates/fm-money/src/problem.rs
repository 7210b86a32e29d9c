//! What a history must not contain.

use std::fmt;

use fm_history::Hash;
use fm_modules::{Msat, Part, PayloadError};

/// An input or an output of an accepted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The session.
    pub session: u64,
    /// The item of the session, from 0.
    pub item: u32,
    /// Whether it is an output.
    pub is_output: bool,
    /// The number among the transaction's inputs or outputs, from 0.
    pub index: u32,
}

impl Spot {
    /// Returns which part of the transaction it is.
    pub fn part(&self) -> Part {
        if self.is_output { Part::Output } else { Part::Input }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}, item {}, {} {}", self.session, self.item, self.part(), self.index)
    }
}

/// Something that guardians must not have accepted, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; for a transaction as a whole, its first input or output.
    pub spot: Spot,
    /// The module; `None` if it is about the transaction.
    pub module: Option<u16>,
    /// What.
    pub trouble: Trouble,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The bytes are no payload of the module's kind.
    Undecodable(PayloadError),
    /// The configuration does not name the module instance.
    UnknownInstance,
    /// The federation's signature of a note that is spent is not valid.
    NoteUnsigned,
    /// A note is spent of a denomination that the federation has no key for.
    NoSuchDenomination {
        /// The denomination.
        denomination: Msat,
    },
    /// A note is spent that was spent before.
    NoteSpentTwice {
        /// Where it was spent first.
        first: Spot,
    },
    /// A blind nonce is signed that was signed before: of the two notes only one can be spent.
    BlindNonceRepeated {
        /// Where it was signed first.
        first: Spot,
    },
    /// An output of Bitcoin is claimed that was claimed before.
    DepositClaimedTwice {
        /// Where it was claimed first.
        first: Spot,
    },
    /// More notes of a denomination are redeemed than were issued: notes were made off the history.
    RedeemedAboveIssued {
        /// The denomination.
        denomination: Msat,
        /// The number of notes issued so far.
        issued: u64,
    },
    /// More is taken out of a contract than it holds.
    ContractOverdrawn {
        /// The contract's id, if it is known.
        contract: Option<Hash>,
        /// What it holds.
        holds: Msat,
        /// What is taken out; `None` if the input does not say.
        taken: Option<Msat>,
    },
    /// The inputs are not what the outputs and fees need.
    Unbalanced {
        /// What the inputs are worth, in msat.
        inputs: u128,
        /// What the outputs are worth, in msat.
        outputs: u128,
        /// The fees, in msat.
        fees: u128,
    },
    /// An amount does not fit 64 bits.
    AmountTooLarge,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecodable(error) => write!(f, "{error}: {}", error.source),
            Self::UnknownInstance => f.write_str("the configuration does not name this module"),
            Self::NoteUnsigned => f.write_str("the federation did not sign this note"),
            Self::NoSuchDenomination { denomination } => {
                write!(f, "the federation has no key for notes of {denomination}")
            }
            Self::NoteSpentTwice { first } => write!(f, "the note was spent before, in {first}"),
            Self::BlindNonceRepeated { first } => {
                write!(f, "the blind nonce was signed before, in {first}: one of the two notes is lost")
            }
            Self::DepositClaimedTwice { first } => write!(f, "the deposit was claimed before, in {first}"),
            Self::RedeemedAboveIssued { denomination, issued } => write!(
                f,
                "more notes of {denomination} are redeemed than the {issued} that were issued: notes were made off the \
                 history"
            ),
            Self::ContractOverdrawn { contract, holds, taken } => {
                let name =
                    contract.map_or_else(|| "an unknown contract".to_owned(), |id| format!("contract {id}"));
                match taken {
                    Some(taken) => write!(f, "{taken} are taken out of {name}, which holds {holds}"),
                    None => write!(f, "{name} is emptied, and it holds nothing"),
                }
            }
            Self::Unbalanced { inputs, outputs, fees } => {
                write!(
                    f,
                    "inputs of {inputs} msat, outputs of {outputs} msat and fees of {fees} msat do not balance"
                )
            }
            Self::AmountTooLarge => f.write_str("an amount does not fit 64 bits"),
        }
    }
}
