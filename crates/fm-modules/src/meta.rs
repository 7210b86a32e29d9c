//! `meta`, since 0.3: values that a threshold of guardians votes for.
//!
//! Source: fedimint-meta-common 0.5.0 and 0.13.0, src/lib.rs.

use crate::macros::{empty, record};

/// An input, which takes no bytes; servers refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Input;

/// An output, which takes no bytes; servers refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Output;

/// The outcome of an output, which takes no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome;

/// An item: a guardian's vote for a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Makes a vote for an earlier value a different item.
    pub salt: u64,
    /// The value's key.
    pub key: u8,
    /// The value.
    pub value: Vec<u8>,
}

record!(Item { salt, key, value });
empty!(Input);
empty!(Output);
empty!(Outcome);
