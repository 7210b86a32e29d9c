//! The tables of a HoneyBadger database: prefixes, names, keys, and their place in a modern database.
//!
//! Source: fedimint-server/src/db.rs at d99e2f44b (v0.1) and before 80a5c6150 (the early tables), and
//! fedimint-core 0.4.0, src/db/mod.rs (versions, backups and modules).

use fm_codec::{DecodeError, Dialect, Reader, Writer};

use super::layout::{EpochLayout, TableSet};

/// Prefix of the history.
pub const HISTORY_TABLE: u8 = 0x05;
/// The whole key of the last-epoch pointer.
pub const LAST_EPOCH_KEY: [u8; 1] = [0x06];

/// A table of this era.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Index of accepted transactions.
    AcceptedTransaction,
    /// Shares of the client config's signature (v0.1).
    ClientConfigSignatureShare,
    /// Guardians to drop (before v0.1).
    DropPeer,
    /// Rejected transactions and why (before v0.1).
    RejectedTransaction,
    /// The history.
    SignedEpochOutcome,
    /// Number of the last stored epoch.
    LastEpoch,
    /// Signature of the client config.
    ClientConfigSignature,
    /// Guardians that voted for an upgrade.
    ConsensusUpgrade,
    /// Uses of download tokens.
    ClientConfigDownload,
    /// Version of the database.
    DatabaseVersion,
    /// Encrypted backups of clients.
    ClientBackup,
    /// Everything that modules store.
    ModuleData,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 12] = [
        Self::AcceptedTransaction,
        Self::ClientConfigSignatureShare,
        Self::DropPeer,
        Self::RejectedTransaction,
        Self::SignedEpochOutcome,
        Self::LastEpoch,
        Self::ClientConfigSignature,
        Self::ConsensusUpgrade,
        Self::ClientConfigDownload,
        Self::DatabaseVersion,
        Self::ClientBackup,
        Self::ModuleData,
    ];

    /// Returns the first byte of the table's keys.
    pub fn prefix(self) -> u8 {
        match self {
            Self::AcceptedTransaction => 0x02,
            Self::ClientConfigSignatureShare | Self::DropPeer => 0x03,
            Self::RejectedTransaction => 0x04,
            Self::SignedEpochOutcome => HISTORY_TABLE,
            Self::LastEpoch => LAST_EPOCH_KEY[0],
            Self::ClientConfigSignature => 0x07,
            Self::ConsensusUpgrade => 0x08,
            Self::ClientConfigDownload => 0x09,
            Self::DatabaseVersion => 0x50,
            Self::ClientBackup => 0x51,
            Self::ModuleData => 0xFF,
        }
    }

    /// Returns the table's name in reports and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::AcceptedTransaction => "accepted_transaction",
            Self::ClientConfigSignatureShare => "client_config_signature_share",
            Self::DropPeer => "drop_peer",
            Self::RejectedTransaction => "rejected_transaction",
            Self::SignedEpochOutcome => "signed_epoch_outcome",
            Self::LastEpoch => "last_epoch",
            Self::ClientConfigSignature => "client_config_signature",
            Self::ConsensusUpgrade => "consensus_upgrade",
            Self::ClientConfigDownload => "client_config_download",
            Self::DatabaseVersion => "database_version",
            Self::ClientBackup => "client_backup",
            Self::ModuleData => "module_data",
        }
    }

    /// Returns whether databases with that set of tables have this one.
    fn is_in(self, tables: TableSet) -> bool {
        match self {
            Self::DropPeer | Self::RejectedTransaction => tables == TableSet::Early,
            Self::ClientConfigSignatureShare => tables == TableSet::V0_1,
            _ => true,
        }
    }
}

/// Returns the table that a key belongs to; `None` if this layout has no such table.
pub fn table_of(key: &[u8], layout: &EpochLayout) -> Option<Table> {
    let prefix = *key.first()?;
    Table::ALL.into_iter().find(|table| table.prefix() == prefix && table.is_in(layout.tables))
}

/// Returns the key of an epoch's record.
pub fn epoch_key(epoch: u64, dialect: Dialect) -> Vec<u8> {
    let mut writer = Writer::new(dialect);
    writer.u8(HISTORY_TABLE);
    writer.u64(epoch);
    writer.into_bytes()
}

/// Returns the epoch that a key of the history table names.
///
/// # Errors
/// Fails if the key is not one byte and a number, with nothing after it.
pub fn epoch_of_key(key: &[u8], dialect: Dialect) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(key, dialect);
    reader.u8()?;
    let epoch = reader.u64()?;
    reader.finish()?;
    Ok(epoch)
}

/// Returns the module instance of a key in module space, and the module's own key.
///
/// # Errors
/// Fails if the key ends before or inside the module instance.
pub fn module_of_key(key: &[u8], dialect: Dialect) -> Result<(u16, &[u8]), DecodeError> {
    let mut reader = Reader::new(key, dialect);
    reader.u8()?;
    let instance = reader.u16()?;
    let rest = reader.take(reader.left())?;
    Ok((instance, rest))
}
