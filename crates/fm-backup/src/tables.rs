//! Compares what several guardians keep beside the history, row by row in step, and table by table.
//!
//! Invariant: only rows that all honest guardians share make a difference. Rows that each guardian has of its
//! own, rows of which nothing is known, and tables that not all of the compared versions keep are counted and
//! named, but prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use fm_audit::{AuditError, Control, StateIdentity};
use fm_eras::Layout;
use fm_eras::modules::{ModuleTable, Modules, Sharing, server_sharing};
use fm_history::Hash;
use fm_rows::{Row, join_all};

use crate::{BackupError, State};

/// The first byte of every key in module space. Source: fedimint-core 0.5.0, src/db/mod.rs.
const MODULE_SPACE: u8 = 0xFF;

/// What a difference in a table means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All honest guardians have these rows: a difference shows that a guardian is off.
    Shared,
    /// As [`Shared`](Self::Shared) if both guardians have the row; a missing row proves nothing.
    SinceUpgrade,
    /// Each guardian has its own rows; the text says what they are.
    Own(&'static str),
    /// The database versions of the compared guardians do not all keep this table, or do not all fill it
    /// alike.
    OtherVersions,
    /// Nothing is known about the table: its module, the module's kind, or the table is unknown.
    Unknown,
}

impl Standing {
    /// Returns its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::SinceUpgrade => "since-upgrade",
            Self::Own(_) => "own",
            Self::OtherVersions => "other-versions",
            Self::Unknown => "unknown",
        }
    }

    /// Returns whether a row in which guardians differ shows that one of them is off; `is_missing` if a
    /// guardian lacks it.
    fn is_telling(self, is_missing: bool) -> bool {
        match self {
            Self::Shared => true,
            Self::SinceUpgrade => !is_missing,
            Self::Own(_) | Self::OtherVersions | Self::Unknown => false,
        }
    }
}

/// The rows of one table that differ among the compared guardians.
#[derive(Clone, Debug)]
pub struct TableDifference {
    /// The first bytes of its keys: in module space up to the module's own table.
    pub prefix: Vec<u8>,
    /// Its name.
    pub name: &'static str,
    /// The module, if it is a table of a module.
    pub module: Option<u16>,
    /// What a difference means.
    pub standing: Standing,
    /// The number of rows that differ.
    pub differing: u64,
    /// The number of those that show that a guardian is off.
    pub telling: u64,
    /// The key of the first row that shows it, or else of the first row that differs.
    pub first_key: Vec<u8>,
}

/// The state of one module, as several guardians have it.
#[derive(Clone, Debug)]
pub struct ModuleRows {
    /// The module's instance.
    pub module: u16,
    /// The identity of its rows, by the number of the compared state.
    pub hashes: BTreeMap<usize, Hash>,
    /// The number of rows that are not the same everywhere.
    pub differing: u64,
    /// The number of those that all honest guardians share.
    pub telling: u64,
    /// The key of the first row that is not the same everywhere.
    pub first_key: Option<Vec<u8>>,
}

/// What states at the same point of the history keep beside it.
#[derive(Clone, Debug, Default)]
pub struct TableComparison {
    /// The numbers of the compared states; empty if fewer than two are at the same point.
    pub compared: Vec<usize>,
    /// Every module that a compared state has.
    pub modules: Vec<ModuleRows>,
    /// Every table in which the states differ.
    pub tables: Vec<TableDifference>,
}

impl TableComparison {
    /// Returns the tables with rows that show that a guardian is off.
    pub fn telling(&self) -> impl Iterator<Item = &TableDifference> {
        self.tables.iter().filter(|table| table.telling > 0)
    }

    /// Returns whether guardians share everything that honest guardians share, as far as it is known.
    pub fn is_one_state(&self) -> bool {
        self.telling().next().is_none()
    }
}

struct Side<'a> {
    number: usize,
    state: &'a State,
    modules: &'a Modules,
}

#[derive(Default)]
struct Running {
    identities: BTreeMap<usize, StateIdentity>,
    differing: u64,
    telling: u64,
    first_key: Option<Vec<u8>>,
}

/// Compares what two states keep beside the history. They must be at the same point of it; `kinds` are the
/// kinds of the modules.
///
/// # Errors
/// If a state cannot be read, or the job was interrupted.
pub fn compare_states(
    states: [&State; 2],
    kinds: &BTreeMap<u16, String>,
    control: Control<'_>,
) -> Result<TableComparison, BackupError> {
    let modules = states.map(|state| modules_of(state, kinds));
    let modules = modules.into_iter().collect::<Result<Vec<_>, _>>()?;
    compare_tables(&states, &modules, &[0, 1], control)
}

/// Returns the modules of a state.
pub(crate) fn modules_of(state: &State, kinds: &BTreeMap<u16, String>) -> Result<Modules, AuditError> {
    let modules = Modules::read(state.rows(), state.layout(), kinds);
    modules.map_err(|source| AuditError::rows(state.path(), source))
}

