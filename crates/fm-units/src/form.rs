//! In what the unit backups of different versions differ, as data.

/// How a record of the stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// With the unit itself.
    Bare,
    /// With a byte: 0 a unit, 1 what was seen of a fork alert.
    Tagged,
}

/// What a unit carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataShape {
    /// A list of byte strings, signed by its author.
    ItemsSigned,
    /// A byte string, signed by its author.
    BytesSigned,
    /// A byte string.
    Bytes,
}

/// What is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashRule {
    /// The bytes.
    Plain,
    /// The bytes behind their length (BigSize).
    Sized,
}

/// How the server's own loader joins rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// Row by row, up to the first number that is missing.
    UpToGap,
    /// All rows that there are.
    All,
}

/// One form of the backup.
#[derive(Debug, PartialEq, Eq)]
pub struct UnitForm {
    /// Its name.
    pub name: &'static str,
    /// Beginning of a record.
    pub framing: Framing,
    /// What units carry.
    pub data: DataShape,
    /// What is hashed.
    pub hash: HashRule,
    /// How rows are joined.
    pub joining: Joining,
    /// Whether it holds one guardian's own units only.
    pub own_only: bool,
}

/// aleph-bft 0.20.5 with items as byte strings: era B, and era C until 2023-10-07.
pub static ALEPH_0_20_ITEMS: UnitForm = UnitForm {
    name: "aleph-0.20-items",
    framing: Framing::Bare,
    data: DataShape::ItemsSigned,
    hash: HashRule::Plain,
    joining: Joining::UpToGap,
    own_only: true,
};

/// aleph-bft 0.20.5 with encoded batches: a few builds of 2023-10-07.
pub static ALEPH_0_20_BYTES: UnitForm =
    UnitForm { name: "aleph-0.20-bytes", data: DataShape::BytesSigned, ..ALEPH_0_20_ITEMS };

/// aleph-bft 0.30: era C from 2023-10-07, v0.2, v0.3.
pub static ALEPH_0_30: UnitForm = UnitForm {
    name: "aleph-0.30",
    framing: Framing::Tagged,
    data: DataShape::Bytes,
    own_only: false,
    ..ALEPH_0_20_ITEMS
};

/// fedimint-aleph-bft 0.36: v0.4 and later.
pub static ALEPH_0_36: UnitForm = UnitForm {
    name: "aleph-0.36",
    framing: Framing::Bare,
    hash: HashRule::Sized,
    joining: Joining::All,
    ..ALEPH_0_30
};

/// Every form, by age.
pub static FORMS: [&UnitForm; 4] = [&ALEPH_0_20_ITEMS, &ALEPH_0_20_BYTES, &ALEPH_0_30, &ALEPH_0_36];

impl UnitForm {
    /// The bytes before a unit.
    pub fn tag(&self) -> &'static [u8] {
        match self.framing {
            Framing::Bare => &[],
            Framing::Tagged => &[0],
        }
    }

    /// The form of that name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FORMS.into_iter().find(|form| form.name == name)
    }
}
