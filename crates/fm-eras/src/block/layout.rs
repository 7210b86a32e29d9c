//! The differences between the layouts of blocks and sessions, as data.

use fm_codec::Dialect;

use super::tables::TableFact;
use crate::Era;

/// The form of a transaction's authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// An optional aggregate over all input keys.
    Aggregate,
    /// A list of signatures, one per input key.
    List,
    /// An enum with that list as its first variant; other variants may follow.
    Open,
}

/// One layout of consensus items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemLayout {
    /// The encoding.
    pub dialect: Dialect,
    /// Whether shares of the client config's signature are the first variant, before transactions.
    pub config_shares: bool,
    /// Whether transactions have a nonce.
    pub nonce: bool,
    /// How transactions are authorised.
    pub signature: SignatureForm,
}

/// The form in which a block holds its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemForm {
    /// As byte strings: of the layout if they decode exactly, otherwise opaque. `None`: opaque to their
    /// writers too.
    Bytes(Option<ItemLayout>),
    /// As consensus items.
    Inline(ItemLayout),
}

/// One layout of finished blocks or sessions.
#[derive(Debug)]
pub struct BlockLayout {
    /// The era: `B`, `C`, `D` or `E`.
    pub era: Era,
    /// The layout's name: the commit that made it, or the first version that had it.
    pub name: &'static str,
    /// Encoding of keys and records.
    pub dialect: Dialect,
    /// Whether a record holds its own index.
    pub own_index: bool,
    /// Whether an item holds its number among the ordered items.
    pub item_positions: bool,
    /// How items are held.
    pub item: ItemForm,
    /// Whether signatures cover the guardians' keys (from 2023-08-04).
    pub tagged: bool,
    /// Prefix of the history.
    pub history: u8,
    /// Prefix of the accepted items of the open session.
    pub pending: Option<u8>,
    /// Key of the record that names the open session; only the first layout inside the server has one.
    pub pointer: Option<u8>,
    /// Prefix of the index of accepted transactions.
    pub transactions: Option<u8>,
    /// Prefix of the unit backup.
    pub units: u8,
    /// Every table.
    pub tables: &'static [TableFact],
}

/// Layouts are equal if their names are: every layout has its own name.
impl PartialEq for BlockLayout {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for BlockLayout {}

impl BlockLayout {
    /// Returns whether the other layout has the same records, but signed without a tag.
    pub fn is_tagged_twin(&self, other: &Self) -> bool {
        let records = |layout: &Self| (layout.dialect, layout.own_index, layout.item_positions, layout.item);
        self.tagged && !other.tagged && self.era == other.era && records(self) == records(other)
    }

    /// Returns whether the record has the current form, so that a conversion copies it.
    pub fn is_modern(&self) -> bool {
        self.era.is_modern()
    }
}
