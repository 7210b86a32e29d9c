//! The differences between the unit backups of the versions, as data.

/// The beginning of a record of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// With the unit itself.
    Bare,
    /// With a byte: 0 for a unit, 1 for a record of a fork alert.
    Tagged,
}

/// The form of a unit's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataShape {
    /// A list of byte strings, signed by its author.
    ItemsSigned,
    /// A byte string, signed by its author.
    BytesSigned,
    /// A byte string.
    Bytes,
}

/// The bytes that are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashRule {
    /// The bytes.
    Plain,
    /// The bytes after their length (BigSize).
    Sized,
}

/// The way in which the server's own loader joins rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// In order, up to the first missing number.
    UpToGap,
    /// All existing rows.
    All,
}

/// One form of the backup.
#[derive(Debug, PartialEq, Eq)]
pub struct UnitForm {
    /// Its name.
    pub name: &'static str,
    /// The beginning of a record.
    pub framing: Framing,
    /// The data of units.
    pub data: DataShape,
    /// The bytes that are hashed.
    pub hash: HashRule,
    /// The way in which rows are joined.
    pub joining: Joining,
    /// Whether the backup holds only one guardian's own units.
    pub own_only: bool,
}

/// aleph-bft 0.20.5 with items as byte strings: era B, and era C until 2023-10-07, commit 4946b58de.
pub static ALEPH_0_20_ITEMS: UnitForm = UnitForm {
    name: "aleph-0.20-items",
    framing: Framing::Bare,
    data: DataShape::ItemsSigned,
    hash: HashRule::Plain,
    joining: Joining::UpToGap,
    own_only: true,
};

/// aleph-bft 0.20.5 with encoded batches: a few builds of 2023-10-07, from commit 4946b58de to 6e9ef3422.
pub static ALEPH_0_20_BYTES: UnitForm =
    UnitForm { name: "aleph-0.20-bytes", data: DataShape::BytesSigned, ..ALEPH_0_20_ITEMS };

/// aleph-bft 0.30: era C from 2023-10-07, v0.2, v0.3. Source: aleph-bft 0.30.0, src/backup/mod.rs.
pub static ALEPH_0_30: UnitForm = UnitForm {
    name: "aleph-0.30",
    framing: Framing::Tagged,
    data: DataShape::Bytes,
    own_only: false,
    ..ALEPH_0_20_ITEMS
};

/// fedimint-aleph-bft 0.36: v0.4 and later. Source: fedimint-aleph-bft 0.36.0, src/backup/saver.rs, and
/// fedimint-server 0.5.0, src/consensus/aleph_bft/network.rs (hash).
pub static ALEPH_0_36: UnitForm = UnitForm {
    name: "aleph-0.36",
    framing: Framing::Bare,
    hash: HashRule::Sized,
    joining: Joining::All,
    ..ALEPH_0_30
};

/// Every form, oldest first.
pub static FORMS: [&UnitForm; 4] = [&ALEPH_0_20_ITEMS, &ALEPH_0_20_BYTES, &ALEPH_0_30, &ALEPH_0_36];

impl UnitForm {
    /// Returns the bytes before a unit.
    pub fn tag(&self) -> &'static [u8] {
        match self.framing {
            Framing::Bare => &[],
            Framing::Tagged => &[0],
        }
    }

    /// Returns the form of that name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FORMS.into_iter().find(|form| form.name == name)
    }
}
