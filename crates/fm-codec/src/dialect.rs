//! The differences between the encodings of Fedimint's versions, as data.
//!
//! Invariant: a `Dialect` holds everything that the reader and the writer need to know; no other code asks
//! for a version.
//!
//! Source: the commits dce48b060 (big endian), 1313851cb (lengths of module values), 8a7ea8e86 (BigSize),
//! 67f1ed59c (lengths of variants) and 53dd88d09 (order of maps) of fedimint.

/// How integers wider than a byte are written, in values and in database keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Integers {
    /// Fixed width, little endian (before 2023-04-07).
    FixedLe,
    /// Fixed width, big endian (2023-04-07 to 2023-07-19).
    FixedBe,
    /// BigSize, the Lightning variable-length integer, minimal (from 2023-07-19).
    BigSize,
}

/// Whether the fields of an enum variant are preceded by their length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnumBody {
    /// Variant index, then the fields (up to 2023-11-14, all of v0.1).
    Bare,
    /// Variant index, then the length of the fields, then the fields (v0.2 and later).
    Prefixed,
}

/// How a module's own value is framed after its module instance id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModuleFraming {
    /// No length: only the module itself knows where its value ends (before 2023-07-11).
    Unframed,
    /// A 32-bit length in the dialect's integers (2023-07-11 to 2023-07-19).
    Length32,
    /// A length as for any byte string (from 2023-07-19).
    Length64,
}

/// How strictly the keys of maps and the members of sets are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapOrder {
    /// Duplicates are refused, the order is not checked (up to v0.2).
    Unique,
    /// Each key must be greater than the one before it (from v0.3).
    Ascending,
}

/// One dialect of the consensus encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// The form of integers.
    pub integers: Integers,
    /// The framing of enums.
    pub enum_body: EnumBody,
    /// The framing of module values.
    pub module_framing: ModuleFraming,
    /// The order required of maps and sets.
    pub map_order: MapOrder,
}

impl Dialect {
    /// Era A0: before 2023-04-07.
    pub const A0: Self = Self::bare(Integers::FixedLe, ModuleFraming::Unframed);
    /// Era A1 before module values had a length: 2023-04-07 to 2023-07-10.
    pub const A1: Self = Self::bare(Integers::FixedBe, ModuleFraming::Unframed);
    /// Era A1 with 32-bit module lengths: 2023-07-11 to 2023-07-19.
    pub const A1_LENGTH32: Self = Self::bare(Integers::FixedBe, ModuleFraming::Length32);
    /// Era A2: v0.1.0-rc1 to v0.1.5.
    pub const A2: Self = Self::bare(Integers::BigSize, ModuleFraming::Length64);
    /// Sessions as written by v0.2 (maps may be unsorted on input).
    pub const V0_2: Self = Self { enum_body: EnumBody::Prefixed, ..Self::A2 };
    /// Sessions as read and written from v0.3 on.
    pub const MODERN: Self = Self { map_order: MapOrder::Ascending, ..Self::V0_2 };

    const fn bare(integers: Integers, module_framing: ModuleFraming) -> Self {
        Self { integers, enum_body: EnumBody::Bare, module_framing, map_order: MapOrder::Unique }
    }
}
