//! Checks whether the library can continue from the units of the open session in the database. The library
//! refuses all of them if one is missing that another builds on, or is not what its creator signed, and does
//! not say which.

use std::collections::HashSet;

use fm_codec::Dialect;
use fm_consensus::ALEPH_UNITS;
use fm_crypto::SessionKeys;
use fm_history::{Code, PeerId};
use fm_store::{LiveStore, StoreError};
use fm_units::{ALEPH_0_36, Dag, Expected, Joined, Records, UnitTable, read_in_form};

/// The units of the open session, as the library would find them.
pub(crate) struct Loadable {
    /// Why the library would refuse them; `None` if it would not.
    pub(crate) fault: Option<String>,
    /// Whether this guardian made any of them.
    pub(crate) own: bool,
}

/// Checks the units in the database.
pub(crate) fn units_in(
    store: &LiveStore,
    session: u64,
    keys: &SessionKeys,
    me: PeerId,
) -> Result<Loadable, StoreError> {
    let expected = Expected { session, guardians: Some(keys.guardians()) };
    let table = UnitTable { prefix: ALEPH_UNITS, session_in_key: false, dialect: Dialect::MODERN };
    let mut rows = Joined::new(table);
    let refused = |fault: String| Ok(Loadable { fault: Some(fault), own: true });
    for row in store.scan_prefix(&[ALEPH_UNITS]) {
        let (key, value) = row?;
        if let Err(error) = rows.push(&key, &value) {
            return refused(error.to_string());
        }
    }
    let backups = rows.finish();
    let Some(backup) = backups.first() else { return Ok(Loadable { fault: None, own: false }) };
    if let Some(gap) = backup.gaps().first() {
        let (first, last) = (gap.missing.start, gap.missing.end - 1);
        return refused(format!("units {first} to {last} of the session are missing in the database"));
    }
    match read_in_form(backup, expected, &[&ALEPH_0_36]) {
        Ok(records) => Ok(Loadable {
            fault: fault_of(&records, session).or_else(|| change_in(&records, keys)),
            own: records.units().any(|(_, unit)| unit.fields.creator == u64::from(me)),
        }),
        Err(error) => refused(error.to_string()),
    }
}

fn fault_of(records: &Records<'_>, session: u64) -> Option<String> {
    if let Some(damage) = records.damage.first() {
        return Some(format!("row {} of the units cannot be read: {}", damage.row, damage.reason));
    }
    let mut seen = HashSet::new();
    for (_, unit) in records.units() {
        let fields = &unit.fields;
        if fields.session != session {
            return Some(format!("a unit in the database is of session {}", fields.session));
        }
        let before = fields.round.checked_sub(1);
        let missing = fields.parents.members().find(|parent| !seen.contains(&(before, *parent as u64)));
        if let Some(parent) = missing {
            return Some(format!(
                "the unit of round {} of guardian {} builds on one of guardian {parent} that is missing in the database",
                fields.round, fields.creator
            ));
        }
        seen.insert((Some(fields.round), fields.creator));
    }
    None
}

/// Describes a unit that is not what its creator signed, because it was changed in the database. A fork of a
/// guardian is not such a change.
fn change_in(records: &Records<'_>, keys: &SessionKeys) -> Option<String> {
    let changed = |code| {
        matches!(
            code,
            Code::UnitSignatureInvalid | Code::UnitParentsDiffer | Code::UnitForeign | Code::WrongKeys
        )
    };
    let dag = Dag::new(std::slice::from_ref(records), Some(keys), Dialect::MODERN)?;
    dag.findings
        .iter()
        .find(|finding| changed(finding.code))
        .map(|finding| format!("in the database {}", finding.message))
}
