//! The modules of a database: their kinds, the versions of their databases, and the tables that they keep.
//!
//! A database does not say which kind of module wrote a row: the federation's configuration does. Rows are
//! named, but never decoded: what a module keeps is copied unchanged.
//!
//! Invariants: an unknown kind, table or version is not an error. A table is named by the database version
//! that the database itself records for the module, if it records one.

mod key;

use std::collections::BTreeMap;

use fm_codec::Reader;

pub use key::ModuleKey;

use crate::block::Version;
use crate::{Layout, session};
use fm_modules::{Generation, Kind, tables};
use fm_rows::{RowSource, SourceError};

pub use fm_modules::tables::{ModuleTable, OnStart, Sharing};

/// The name of a table that a module of a known kind does not have.
pub const UNKNOWN_TABLE: &str = "unknown";

/// Key of the database version inside a module's own space, where it was until v0.2.
/// Source: `DatabaseVersionKeyV0` of fedimint-core 0.4.0, src/db/mod.rs.
const OWN_VERSION: u8 = 0x50;

/// Returns whether honest guardians have the same rows in the named table of the server.
///
/// Returns `None` for the history itself, the open session and the database versions, whose contents are
/// compared instead, and for unknown tables.
pub fn server_sharing(table: &str) -> Option<Sharing> {
    match table {
        "accepted_transaction"
        | "client_config_signature_share"
        | "client_config_signature"
        | "consensus_upgrade"
        | "drop_peer"
        | "rejected_transaction"
        | "last_epoch"
        | "session_index" => Some(Sharing::Shared),
        "aleph_units" => Some(Sharing::Own("its own backup of units")),
        "api_announcement" | "guardian_metadata" => Some(Sharing::Own("announcements that reached it")),
        "server_info" => Some(Sharing::Own("the versions of its own server")),
        "client_backup" | "client_config_download" => Some(Sharing::Own(tables::REQUESTS)),
        _ => None,
    }
}

/// A module of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Its kind, if the configuration says it.
    pub kind: Option<String>,
    /// The version of its database, if the database says it.
    pub database: Option<u64>,
    tables: Vec<&'static ModuleTable>,
}

impl Module {
    /// Returns whether anything is known of the tables of its kind.
    pub fn is_known(&self, is_v0_1: bool) -> bool {
        self.kind
            .as_deref()
            .is_some_and(|kind| tables::current_tables(&Kind::of(kind), generation(is_v0_1)).is_some())
    }

    /// Returns the table with that prefix, if this version of the module's database has one.
    pub fn table(&self, prefix: u8) -> Option<&'static ModuleTable> {
        self.tables.iter().copied().find(|table| table.prefix == prefix)
    }

    /// Returns the tables in which it may have rows, but which that release no longer reads.
    pub fn retired(&self, release: Version) -> impl Iterator<Item = u8> {
        let is_retired =
            move |table: &&'static ModuleTable| table.until.is_some_and(|until| until <= release);
        self.tables.iter().copied().filter(is_retired).map(|table| table.prefix)
    }

    fn new(kind: Option<&str>, database: Option<u64>, is_v0_1: bool, is_of_0_5: bool) -> Self {
        let mut tables: Vec<&'static ModuleTable> = Vec::new();
        if let Some(kind) = kind {
            let kind = Kind::of(kind);
            tables.extend(tables::current_tables(&kind, generation(is_v0_1)).unwrap_or_default());
            if !is_v0_1 {
                tables.extend(tables::retired_tables(&kind, is_of_0_5));
            }
        }
        tables.retain(|table| {
            table.until.is_some()
                || database.is_none_or(|version| (table.first..=table.last).contains(&version))
        });
        Self { kind: kind.map(str::to_owned), database, tables }
    }
}

/// The modules of a database.
#[derive(Clone, Debug)]
pub struct Modules {
    layout: Layout,
    /// Every module that the configuration names, or that has a database version.
    pub modules: BTreeMap<u16, Module>,
    /// The version of the server's own tables, if the database says it.
    pub server: Option<u64>,
}

