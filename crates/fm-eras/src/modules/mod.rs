//! The modules of a database: their kinds, the versions of their databases, and the tables that they keep.
//!
//! A database does not say which kind of module wrote a row: the federation's configuration does. Rows are named, and never
//! decoded: what a module keeps is copied as it is.
//! Invariants: a kind, a table or a version that is not known is no error; a table is named by the database version that the
//! database itself has for the module, where it has one.

mod facts;
mod key;

use std::collections::BTreeMap;

use fm_codec::Reader;

pub use key::ModuleKey;

use crate::block::Version;
use crate::{Layout, session};
use fm_rows::{RowSource, SourceError};

/// The name of a table that a module of a known kind does not have.
pub const UNKNOWN_TABLE: &str = "unknown";

/// Key of the database version inside of a module's own space, where it was until v0.2.
const OWN_VERSION: u8 = 0x50;

/// Whether honest guardians have the same rows in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Guardians at the same point of the history have the same rows.
    Shared,
    /// As shared, but for rows that a guardian has only since it first ran the version that keeps them.
    SinceUpgrade,
    /// Each guardian has rows of its own; in words what they are.
    Own(&'static str),
}

/// Whether honest guardians have the same rows in a table of the server, by its name; none of the history itself, of the open
/// session and of the database versions, which are compared by what they say, and of tables that are not known.
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
        "client_backup" | "client_config_download" => Some(Sharing::Own(facts::REQUESTS)),
        _ => None,
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
    /// The first version of the module's database that has the table.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// The version of the module's database whose migration added rows to it: before, the table holds fewer.
    pub filled: u64,
    /// A version of the module's database that releases reached in different ways: what the table holds is not the same.
    pub mixed: Option<u64>,
    /// The version of the server from which on nothing reads the table, if there is one.
    pub until: Option<Version>,
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
    /// Whether anything is known of the tables of its kind.
    pub fn is_known(&self, is_v0_1: bool) -> bool {
        self.kind.as_deref().is_some_and(|kind| facts::tables_of(kind, is_v0_1).is_some())
    }

    /// The table with that prefix, if this version of the module's database has one.
    pub fn table(&self, prefix: u8) -> Option<&'static ModuleTable> {
        self.tables.iter().copied().find(|table| table.prefix == prefix)
    }

    /// Tables that it may have rows in, and which that release does not read any more.
    pub fn retired(&self, release: Version) -> impl Iterator<Item = u8> {
        let is_retired =
            move |table: &&'static ModuleTable| table.until.is_some_and(|until| until <= release);
        self.tables.iter().copied().filter(is_retired).map(|table| table.prefix)
    }

    fn new(kind: Option<&str>, database: Option<u64>, is_v0_1: bool, is_of_0_5: bool) -> Self {
        let mut tables: Vec<&'static ModuleTable> = Vec::new();
        if let Some(kind) = kind {
            tables.extend(facts::tables_of(kind, is_v0_1).unwrap_or_default());
            if kind == "lnv2" && !is_v0_1 {
                tables.extend(if is_of_0_5 { facts::LN_V2_0_5 } else { facts::LN_V2_0_4 });
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
    /// If the source cannot be read.
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

    /// Whether the modules are those of v0.1.
    pub fn is_v0_1(&self) -> bool {
        matches!(self.layout, Layout::Hbbft(_))
    }

    /// Takes a key of module space apart; none if it is no such key.
    pub fn key_of<'k>(&self, key: &'k [u8]) -> Option<ModuleKey<'k>> {
        ModuleKey::of(key, self.layout.dialect())
    }

    /// The table that a module's row is in; none if the module, its kind or the table is not known.
    pub fn table_of(&self, key: &ModuleKey<'_>) -> Option<&'static ModuleTable> {
        self.modules.get(&key.module)?.table(key.table?)
    }

    /// The name of the table that a module's row is in.
    ///
    /// Where nothing is known of the module it is the one that the server has for all modules; where its kind is known, and
    /// the table is none of it, [`UNKNOWN_TABLE`].
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

    /// The module in a key of the table of database versions; without one it is the server's.
    fn version_key(&self, key: &[u8]) -> Option<Option<u16>> {
        let mut reader = Reader::new(key, self.layout.dialect());
        reader.u8().ok()?;
        if reader.left() == 0 {
            return Some(None);
        }
        let instance = reader.u16().ok()?;
        reader.finish().ok().map(|()| Some(instance))
    }

    /// The key of a module's row.
    pub fn key(&self, instance: u16, rest: &[u8]) -> Vec<u8> {
        ModuleKey::bytes(instance, rest, self.layout.dialect())
    }

    /// Whether the module has a row in the tables from the first prefix on, up to but without the last.
    fn has_rows(&self, rows: &dyn RowSource, instance: u16, from: u8, to: u8) -> Result<bool, SourceError> {
        let (from, to) = (self.key(instance, &[from]), self.key(instance, &[to]));
        rows.scan_range(&from, Some(&to)).next().transpose().map(|row| row.is_some())
    }
}

/// The kinds of modules of which anything is known, as since 0.2.
pub const KINDS: [&str; 9] =
    ["ln", "lnv2", "meta", "mint", "mintv2", "unknown", "wallet", "walletv2", "dummy"];

/// Every table that a kind of module has had since 0.2, the current ones first.
pub fn tables_of(kind: &str) -> Vec<&'static ModuleTable> {
    let mut tables: Vec<&'static ModuleTable> =
        facts::tables_of(kind, false).unwrap_or_default().iter().collect();
    if kind == "lnv2" {
        tables.extend(facts::LN_V2_0_5);
        tables.extend(facts::LN_V2_0_4);
    }
    tables
}

/// The versions of a kind's database, each with the first release that writes it; none if nothing is known of the kind.
pub fn database_versions(kind: &str) -> Option<&'static [(Version, u64)]> {
    facts::database_versions(kind)
}

/// What a release of the server does with the database of a module when it starts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStart {
    /// It is of the version that the release writes.
    Runs,
    /// It is brought to a newer version.
    Migrates {
        /// The version that it becomes.
        to: u64,
    },
    /// It is newer than the release: the server does not start.
    TooNew {
        /// The newest version that the release knows.
        known: u64,
    },
    /// The release has no such module: the server does not start.
    NoSuchModule,
}

/// What a release does with a module of that kind; none if nothing is known of the kind.
pub fn on_start(kind: &str, database: Option<u64>, release: Version) -> Option<OnStart> {
    let history = facts::database_versions(kind)?;
    let Some((_, known)) = history.iter().rev().find(|(since, _)| *since <= release) else {
        return Some(OnStart::NoSuchModule);
    };
    // A database without a version is one of version 0.
    let database = database.unwrap_or(0);
    Some(match database.cmp(known) {
        std::cmp::Ordering::Less => OnStart::Migrates { to: *known },
        std::cmp::Ordering::Equal => OnStart::Runs,
        std::cmp::Ordering::Greater => OnStart::TooNew { known: *known },
    })
}
