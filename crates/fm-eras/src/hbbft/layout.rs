//! The layouts of the HoneyBadger era, as data.
//!
//! Source: the commits dce48b060, 1313851cb and 8a7ea8e86 (encodings) and 80a5c6150 (tables) of fedimint.

use crate::Era;
use fm_codec::{Dialect, Integers, ModuleFraming};

/// The set of tables beside the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableSet {
    /// Up to 2023-07-17: drop-peer and rejected transactions, whole transactions in the index.
    Early,
    /// From 2023-07-17, all of v0.1: config signature shares, module instances in the index.
    V0_1,
}

/// One on-disk layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochLayout {
    /// Encoding of values and keys.
    pub dialect: Dialect,
    /// The tables beside the history.
    pub tables: TableSet,
}

impl EpochLayout {
    /// The layout of the releases of v0.1.
    pub const RELEASED: Self = Self { dialect: Dialect::A2, tables: TableSet::V0_1 };

    /// Every layout that a release or a development version wrote.
    pub const ALL: [Self; 5] = [
        Self { dialect: Dialect::A0, tables: TableSet::Early },
        Self { dialect: Dialect::A1, tables: TableSet::Early },
        Self { dialect: Dialect::A1_LENGTH32, tables: TableSet::Early },
        Self { dialect: Dialect::A1_LENGTH32, tables: TableSet::V0_1 },
        Self::RELEASED,
    ];

    /// Returns the era's letter and number.
    pub fn era(&self) -> Era {
        match self.dialect.integers {
            Integers::FixedLe => Era::A0,
            Integers::FixedBe => Era::A1,
            Integers::BigSize => Era::A2,
        }
    }

    /// Returns the layout's name: integers, module framing, tables.
    pub fn name(&self) -> &'static str {
        match (self.dialect.integers, self.dialect.module_framing, self.tables) {
            (Integers::FixedLe, ..) => "fixed-le",
            (Integers::FixedBe, ModuleFraming::Unframed, _) => "fixed-be",
            (Integers::FixedBe, _, TableSet::Early) => "fixed-be-length32",
            (Integers::FixedBe, _, TableSet::V0_1) => "fixed-be-length32-v0.1-tables",
            (Integers::BigSize, ..) => "bigsize",
        }
    }

    /// Returns the layout of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// Returns whether the layout says where module values end, so that content can be read.
    pub fn is_framed(&self) -> bool {
        self.dialect.module_framing != ModuleFraming::Unframed
    }
}
