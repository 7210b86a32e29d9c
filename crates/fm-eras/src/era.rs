//! The eras: which generation of servers wrote a history.

use std::fmt;

/// An era, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// HoneyBadger epochs with little-endian integers of eight bytes.
    A0,
    /// HoneyBadger epochs with big-endian integers of eight bytes.
    A1,
    /// HoneyBadger epochs with BigSize integers, up to v0.1.
    A2,
    /// Signed blocks of the broadcast crate of 2023.
    B,
    /// Sessions before v0.2.
    C,
    /// Sessions of v0.2 and v0.3.
    D,
    /// Sessions of v0.4 and later.
    E,
}

impl Era {
    /// Every era, oldest first.
    pub const ALL: [Self; 7] = [Self::A0, Self::A1, Self::A2, Self::B, Self::C, Self::D, Self::E];

    /// Returns the era's name in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A0 => "A0",
            Self::A1 => "A1",
            Self::A2 => "A2",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
        }
    }

    /// Returns the era with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|era| era.as_str() == name)
    }

    /// Whether its histories are of epochs.
    pub const fn has_epochs(self) -> bool {
        matches!(self, Self::A0 | Self::A1 | Self::A2)
    }

    /// Whether its records are those of current servers.
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::D | Self::E)
    }
}

impl fmt::Display for Era {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
