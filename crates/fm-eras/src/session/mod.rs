//! Sessions: what the server stores since 2023-10-07, in every development layout of era C and in eras D and
//! E.
//!
//! The layouts are data; the decoder is shared with the broadcast crate's layouts. A layout of era C is named
//! by the commit of fedimint that began it.
//!
//! Source of the prefixes: fedimint-server/src/db.rs at a4177cea3 and src/db.rs of fedimint-server 0.2.2 and
//! 0.11.0, and src/db/mod.rs of fedimint-core 0.4.0 (versions, backups and modules).

mod keys;

pub use keys::*;

use crate::Era;
use fm_codec::Dialect;

use crate::block::{
    BlockLayout, ItemForm, ItemLayout, KeyForm, SignatureForm, TableFact, ValueForm, Version,
};

/// The first release with sessions.
pub const FIRST: Version = Version(0, 2);
/// The newest version whose tables are known.
pub const NEWEST: Version = Version(0, 13);
/// The first version that reads units without a tag and hashes them with their length.
/// Source: fedimint-aleph-bft 0.36.0, src/backup/loader.rs, and the commit 916dbbf22 of fedimint.
pub const UNTAGGED_UNITS: Version = Version(0, 4);

const fn table(prefix: u8, name: &'static str, key: KeyForm, value: ValueForm, since: Version) -> TableFact {
    TableFact { prefix, name, key, value, since }
}

const PENDING: TableFact = table(0x01, "accepted_item", KeyForm::Number, ValueForm::AcceptedItem, FIRST);
const INDEX: TableFact = table(0x02, "accepted_transaction", KeyForm::Bytes(32), ValueForm::ModuleIds, FIRST);
const UNITS: TableFact = table(0x05, "aleph_units", KeyForm::Number, ValueForm::ByteString, FIRST);
const VERSION: TableFact = table(0x50, "database_version", KeyForm::Version, ValueForm::Number, FIRST);
const BACKUP: TableFact = table(0x51, "client_backup", KeyForm::Bytes(33), ValueForm::Backup, FIRST);
const MODULES: TableFact = table(0xFF, "module_data", KeyForm::Module, ValueForm::Module, FIRST);
const SESSION: TableFact =
    table(SIGNED_SESSION_OUTCOME, "signed_session_outcome", KeyForm::Number, ValueForm::Block, FIRST);
const BLOCK: TableFact = TableFact { name: "signed_block", ..SESSION };

/// A version that no release has: no release knows the table.
const NEVER: Version = Version(u16::MAX, 0);
const DOWNLOAD: TableFact =
    table(0x09, "client_config_download", KeyForm::Bytes(12), ValueForm::Number, NEVER);

/// Tables of era C while the client config was signed.
const SIGNED_CONFIG_TABLES: &[TableFact] = &[
    PENDING,
    INDEX,
    table(0x03, "client_config_signature_share", KeyForm::Peer, ValueForm::Bytes(96), NEVER),
    BLOCK,
    UNITS,
    table(0x07, "client_config_signature", KeyForm::Nothing, ValueForm::Bytes(96), NEVER),
    DOWNLOAD,
    VERSION,
    BACKUP,
    MODULES,
];

/// Tables of era C after 2023-11-09.
const C_TABLES: &[TableFact] = &[PENDING, INDEX, BLOCK, UNITS, DOWNLOAD, VERSION, BACKUP, MODULES];

/// Tables of v0.2 and v0.3.
const D_TABLES: &[TableFact] = &[PENDING, INDEX, SESSION, UNITS, VERSION, BACKUP, MODULES];

/// Tables of v0.4 and later.
const E_TABLES: &[TableFact] = &[
    PENDING,
    INDEX,
    SESSION,
    UNITS,
    table(0x06, "api_announcement", KeyForm::Peer, ValueForm::Announcement, Version(0, 4)),
    table(0x07, "server_info", KeyForm::Nothing, ValueForm::TwoTexts, Version(0, 6)),
    table(0x08, "guardian_metadata", KeyForm::Peer, ValueForm::Metadata, Version(0, 11)),
    VERSION,
    BACKUP,
    MODULES,
];

/// The first form of items.
const FIRST_ITEMS: ItemLayout = ItemLayout {
    dialect: Dialect::A2,
    config_shares: true,
    nonce: false,
    signature: SignatureForm::Aggregate,
};
const WITHOUT_SHARES: ItemLayout = ItemLayout { config_shares: false, ..FIRST_ITEMS };
const WITH_LENGTHS: ItemLayout = ItemLayout { dialect: Dialect::V0_2, ..WITHOUT_SHARES };
const WITH_NONCE: ItemLayout = ItemLayout { nonce: true, ..WITH_LENGTHS };
const WITH_LIST: ItemLayout = ItemLayout { signature: SignatureForm::List, ..WITH_NONCE };
const OPEN_ITEMS: ItemLayout = ItemLayout { signature: SignatureForm::Open, ..WITH_LIST };

/// The first layout; every later layout is described by its differences from this one.
const FIRST_LAYOUT: BlockLayout = BlockLayout {
    era: Era::C,
    name: "4946b58de",
    dialect: Dialect::A2,
    own_index: false,
    item_positions: false,
    item: ItemForm::Inline(FIRST_ITEMS),
    tagged: true,
    history: SIGNED_SESSION_OUTCOME,
    pending: Some(0x01),
    pointer: None,
    transactions: Some(ACCEPTED_TRANSACTION),
    units: 0x05,
    tables: SIGNED_CONFIG_TABLES,
};

const fn later(name: &'static str, items: ItemLayout) -> BlockLayout {
    BlockLayout {
        name,
        dialect: items.dialect,
        item: ItemForm::Inline(items),
        tables: C_TABLES,
        ..FIRST_LAYOUT
    }
}

/// Every session layout, oldest first.
pub static LAYOUTS: &[BlockLayout] = &[
    FIRST_LAYOUT,
    later("e88ce4abe", WITHOUT_SHARES),
    later("67f1ed59c", WITH_LENGTHS),
    later("2f32eada5", WITH_NONCE),
    later("d65634ad2", WITH_LIST),
    // The records of D and E are those of the last builds of C; only the tables beside them differ.
    BlockLayout { era: Era::D, tables: D_TABLES, ..later("v0.2", OPEN_ITEMS) },
    BlockLayout { era: Era::E, tables: E_TABLES, ..later("v0.4", OPEN_ITEMS) },
];

/// Returns whether a server of that version knows records under the key's prefix.
pub fn is_known(key: &[u8], version: Version) -> bool {
    let known = |table: &&TableFact| Some(&table.prefix) == key.first() && table.since <= version;
    E_TABLES.iter().any(|table| known(&table))
}

/// Returns the current layout.
pub fn modern() -> &'static BlockLayout {
    &LAYOUTS[LAYOUTS.len() - 1]
}
