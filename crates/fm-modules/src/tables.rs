//! The tables of the modules of every version, as data: prefix, name, whether guardians share the rows, how
//! much an auditor can prove of them, and the database versions that have the table.
//!
//! Invariant: for any one database version, the list of a kind names each prefix at most once.
//!
//! Source of the prefixes: src/db.rs of the module's crates, of which each list names the versions. The
//! versions of databases are in src/lib.rs of the same crates. Commits are those of fedimint.

use crate::{Generation, Kind, Version};

/// Whether honest guardians have the same rows in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Guardians at the same point of the history have the same rows.
    Shared,
    /// As `Shared`, except for rows that a guardian has only since it first ran the version that keeps them.
    SinceUpgrade,
    /// Each guardian has rows of its own; the text says what they are.
    Own(&'static str),
}

/// How much an auditor can prove of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// The rows follow from the signed history.
    Derivable,
    /// The rows do not follow from the history, but can be checked against public keys.
    Checkable,
    /// A part follows from the history; the rest needs the blocks of Bitcoin.
    Partly,
    /// Nothing but the guardian's word, or the reader's own node of Bitcoin, confirms the rows.
    OwnWord,
}

impl Proof {
    /// Returns its name in documents and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Derivable => "derivable",
            Self::Checkable => "checkable",
            Self::Partly => "partly",
            Self::OwnWord => "own word",
        }
    }
}

/// A table of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleTable {
    /// First byte of the module's own keys.
    pub prefix: u8,
    /// Its name in reports.
    pub name: &'static str,
    /// Whether honest guardians have the same rows.
    pub sharing: Sharing,
    /// How much an auditor can prove of the rows.
    pub proof: Proof,
    /// The first version of the module's database that has the table.
    pub first: u64,
    /// The last version that has it.
    pub last: u64,
    /// The version of the module's database whose migration added rows to it: before that version the table
    /// has fewer rows.
    pub filled: u64,
    /// A version of the module's database that releases reached in different ways: the table's content then
    /// differs.
    pub mixed: Option<u64>,
    /// The first version of the server that no longer reads the table, if there is one.
    pub until: Option<Version>,
}

const fn table(prefix: u8, name: &'static str, sharing: Sharing, proof: Proof) -> ModuleTable {
    ModuleTable {
        prefix,
        name,
        sharing,
        proof,
        first: 0,
        last: u64::MAX,
        filled: 0,
        mixed: None,
        until: None,
    }
}

/// Describes rows that follow from the history alone.
const fn shared(prefix: u8, name: &'static str) -> ModuleTable {
    table(prefix, name, Sharing::Shared, Proof::Derivable)
}

/// Describes rows that only this guardian has.
const fn own(prefix: u8, name: &'static str, what: &'static str) -> ModuleTable {
    table(prefix, name, Sharing::Own(what), Proof::OwnWord)
}

impl ModuleTable {
    /// Returns the same table, whose rows can be checked against public keys.
    const fn checkable(self) -> Self {
        Self { proof: Proof::Checkable, ..self }
    }

    /// Returns the same table, of whose rows a part follows from the history.
    const fn partly(self) -> Self {
        Self { proof: Proof::Partly, ..self }
    }

    /// Returns the same table, whose rows follow from the history.
    const fn derivable(self) -> Self {
        Self { proof: Proof::Derivable, ..self }
    }

    /// Returns the same table, whose rows come from the blocks of Bitcoin.
    const fn of_blocks(self) -> Self {
        Self { proof: Proof::OwnWord, ..self }
    }

