//! The tables of the modules of every version, as data: prefix, name, whether guardians share the rows, and
//! the database versions that have the table.
//!
//! Invariant: for any one database version, the list of a kind names each prefix at most once.
//!
//! Source of the prefixes: src/db.rs of the module's crates, of which each list names the versions. The
//! versions of databases are in src/lib.rs of the same crates. Commits are those of fedimint.

use super::{ModuleTable, Sharing};
use crate::block::Version;

const fn table(prefix: u8, name: &'static str, sharing: Sharing) -> ModuleTable {
    ModuleTable { prefix, name, sharing, first: 0, last: u64::MAX, filled: 0, mixed: None, until: None }
}

/// Describes rows that follow from the history alone.
const fn shared(prefix: u8, name: &'static str) -> ModuleTable {
    table(prefix, name, Sharing::Shared)
}

/// Describes rows that only this guardian has.
const fn own(prefix: u8, name: &'static str, what: &'static str) -> ModuleTable {
    table(prefix, name, Sharing::Own(what))
}

impl ModuleTable {
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
pub(super) const REQUESTS: &str = "requests over its own interface";

/// `mint`, since 0.2. Source: fedimint-mint-common 0.2.2; fedimint-mint-server 0.4.3, 0.5.0, 0.6.0, 0.11.0.
const MINT: &[ModuleTable] = &[
    shared(0x10, "note_nonce"),
    own(0x13, "output_outcome", SIGNATURE_SHARES),
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
    own(0x11, "proposed_signature_share", SIGNATURE_SHARES),
    shared(0x12, "received_signature_share"),
    shared(0x13, "output_outcome"),
    shared(0x14, "audit_item"),
    own(0x15, "ecash_backup", REQUESTS),
];

/// `mintv2`, since 0.11. Source: fedimint-mintv2-server 0.11.2 and 0.13.0.
const MINT_V2: &[ModuleTable] = &[
    shared(0x10, "note_nonce"),
    own(0x11, "blinded_signature_share", SIGNATURE_SHARES),
    own(0x12, "blinded_signature_share_recovery", SIGNATURE_SHARES),
    shared(0x13, "issuance_counter"),
    shared(0x14, "recovery_item"),
];

/// `wallet`. The tables from 40 to 43 were added without a new database version (0.6, 0.8).
///
/// Version 2 has two meanings: 0.10.1 added change to 39 in it, and 0.11.0 filled 44. A database that came
/// from 0.10.1 never gets the rows of 44. 0.11.2 adds the change in version 3.
/// Source: fedimint-wallet-common 0.2.2; fedimint-wallet-server 0.4.3, 0.6.0, 0.8.1, 0.10.1, 0.11.0, 0.11.2.
const WALLET: &[ModuleTable] = &[
    shared(0x30, "block_hash"),
    shared(0x31, "utxo"),
    shared(0x32, "block_count_vote"),
    shared(0x33, "fee_rate_vote"),
    shared(0x34, "unsigned_transaction"),
    shared(0x35, "pending_transaction"),
    own(0x36, "peg_out_signature", SIGNATURE_SHARES),
    shared(0x37, "peg_out_outpoint"),
    shared(0x38, "peg_out_nonce"),
    shared(0x39, "claimed_peg_in_outpoint").from(1).filled(3).mixed(2),
    shared(0x40, "consensus_version_vote").from(1),
    table(0x41, "unspent_output", Sharing::SinceUpgrade).from(1),
    own(0x42, "consensus_version_voting_activation", REQUESTS).from(1),
    table(0x43, "block_hash_by_height", Sharing::SinceUpgrade).from(1),
    own(0x44, "recovery_item", COUNTED).from(2),
];

/// `wallet` of v0.1; its earlier builds kept the consensus of a round under 32.
/// Source: the module at b6806febf.
const WALLET_V0_1: &[ModuleTable] = &[
    shared(0x30, "block_hash"),
    shared(0x31, "utxo"),
    shared(0x32, "block_count_vote"),
    shared(0x33, "fee_rate_vote"),
    shared(0x34, "unsigned_transaction"),
    shared(0x35, "pending_transaction"),
    own(0x36, "peg_out_signature", SIGNATURE_SHARES),
    shared(0x37, "peg_out_outpoint"),
    shared(0x38, "peg_out_nonce"),
];

/// `walletv2`, since 0.11. Source: fedimint-walletv2-server 0.11.2 and 0.13.0.
const WALLET_V2: &[ModuleTable] = &[
    shared(0x30, "output"),
    shared(0x31, "spent_output"),
    shared(0x32, "block_count_vote"),
    shared(0x33, "fee_rate_vote"),
    shared(0x34, "transaction_log"),
    shared(0x35, "transaction_index"),
    shared(0x36, "unsigned_transaction"),
    shared(0x37, "signatures"),
    shared(0x38, "unconfirmed_transaction"),
    shared(0x39, "federation_wallet"),
];

/// `ln`, also of v0.1: 47 to 49 came later, without a new database version.
/// Source: fedimint-ln-common 0.2.2; fedimint-ln-server 0.9.1 and 0.10.1.
const LN: &[ModuleTable] = &[
    shared(0x40, "contract"),
    shared(0x41, "offer"),
    own(0x42, "proposed_decryption_share", DECRYPTION_SHARES),
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
    own(0x06, "decryption_key_share", DECRYPTION_SHARES),
    shared(0x07, "preimage"),
    own(0x08, "gateway", REQUESTS),
    shared(0x09, "incoming_contract_stream_index").from(1),
    shared(0x10, "incoming_contract_stream").from(1),
    shared(0x11, "incoming_contract_index").from(1),
];

/// `lnv2` of 0.5 and 0.6. Source: fedimint-lnv2-server 0.5.0 and 0.6.0.
pub(super) const LN_V2_0_5: &[ModuleTable] = &[
    shared(0x41, "block_count_vote").before(RENUMBERED),
    shared(0x42, "unix_time_vote").before(RENUMBERED),
    shared(0x43, "incoming_contract").before(RENUMBERED),
    shared(0x44, "outgoing_contract").before(RENUMBERED),
    own(0x45, "decryption_key_share", DECRYPTION_SHARES).before(RENUMBERED),
    shared(0x46, "preimage").before(RENUMBERED),
    own(0x47, "gateway", REQUESTS).before(RENUMBERED),
];

/// `lnv2` of 0.4. Source: fedimint-lnv2-server 0.4.3.
pub(super) const LN_V2_0_4: &[ModuleTable] = &[
    shared(0x45, "block_count_vote").before(RENUMBERED),
    shared(0x46, "unix_time_vote").before(RENUMBERED),
    shared(0x47, "incoming_contract").before(RENUMBERED),
    shared(0x48, "outgoing_contract").before(RENUMBERED),
    own(0x49, "decryption_key_share", DECRYPTION_SHARES).before(RENUMBERED),
    shared(0x50, "preimage").before(RENUMBERED),
    own(0x51, "gateway", REQUESTS).before(RENUMBERED),
];

/// `meta`, since 0.3. Source: fedimint-meta-server 0.3.3 and 0.13.0.
const META: &[ModuleTable] =
    &[own(0x00, "desired", PROPOSALS), shared(0x01, "consensus"), shared(0x02, "submission")];

/// `dummy`, the module of upstream's own tests: before 0.2 it signed messages as well.
/// Source of 01 and 02: fedimint-dummy-server 0.2.2 and 0.5.0.
const DUMMY: &[ModuleTable] = &[
    shared(0x01, "funds"),
    shared(0x02, "outcome"),
    shared(0x03, "signature_share"),
    shared(0x04, "signature"),
];

/// Returns the tables of a kind of module, of v0.1 or later, if they are known.
pub(super) fn tables_of(kind: &str, is_v0_1: bool) -> Option<&'static [ModuleTable]> {
    Some(match (kind, is_v0_1) {
        ("mint", false) => MINT,
        ("mint", true) => MINT_V0_1,
        ("wallet", false) => WALLET,
        ("wallet", true) => WALLET_V0_1,
        ("ln", _) => LN,
        ("dummy", _) => DUMMY,
        ("mintv2", false) => MINT_V2,
        ("walletv2", false) => WALLET_V2,
        ("lnv2", false) => LN_V2,
        ("meta", false) => META,
        ("unknown", false) => &[],
        _ => return None,
    })
}

/// Returns the database versions of a kind of module, each with the first release that writes it.
///
/// Two patch releases changed the version of `wallet`: 0.10.1 and 0.11.2. The list says what the newest patch
/// release writes. A release that is older than the first one has no such module.
pub(super) fn database_versions(kind: &str) -> Option<&'static [(Version, u64)]> {
    Some(match kind {
        "mint" => &[(Version(0, 2), 0), (Version(0, 5), 1), (Version(0, 6), 2), (Version(0, 11), 3)],
        "wallet" => &[(Version(0, 2), 0), (Version(0, 4), 1), (Version(0, 10), 2), (Version(0, 11), 3)],
        "ln" => &[(Version(0, 2), 0)],
        "meta" => &[(Version(0, 3), 0)],
        "unknown" => &[(Version(0, 3), 1)],
        "lnv2" => &[(Version(0, 4), 0), (Version(0, 9), 1)],
        "mintv2" | "walletv2" => &[(Version(0, 11), 0)],
        _ => return None,
    })
}
