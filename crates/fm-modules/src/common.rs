//! What the modules share: the place of an output, the version of a module's rules, and variants that this
//! version does not know.

use std::fmt;

use fm_codec::{DecodeError, Reader, Writer};
use fm_history::Hash;

use crate::macros::record;

/// An output of one of the federation's transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutPoint {
    /// The transaction.
    pub txid: Hash,
    /// The index among its outputs.
    pub index: u64,
}

/// The version of a module's rules, as guardians vote for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleVersion {
    /// Changes if older servers cannot follow.
    pub major: u32,
    /// Changes if the rules grow.
    pub minor: u32,
}

/// A variant that this version does not know, as its number and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownVariant {
    /// The variant's number.
    pub variant: u64,
    /// Its body.
    pub bytes: Vec<u8>,
}

record!(OutPoint { txid, index });
record!(ModuleVersion { major, minor });

impl UnknownVariant {
    pub(crate) fn read(variant: u64, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { variant, bytes: reader.take(reader.left())?.to_vec() })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.variant(self.variant, |writer| writer.raw(&self.bytes));
    }
}

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.index)
    }
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