    /// Returns the same table, from a database version on.
    const fn from(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// Returns the same table, to which the migration to that database version added rows.
    const fn filled(self, filled: u64) -> Self {
        Self { filled, ..self }
    }

    /// Returns the same table, whose content in databases of that version depends on the release that wrote
    /// them.
    const fn mixed(self, version: u64) -> Self {
        Self { mixed: Some(version), ..self }
    }

    /// Returns the same table, up to a database version.
    const fn up_to(self, last: u64) -> Self {
        Self { last, ..self }
    }

    /// Returns the same table, which servers read only before that version.
    const fn before(self, version: Version) -> Self {
        Self { until: Some(version), ..self }
    }
}

const SIGNATURE_SHARES: &str = "signature shares of its own";
const DECRYPTION_SHARES: &str = "decryption shares of its own";
const PROPOSALS: &str = "its own proposals";
/// Numbered from 0, by databases that began to number them at different sessions.
const COUNTED: &str = "counted since its own upgrade";
/// What a guardian keeps of requests over its interface.
pub const REQUESTS: &str = "requests over its own interface";

/// `mint`, since 0.2. Source: fedimint-mint-common 0.2.2; fedimint-mint-server 0.4.3, 0.5.0, 0.6.0, 0.11.0.
const MINT: &[ModuleTable] = &[
    shared(0x10, "note_nonce"),
    own(0x13, "output_outcome", SIGNATURE_SHARES).checkable(),
    shared(0x14, "audit_item"),
    own(0x15, "ecash_backup", REQUESTS).up_to(1),
    shared(0x16, "blind_nonce").from(1),
    shared(0x17, "recovery_item").from(3),
    shared(0x18, "recovery_blind_nonce_outpoint").from(3),
];

/// `mint` of v0.1: guardians exchanged their shares in the history, and stored what the shares combine to.
/// Source: the module at b6806febf.
const MINT_V0_1: &[ModuleTable] = &[
    shared(0x10, "note_nonce"),
    own(0x11, "proposed_signature_share", SIGNATURE_SHARES).checkable(),
    shared(0x12, "received_signature_share").partly(),
    shared(0x13, "output_outcome").checkable(),
    shared(0x14, "audit_item"),
    own(0x15, "ecash_backup", REQUESTS),
];

/// `mintv2`, since 0.11. Source: fedimint-mintv2-server 0.11.2 and 0.13.0.
const MINT_V2: &[ModuleTable] = &[
    shared(0x10, "note_nonce"),
    own(0x11, "blinded_signature_share", SIGNATURE_SHARES).checkable(),
    own(0x12, "blinded_signature_share_recovery", SIGNATURE_SHARES).checkable(),
    shared(0x13, "issuance_counter"),
    shared(0x14, "recovery_item"),
];

/// `wallet`. The tables from 40 to 43 were added without a new database version (0.6, 0.8).
///
/// Version 2 has two meanings: 0.10.1 added change to 39 in it, and 0.11.0 filled 44. A database that came
/// from 0.10.1 never gets the rows of 44. 0.11.2 adds the change in version 3.
/// Source: fedimint-wallet-common 0.2.2; fedimint-wallet-server 0.4.3, 0.6.0, 0.8.1, 0.10.1, 0.11.0, 0.11.2.
const WALLET: &[ModuleTable] = &[
    shared(0x30, "block_hash").of_blocks(),
    shared(0x31, "utxo").partly(),
    shared(0x32, "block_count_vote"),
    shared(0x33, "fee_rate_vote"),
    shared(0x34, "unsigned_transaction").partly(),
    shared(0x35, "pending_transaction").partly(),
    own(0x36, "peg_out_signature", SIGNATURE_SHARES).checkable(),
    shared(0x37, "peg_out_outpoint"),
    shared(0x38, "peg_out_nonce"),
    shared(0x39, "claimed_peg_in_outpoint").from(1).filled(3).mixed(2),
    shared(0x40, "consensus_version_vote").from(1),
    table(0x41, "unspent_output", Sharing::SinceUpgrade, Proof::OwnWord).from(1),
    own(0x42, "consensus_version_voting_activation", REQUESTS).from(1),
    table(0x43, "block_hash_by_height", Sharing::SinceUpgrade, Proof::OwnWord).from(1),
    own(0x44, "recovery_item", COUNTED).derivable().from(2),
];

/// `wallet` of v0.1; its earlier builds kept the consensus of a round under 32.
/// Source: the module at b6806febf.
const WALLET_V0_1: &[ModuleTable] = &[
    shared(0x30, "block_hash").of_blocks(),
    shared(0x31, "utxo").partly(),
    shared(0x32, "block_count_vote"),
    shared(0x33, "fee_rate_vote"),
    shared(0x34, "unsigned_transaction").partly(),
    shared(0x35, "pending_transaction").partly(),
    own(0x36, "peg_out_signature", SIGNATURE_SHARES).checkable(),
    shared(0x37, "peg_out_outpoint"),
    shared(0x38, "peg_out_nonce"),
];

/// `walletv2`, since 0.11. Source: fedimint-walletv2-server 0.11.2 and 0.13.0.
const WALLET_V2: &[ModuleTable] = &[
    shared(0x30, "output").partly(),
    shared(0x31, "spent_output"),
    shared(0x32, "block_count_vote"),
    shared(0x33, "fee_rate_vote"),
    shared(0x34, "transaction_log").partly(),
    shared(0x35, "transaction_index").partly(),
    shared(0x36, "unsigned_transaction").partly(),
    shared(0x37, "signatures"),
    shared(0x38, "unconfirmed_transaction").partly(),
    shared(0x39, "federation_wallet").partly(),
];

/// `ln`, also of v0.1: 47 to 49 came later, without a new database version.
/// Source: fedimint-ln-common 0.2.2; fedimint-ln-server 0.9.1 and 0.10.1.
const LN: &[ModuleTable] = &[
    shared(0x40, "contract"),
    shared(0x41, "offer"),
    own(0x42, "proposed_decryption_share", DECRYPTION_SHARES).checkable(),
    shared(0x43, "agreed_decryption_share"),
    shared(0x44, "contract_update"),
    own(0x45, "gateway", REQUESTS),
    shared(0x46, "block_count_vote"),
    shared(0x47, "encrypted_preimage_index"),
    shared(0x48, "audit_item"),
    shared(0x49, "consensus_version_vote"),
];

/// The release in which `lnv2` renumbered tables without a new database version. The rows under the old
/// prefixes stay, and nothing reads them. Source: fedimint-lnv2-server 0.6.0 and 0.7.2.
const RENUMBERED: Version = Version(0, 7);

/// `lnv2` since 0.7. Source: fedimint-lnv2-server 0.7.2, 0.8.1, 0.9.0.
const LN_V2: &[ModuleTable] = &[
    shared(0x01, "block_count_vote"),
    shared(0x02, "unix_time_vote"),
    shared(0x03, "incoming_contract"),
    shared(0x04, "incoming_contract_outpoint"),
    shared(0x05, "outgoing_contract"),
    own(0x06, "decryption_key_share", DECRYPTION_SHARES).checkable(),
    shared(0x07, "preimage"),
    own(0x08, "gateway", REQUESTS),
    shared(0x09, "incoming_contract_stream_index").from(1),
    shared(0x10, "incoming_contract_stream").from(1),
    shared(0x11, "incoming_contract_index").from(1),
];

/// `lnv2` of 0.5 and 0.6. 0.5 keeps whole outcomes under 45, of which those of incoming contracts have a share;
/// 0.6 keeps the shares alone, under the same prefix. Source: fedimint-lnv2-server 0.5.0 and 0.6.0.
const LN_V2_0_5: &[ModuleTable] = &[
    shared(0x41, "block_count_vote").before(RENUMBERED),
    shared(0x42, "unix_time_vote").before(RENUMBERED),
    shared(0x43, "incoming_contract").before(RENUMBERED),
    shared(0x44, "outgoing_contract").before(RENUMBERED),
    own(0x45, "output_outcome", DECRYPTION_SHARES).checkable().before(RENUMBERED),
    shared(0x46, "preimage").before(RENUMBERED),
    own(0x47, "gateway", REQUESTS).before(RENUMBERED),
];

/// `lnv2` of 0.4. Source: fedimint-lnv2-server 0.4.3.
const LN_V2_0_4: &[ModuleTable] = &[
    shared(0x45, "block_count_vote").before(RENUMBERED),
    shared(0x46, "unix_time_vote").before(RENUMBERED),
    shared(0x47, "incoming_contract").before(RENUMBERED),
    shared(0x48, "outgoing_contract").before(RENUMBERED),
    own(0x49, "output_outcome", DECRYPTION_SHARES).checkable().before(RENUMBERED),
    shared(0x50, "preimage").before(RENUMBERED),
    own(0x51, "gateway", REQUESTS).before(RENUMBERED),
];

/// `meta`, since 0.3. Source: fedimint-meta-server 0.3.3 and 0.13.0.
const META: &[ModuleTable] =
    &[own(0x00, "desired", PROPOSALS), shared(0x01, "consensus"), shared(0x02, "submission")];

/// `dummy`, the module of upstream's own tests: accounts up to 0.10, whose databases have version 1 or 2; then
/// what came in and went out, with version 0.
/// Source: fedimint-dummy-server 0.2.2, 0.5.0, 0.10.0, 0.11.0 and 0.13.0.
const DUMMY: &[ModuleTable] = &[
    shared(0x01, "funds").from(1),
    shared(0x01, "input_audit").up_to(0),
    shared(0x02, "outcome").from(1),
    shared(0x02, "output_audit").up_to(0),
    // Of the development towards 0.2, which still signed messages.
    shared(0x03, "signature_share"),
    shared(0x04, "signature"),
];

/// `dummy` of v0.1, which signed messages as well. Source: the module at b6806febf.
const DUMMY_V0_1: &[ModuleTable] = &[
    shared(0x01, "funds"),
    shared(0x02, "outcome"),
    shared(0x03, "signature_share"),
    shared(0x04, "signature"),
];

/// Returns the tables of a kind of module, if they are known; of `lnv2`, those since 0.7.
pub fn current_tables(kind: &Kind, generation: Generation) -> Option<&'static [ModuleTable]> {
    Some(match (kind, generation) {
        (Kind::Mint, Generation::Current) => MINT,
        (Kind::Mint, Generation::V0_1) => MINT_V0_1,
        (Kind::Wallet, Generation::Current) => WALLET,
        (Kind::Wallet, Generation::V0_1) => WALLET_V0_1,
        (Kind::Ln, _) => LN,
        (Kind::Dummy, Generation::Current) => DUMMY,
        (Kind::Dummy, Generation::V0_1) => DUMMY_V0_1,
        (Kind::MintV2, Generation::Current) => MINT_V2,
        (Kind::WalletV2, Generation::Current) => WALLET_V2,
        (Kind::LnV2, Generation::Current) => LN_V2,
        (Kind::Meta, Generation::Current) => META,
        (Kind::Unknown(name), Generation::Current) if name == UNKNOWN_KIND => &[],
        (Kind::MintV2 | Kind::WalletV2 | Kind::LnV2 | Kind::Meta, Generation::V0_1)
        | (Kind::Unknown(_), _) => {
            return None;
        }
    })
}

