//! Which database is in which place: the marks that a restore leaves, and what each place holds.

use std::fs;
use std::path::Path;

use fm_audit::Control;
use fm_datadir::RESTORED_NAME;
use fm_store::{ReadStore, Stage, StoreError, Swap, remove_file, replace_file};

use crate::RestoreError;
use crate::data_dir::DataDir;
use crate::journal::Journal;

/// Returns the swap of a restore.
pub(crate) fn with_swap_in<T>(dir: &DataDir, journal: &Journal, act: impl FnOnce(Swap<'_>) -> T) -> T {
    let is_new = |path: &Path| is_marked(path, journal);
    let (place, incoming, outgoing) = (dir.database(), dir.incoming(journal), dir.broken(journal));
    act(Swap { place: &place, incoming: &incoming, outgoing: &outgoing, is_new: &is_new })
}

/// Returns how far the exchange of the two databases is.
pub(crate) fn stage(dir: &DataDir, journal: &Journal) -> Result<Stage, RestoreError> {
    with_swap_in(dir, journal, |swap| swap.stage())
        .ok_or_else(|| RestoreError::InTheWay { path: dir.incoming(journal) })
}

/// Returns whether the databases have not begun to change places.
pub(crate) fn is_before(dir: &DataDir, journal: &Journal) -> Result<bool, RestoreError> {
    Ok(stage(dir, journal)? == Stage::Before)
}

/// Returns what marks a database that a restore made.
pub(crate) fn mark(journal: &Journal) -> String {
    format!("made by restore {} of {}\n", journal.number, journal.began)
}

/// Returns whether a database was made by this restore.
pub(crate) fn is_marked(database: &Path, journal: &Journal) -> bool {
    fs::read(database.join(RESTORED_NAME)).is_ok_and(|text| text == mark(journal).as_bytes())
}

/// Puts a guard, or none, into the data directory.
pub(crate) fn set_guard(dir: &DataDir, text: Option<&str>) -> Result<(), StoreError> {
    match text {
        Some(text) => replace_file(&dir.guard(), text.as_bytes()),
        None => remove_file(&dir.guard()),
    }
}

/// Returns the identity of a database's rows.
pub(crate) fn identity_of(database: &Path, control: Control<'_>) -> Result<String, RestoreError> {
    let store = ReadStore::open(database)?;
    if let Some(omission) = store.omissions().first() {
        return Err(RestoreError::NotWhole { path: database.to_owned(), what: omission.message.clone() });
    }
    Ok(fm_audit::state_identity(&store, database, control)?.to_string())
}