/// Compares what the states with these numbers keep beside the history; `modules` are those of every state.
pub(crate) fn compare_tables(
    states: &[&State],
    modules: &[Modules],
    numbers: &[usize],
    control: Control<'_>,
) -> Result<TableComparison, BackupError> {
    let layouts: Vec<Layout> = numbers.iter().map(|number| states[*number].layout()).collect();
    // Another era has other tables, but module state is carried over from one to the other.
    let from: &[u8] = if layouts.windows(2).all(|pair| pair[0] == pair[1]) { &[] } else { &[MODULE_SPACE] };
    let side = |number: &usize| Side { number: *number, state: states[*number], modules: &modules[*number] };
    let mut walk = Tables { sides: numbers.iter().map(side).collect(), ..Tables::default() };
    control.progress.begin("state", "records", None);
    for joined in join_all(numbers.iter().map(|number| rows_from(states[*number], from)).collect()) {
        control.check()?;
        control.progress.advance(1);
        let joined = joined?;
        walk.on_row(&joined.key, &joined.values);
    }
    control.progress.end();
    Ok(walk.finish(numbers))
}

fn rows_from<'a>(state: &'a State, from: &[u8]) -> impl Iterator<Item = Result<Row, AuditError>> + 'a {
    let rows = state.rows().scan_range(from, None);
    rows.map(|row| row.map_err(|source| AuditError::rows(state.path(), source)))
}

#[derive(Default)]
struct Tables<'a> {
    sides: Vec<Side<'a>>,
    modules: BTreeMap<u16, Running>,
    tables: BTreeMap<Vec<u8>, TableDifference>,
}

impl Tables<'_> {
    fn on_row(&mut self, key: &[u8], taken: &[Option<Vec<u8>>]) {
        let values: BTreeSet<Option<&Vec<u8>>> = taken.iter().map(Option::as_ref).collect();
        let differs = values.len() > 1;
        let Some(first) = self.sides.first() else { return };
        let module = first.modules.key_of(key).map(|key| key.module);
        if let Some(module) = module {
            let running = self.modules.entry(module).or_default();
            for (side, value) in self.sides.iter().zip(taken) {
                if let Some(value) = value {
                    running.identities.entry(side.number).or_default().push(key, value);
                }
            }
        }
        if !differs {
            return;
        }
        let Some((prefix, name, standing)) = standing(&self.sides, key) else { return };
        let is_telling = standing.is_telling(values.contains(&None));
        if let Some(running) = module.and_then(|module| self.modules.get_mut(&module)) {
            running.differing += 1;
            running.telling += u64::from(is_telling);
            running.first_key.get_or_insert_with(|| key.to_vec());
        }
        let table = self.tables.entry(prefix.clone()).or_insert_with(|| TableDifference {
            prefix,
            name,
            module,
            standing,
            differing: 0,
            telling: 0,
            first_key: key.to_vec(),
        });
        table.differing += 1;
        if is_telling {
            if table.telling == 0 {
                table.first_key = key.to_vec();
            }
            table.telling += 1;
        }
    }

    fn finish(self, numbers: &[usize]) -> TableComparison {
        let modules = self.modules.into_iter().map(|(module, running)| ModuleRows {
            module,
            hashes: running.identities.into_iter().map(|(number, hash)| (number, hash.finish())).collect(),
            differing: running.differing,
            telling: running.telling,
            first_key: running.first_key,
        });
        TableComparison {
            compared: numbers.to_vec(),
            modules: modules.collect(),
            tables: self.tables.into_values().collect(),
        }
    }
}

/// Returns prefix, name and standing of the table that a key belongs to; `None` if the value is compared by
/// its meaning.
fn standing(sides: &[Side<'_>], key: &[u8]) -> Option<(Vec<u8>, &'static str, Standing)> {
    let first = sides.first()?;
    let Some(module_key) = first.modules.key_of(key) else {
        let prefix = key.iter().take(1).copied().collect();
        let Some(name) = first.state.layout().table_name(key) else {
            return Some((prefix, "unknown", Standing::Unknown));
        };
        // A key that ends within the module's number belongs to no module.
        let standing = match server_sharing(name) {
            None if key.first() == Some(&MODULE_SPACE) => Standing::Unknown,
            sharing => of_sharing(sharing?),
        };
        return Some((prefix, name, standing));
    };
    let name = first.modules.name_of(&module_key);
    let tables: Vec<Option<&ModuleTable>> =
        sides.iter().map(|side| side.modules.table_of(&module_key)).collect();
    let versions: Vec<Option<u64>> = sides
        .iter()
        .map(|side| side.modules.modules.get(&module_key.module).and_then(|module| module.database))
        .collect();
    let same_version = versions.windows(2).all(|pair| pair[0] == pair[1]);
    let standing = match tables.first().copied().flatten() {
        _ if module_key.rest == [0x50] && name == "database_version" => return None,
        Some(table) if tables.iter().all(|other| *other == Some(table)) => {
            let is_filled = |version: &Option<u64>| version.is_none_or(|version| version >= table.filled);
            let is_mixed = table.mixed.is_some() && versions.contains(&table.mixed);
            if !is_mixed && (same_version || versions.iter().all(is_filled)) {
                of_sharing(table.sharing)
            } else {
                Standing::OtherVersions
            }
        }
        _ if tables.iter().any(Option::is_some) && !same_version => Standing::OtherVersions,
        _ => Standing::Unknown,
    };
    let name = tables.iter().flatten().next().map_or(name, |table| table.name);
    Some((module_key.prefix.to_vec(), name, standing))
}

fn of_sharing(sharing: Sharing) -> Standing {
    match sharing {
        Sharing::Shared => Standing::Shared,
        Sharing::SinceUpgrade => Standing::SinceUpgrade,
        Sharing::Own(what) => Standing::Own(what),
    }
}