/// Returns the tables that a kind had once and that no release since the renumbering reads: those of 0.5 and
/// 0.6, or those of 0.4.
pub fn retired_tables(kind: &Kind, is_of_0_5: bool) -> &'static [ModuleTable] {
    match (kind, is_of_0_5) {
        (Kind::LnV2, true) => LN_V2_0_5,
        (Kind::LnV2, false) => LN_V2_0_4,
        _ => &[],
    }
}

/// Returns every table that a kind of module has had since 0.2, the current ones first.
pub fn tables_of(kind: &Kind) -> Vec<&'static ModuleTable> {
    let current = current_tables(kind, Generation::Current).unwrap_or_default();
    current.iter().chain(retired_tables(kind, true)).chain(retired_tables(kind, false)).collect()
}

/// The module without payloads and tables that upstream's tests add. Its name is its kind.
const UNKNOWN_KIND: &str = "unknown";

/// The kinds of modules whose tables are known, as since 0.2. Source: `KIND` in src/lib.rs of the crates
/// fedimint-{ln,mint,wallet}-common 0.2.2 and fedimint-{dummy,meta,unknown}-common 0.13.0, and of
/// modules/fedimint-{lnv2,mintv2,walletv2}-common at 06eb328ca, 049d22b31 and 187437338.
pub const KINDS: [&str; 9] =
    ["ln", "lnv2", "meta", "mint", "mintv2", UNKNOWN_KIND, "wallet", "walletv2", "dummy"];