impl Modules {
    /// Looks the database versions up; `kinds` are those of the configuration.
    ///
    /// # Errors
    /// Fails if the source cannot be read.
    pub fn read(
        rows: &dyn RowSource,
        layout: Layout,
        kinds: &BTreeMap<u16, String>,
    ) -> Result<Self, SourceError> {
        let mut found = Self { layout, modules: BTreeMap::new(), server: None };
        let mut versions = BTreeMap::new();
        for row in rows.scan_prefix(session::DATABASE_VERSION) {
            let (key, value) = row?;
            let version = found.number(&value);
            match found.version_key(&key) {
                Some(Some(instance)) if instance != session::SERVER_VERSION_ID => {
                    versions.insert(instance, version);
                }
                Some(_) => found.server = version,
                None => {}
            }
        }
        for instance in kinds.keys().copied().chain(versions.keys().copied().collect::<Vec<_>>()) {
            let kind = kinds.get(&instance).map(String::as_str);
            let version = match versions.get(&instance) {
                Some(version) => *version,
                None => {
                    let own = rows.get(&found.key(instance, &[OWN_VERSION]))?;
                    own.and_then(|value| found.number(&value))
                }
            };
            let is_of_0_5 = kind == Some("lnv2") && found.has_rows(rows, instance, 0x41, 0x45)?;
            found.modules.insert(instance, Module::new(kind, version, found.is_v0_1(), is_of_0_5));
        }
        Ok(found)
    }

    /// Returns whether the modules are those of v0.1.
    pub fn is_v0_1(&self) -> bool {
        matches!(self.layout, Layout::Hbbft(_))
    }

    /// Takes a key of module space apart; returns `None` if it is not such a key.
    pub fn key_of<'k>(&self, key: &'k [u8]) -> Option<ModuleKey<'k>> {
        ModuleKey::of(key, self.layout.dialect())
    }

    /// Returns the table that a module's row is in; `None` if the module, its kind or the table is unknown.
    pub fn table_of(&self, key: &ModuleKey<'_>) -> Option<&'static ModuleTable> {
        self.modules.get(&key.module)?.table(key.table?)
    }

    /// Returns the name of the table that a module's row is in.
    ///
    /// If the module is unknown, that is the server's name for the data of all modules. If its kind is known
    /// but has no such table, it is [`UNKNOWN_TABLE`].
    pub fn name_of(&self, key: &ModuleKey<'_>) -> &'static str {
        match self.table_of(key) {
            Some(table) => table.name,
            None if key.rest == [OWN_VERSION] => "database_version",
            None if self.modules.get(&key.module).is_some_and(|module| module.is_known(self.is_v0_1())) => {
                UNKNOWN_TABLE
            }
            None => "module_data",
        }
    }

    fn number(&self, value: &[u8]) -> Option<u64> {
        let mut reader = Reader::new(value, self.layout.dialect());
        let number = reader.u64().ok()?;
        reader.finish().ok().map(|()| number)
    }

    /// Returns the module in a key of the table of database versions; a key without a module is the server's.
    fn version_key(&self, key: &[u8]) -> Option<Option<u16>> {
        let mut reader = Reader::new(key, self.layout.dialect());
        reader.u8().ok()?;
        if reader.left() == 0 {
            return Some(None);
        }
        let instance = reader.u16().ok()?;
        reader.finish().ok().map(|()| Some(instance))
    }

    /// Returns the key of a module's row.
    pub fn key(&self, instance: u16, rest: &[u8]) -> Vec<u8> {
        ModuleKey::bytes(instance, rest, self.layout.dialect())
    }

    /// Returns whether the module has a row in the tables from the prefix `from` up to, but not including,
    /// `to`.
    fn has_rows(&self, rows: &dyn RowSource, instance: u16, from: u8, to: u8) -> Result<bool, SourceError> {
        let (from, to) = (self.key(instance, &[from]), self.key(instance, &[to]));
        rows.scan_range(&from, Some(&to)).next().transpose().map(|row| row.is_some())
    }
}

fn generation(is_v0_1: bool) -> Generation {
    if is_v0_1 { Generation::V0_1 } else { Generation::Current }
}

/// Returns what a release does with a module of that kind; `None` if the kind is unknown.
pub fn on_start(kind: &str, database: Option<u64>, release: Version) -> Option<OnStart> {
    tables::on_start(&Kind::of(kind), database, release)
}
