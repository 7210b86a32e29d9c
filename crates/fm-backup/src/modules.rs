//! Module state of several guardians, row by row in step.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use fm_audit::{AuditError, Control, Identity};
use fm_eras::hbbft::module_of_key;
use fm_eras::{Detected, Rows};
use fm_history::Hash;
use fm_store::Row;

use crate::{BackupError, State};

/// First byte of every key in module space.
const MODULE_SPACE: u8 = 0xFF;

/// State of one module, as several guardians have it.
#[derive(Clone, Debug)]
pub struct ModuleState {
    /// The module's instance.
    pub module: u16,
    /// Identity of its rows, by the number of the compared state.
    pub hashes: BTreeMap<usize, Hash>,
    /// Rows that are not the same everywhere.
    pub differing: u64,
    /// Key of the first of them.
    pub first_key: Option<Vec<u8>>,
}

/// Module state of those that are at the same point.
#[derive(Clone, Debug, Default)]
pub struct ModuleComparison {
    /// Numbers of the states that were compared; none if fewer than two are at the same point.
    pub compared: Vec<usize>,
    /// Every module that one of them has.
    pub modules: Vec<ModuleState>,
}

impl ModuleComparison {
    /// Modules whose state is not the same everywhere.
    pub fn differing(&self) -> impl Iterator<Item = &ModuleState> {
        self.modules.iter().filter(|module| module.differing > 0)
    }
}

struct Side<'a> {
    number: usize,
    state: &'a State,
    rows: Peekable<Rows<'a>>,
}

impl Side<'_> {
    fn module(&self, key: &[u8]) -> Option<u16> {
        let dialect = match self.state.layout() {
            Detected::Hbbft(layout) => layout.dialect,
            Detected::Blocks(layout) => layout.dialect,
        };
        module_of_key(key, dialect).ok().map(|(module, _)| module)
    }

    /// The row with this key, if that is where the side is.
    fn take(&mut self, key: &[u8]) -> Result<Option<Row>, AuditError> {
        if self.rows.peek().is_some_and(|row| row.as_ref().map_or(true, |(found, _)| found == key)) {
            let row = self.rows.next().transpose();
            return row.map_err(|source| AuditError::rows(self.state.path(), source));
        }
        Ok(None)
    }
}

#[derive(Default)]
struct Running {
    identities: BTreeMap<usize, Identity>,
    differing: u64,
    first_key: Option<Vec<u8>>,
}

/// Compares the module state of the states with these numbers.
pub(crate) fn compare_modules(
    states: &[State],
    numbers: &[usize],
    control: Control<'_>,
) -> Result<ModuleComparison, BackupError> {
    let mut sides: Vec<Side<'_>> = numbers
        .iter()
        .map(|number| {
            let state = &states[*number];
            Side { number: *number, state, rows: state.rows().scan_prefix(MODULE_SPACE).peekable() }
        })
        .collect();
    let mut modules: BTreeMap<u16, Running> = BTreeMap::new();
    control.progress.begin("module state", "records", None);
    loop {
        control.check()?;
        control.progress.advance(1);
        let heads = sides.iter_mut().filter_map(|side| side.rows.peek());
        let least = heads.filter_map(|row| row.as_ref().ok().map(|(key, _)| key)).min().cloned();
        // Nothing but ends and errors: taking any key brings the errors to light.
        let key = least.unwrap_or_default();
        let mut taken = Vec::with_capacity(sides.len());
        for side in &mut sides {
            taken.push(side.take(&key)?);
        }
        if taken.iter().all(Option::is_none) {
            break;
        }
        let Some(module) = sides.first().and_then(|side| side.module(&key)) else { continue };
        let running = modules.entry(module).or_default();
        for (side, row) in sides.iter().zip(&taken) {
            if let Some((key, value)) = row {
                running.identities.entry(side.number).or_default().push(key, value);
            }
        }
        let values: BTreeSet<Option<&Vec<u8>>> =
            taken.iter().map(|row| row.as_ref().map(|(_, value)| value)).collect();
        if values.len() > 1 {
            running.differing += 1;
            running.first_key.get_or_insert(key);
        }
    }
    control.progress.end();
    let modules = modules.into_iter().map(|(module, running)| ModuleState {
        module,
        hashes: running.identities.into_iter().map(|(number, hash)| (number, hash.finish())).collect(),
        differing: running.differing,
        first_key: running.first_key,
    });
    Ok(ModuleComparison { compared: numbers.to_vec(), modules: modules.collect() })
}
