//! `dummy`, upstream's module for tests: accounts of keys, and texts that guardians sign together.

use crate::macros::{record, variants};
use crate::{G2, Msat, XOnlyKey};

/// An input, an output, and the outcome of an output: an amount, and the key of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Posting {
    /// The amount; in an outcome, what the account holds afterwards.
    pub amount: Msat,
    /// The account.
    pub account: XOnlyKey,
}

pub use Posting as Input;
pub use Posting as Outcome;
pub use Posting as Output;

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A guardian's share of a signature.
    Sign(Share),
}

/// A share of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// What is signed.
    pub message: String,
    /// The share.
    pub share: G2,
}

record!(Posting { amount, account });
record!(Share { message, share });
variants!(Item: "item of dummy" { 0 => Sign(share) });