/// Returns the database versions of a kind of module, each with the first release that writes it.
///
/// Two patch releases changed the version of `wallet`: 0.10.1 and 0.11.2. The list says what the newest patch
/// release writes. A release that is older than the first one has no such module.
pub fn database_versions(kind: &Kind) -> Option<&'static [(Version, u64)]> {
    Some(match kind {
        Kind::Mint => &[(Version(0, 2), 0), (Version(0, 5), 1), (Version(0, 6), 2), (Version(0, 11), 3)],
        Kind::Wallet => &[(Version(0, 2), 0), (Version(0, 4), 1), (Version(0, 10), 2), (Version(0, 11), 3)],
        Kind::Ln => &[(Version(0, 2), 0)],
        Kind::Meta => &[(Version(0, 3), 0)],
        Kind::Unknown(name) if name == UNKNOWN_KIND => &[(Version(0, 3), 1)],
        Kind::LnV2 => &[(Version(0, 4), 0), (Version(0, 9), 1)],
        Kind::MintV2 | Kind::WalletV2 => &[(Version(0, 11), 0)],
        Kind::Dummy | Kind::Unknown(_) => return None,
    })
}

/// What a release of the server does when it starts on a module's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStart {
    /// The database has the version that the release writes.
    Runs,
    /// The release migrates the database to a newer version.
    Migrates {
        /// The version after the migration.
        to: u64,
    },
    /// The database is newer than the release: the server does not start.
    TooNew {
        /// The newest version that the release knows.
        known: u64,
    },
    /// The release has no such module: the server does not start.
    NoSuchModule,
}

/// Returns what a release does with a module of that kind; `None` if the kind is unknown.
pub fn on_start(kind: &Kind, database: Option<u64>, release: Version) -> Option<OnStart> {
    let history = database_versions(kind)?;
    let Some((_, known)) = history.iter().rev().find(|(since, _)| *since <= release) else {
        return Some(OnStart::NoSuchModule);
    };
    // A database without a version has version 0.
    let database = database.unwrap_or(0);
    Some(match database.cmp(known) {
        std::cmp::Ordering::Less => OnStart::Migrates { to: *known },
        std::cmp::Ordering::Equal => OnStart::Runs,
        std::cmp::Ordering::Greater => OnStart::TooNew { known: *known },
    })
}
