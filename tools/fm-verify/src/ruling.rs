//! The verdict of an audit as one of a closed set, with its word and its exit status.

use std::fmt;

use fm_cli::Exit;
use serde::{Serialize, Serializer};

/// What an audit concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Everything holds, with keys that the user named.
    Sound,
    /// Nothing is signed yet, so nothing is proven.
    Empty,
    /// A part of the history holds; the user asked for no more.
    Partial,
    /// A sample of the signatures holds.
    Sampled,
    /// The history is consistent, and nobody named its keys.
    Unpinned,
    /// Something is wrong.
    Findings,
}

impl Ruling {
    /// Returns the word in the output.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Empty => "empty",
            Self::Partial => "partial",
            Self::Sampled => "sampled",
            Self::Unpinned => "unpinned",
            Self::Findings => "findings",
        }
    }

    /// Returns the exit status.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Sound => Exit::Done,
            Self::Empty | Self::Partial | Self::Sampled | Self::Unpinned => Exit::Partial,
            Self::Findings => Exit::Findings,
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Ruling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
