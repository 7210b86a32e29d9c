//! Blocks whose items are byte strings: the stand-alone broadcast crate (era B, June to October 2023), and
//! the first builds of the server on AlephBFT (era C until 2023-10-07), which kept the form of that crate.
//!
//! The layouts are data; the decoder is shared with the session layouts. A layout is named by the commit of
//! fedimint that began it.
//!
//! Source of the prefixes: fedimint-atomic-broadcast/src/db.rs at 806ce16de, and fedimint-server/src/db.rs at
//! a4177cea3 and 5b5105acf.

use crate::Era;
use fm_codec::{Dialect, Integers};

use crate::block::{
    BlockLayout, ItemForm, ItemLayout, KeyForm, SignatureForm, TableFact, ValueForm, Version,
};

/// Prefix of the history of the stand-alone crate.
pub(crate) const HISTORY: u8 = 0x00;
/// Key of the record of the open session's number, in the first build of the server.
const SESSION_INDEX: u8 = 0x00;

/// A version that no release has: no release knows the table.
const NEVER: Version = Version(u16::MAX, 0);

const fn table(prefix: u8, name: &'static str, key: KeyForm, value: ValueForm) -> TableFact {
    TableFact { prefix, name, key, value, since: NEVER }
}

/// Tables of the stand-alone crate.
const CRATE_TABLES: &[TableFact] = &[
    table(HISTORY, "signed_block", KeyForm::Number, ValueForm::Block),
    table(0x01, "aleph_units", KeyForm::TwoNumbers, ValueForm::ByteString),
];

/// Tables of the server, from the prefix 02 on, where they are common to all builds of era C.
const BLOCK: TableFact = table(0x04, "signed_block", KeyForm::Number, ValueForm::Block);
const INDEX: TableFact = table(0x02, "accepted_transaction", KeyForm::Bytes(32), ValueForm::ModuleIds);
const SHARE: TableFact = table(0x03, "client_config_signature_share", KeyForm::Peer, ValueForm::Bytes(96));
const SIGNATURE: TableFact = table(0x07, "client_config_signature", KeyForm::Nothing, ValueForm::Bytes(96));
const DOWNLOAD: TableFact = table(0x09, "client_config_download", KeyForm::Bytes(12), ValueForm::Number);
const VERSION: TableFact = table(0x50, "database_version", KeyForm::Version, ValueForm::Number);
const BACKUP: TableFact = table(0x51, "client_backup", KeyForm::Bytes(33), ValueForm::Backup);
const MODULES: TableFact = table(0xFF, "module_data", KeyForm::Module, ValueForm::Module);

/// Tables of the first build: accepted items are only counted.
const FIRST_SERVER_TABLES: &[TableFact] = &[
    table(SESSION_INDEX, "session_index", KeyForm::Nothing, ValueForm::Number),
    table(0x01, "accepted_index", KeyForm::Number, ValueForm::Nothing),
    INDEX,
    SHARE,
    BLOCK,
    table(0x05, "aleph_units", KeyForm::TwoNumbers, ValueForm::ByteString),
    SIGNATURE,
    DOWNLOAD,
    VERSION,
    BACKUP,
    MODULES,
];

/// Tables of the builds after it.
const SERVER_TABLES: &[TableFact] = &[
    table(0x01, "accepted_item", KeyForm::Number, ValueForm::AcceptedItem),
    INDEX,
    SHARE,
    BLOCK,
    table(0x05, "aleph_units", KeyForm::Number, ValueForm::ByteString),
    SIGNATURE,
    DOWNLOAD,
    VERSION,
    BACKUP,
    MODULES,
];

const FIXED: Dialect = Dialect { integers: Integers::FixedBe, ..Dialect::A2 };

/// Items of the server in October 2023.
const ITEMS: ItemLayout = ItemLayout {
    dialect: Dialect::A2,
    config_shares: true,
    nonce: false,
    signature: SignatureForm::Aggregate,
};

/// The last layout of the stand-alone crate, in every tree of v0.1.
const LAST_OF_CRATE: BlockLayout = BlockLayout {
    era: Era::B,
    name: "e91852c61",
    dialect: Dialect::A2,
    own_index: true,
    item_positions: true,
    item: ItemForm::Bytes(None),
    tagged: true,
    history: HISTORY,
    pending: None,
    pointer: None,
    transactions: None,
    units: 0x01,
    tables: CRATE_TABLES,
};

/// The first layout inside the server.
const FIRST_OF_SERVER: BlockLayout = BlockLayout {
    era: Era::C,
    name: "a4177cea3",
    item: ItemForm::Bytes(Some(ITEMS)),
    history: 0x04,
    pointer: Some(SESSION_INDEX),
    transactions: Some(0x02),
    units: 0x05,
    tables: FIRST_SERVER_TABLES,
    ..LAST_OF_CRATE
};

/// Every layout with blocks of byte strings, oldest first.
pub static LAYOUTS: &[BlockLayout] = &[
    BlockLayout { name: "806ce16de", dialect: FIXED, item_positions: false, tagged: false, ..LAST_OF_CRATE },
    BlockLayout { name: "8a7ea8e86", item_positions: false, tagged: false, ..LAST_OF_CRATE },
    BlockLayout { name: "fd79b5a6a", tagged: false, ..LAST_OF_CRATE },
    LAST_OF_CRATE,
    FIRST_OF_SERVER,
    BlockLayout {
        name: "5b5105acf",
        item_positions: false,
        pending: Some(0x01),
        pointer: None,
        tables: SERVER_TABLES,
        ..FIRST_OF_SERVER
    },
    BlockLayout {
        name: "8f3c39b54",
        own_index: false,
        item_positions: false,
        pending: Some(0x01),
        pointer: None,
        tables: SERVER_TABLES,
        ..FIRST_OF_SERVER
    },
];
