//! What is restored from: a checkpoint or an archive, opened and shown to be this guardian's full state.

use std::path::Path;

use fm_audit::{Control, Source, check_archive, open_source};
use fm_backup::{Profile, State};

use crate::RestoreError;

/// What `kind` says in an archive of a state; other archives are a conversion's.
const KINDS: [&str; 2] = ["checkpoint", "increment"];

/// Opens a database or an archive; an increment with its base. Every frame of an archive is checked.
pub(crate) fn open_origin(
    path: &Path,
    base: Option<&Path>,
    control: Control<'_>,
) -> Result<State, RestoreError> {
    // A conversion's directory holds a database as well, and one that no server has run on.
    if path.is_dir()
        && let Source::Migrated(_) = open_source(path, None, control)?
    {
        return Err(RestoreError::Migrated { path: path.to_owned() });
    }
    let state = State::open(path, base, None, control)?;
    for archive in state.archives() {
        if let (None, damage) = check_archive(archive, control)? {
            let what = damage.first().map_or("it is damaged".to_owned(), ToString::to_string);
            return Err(RestoreError::NotWhole { path: archive.to_owned(), what });
        }
    }
    match state.omissions().first() {
        Some(omission) => {
            let what = omission.message.clone();
            Err(RestoreError::NotWhole { path: path.to_owned(), what })
        }
        None => Ok(state),
    }
}

/// Refuses an archive that by its own word is not this federation's full state.
pub(crate) fn check_full(state: &State, federation: Option<&str>) -> Result<(), RestoreError> {
    let Some(said) = state.metadata() else { return Ok(()) };
    let not_full = |what: String| RestoreError::NotFull { path: state.path().to_owned(), what };
    match said.get("kind") {
        Some(kind) if KINDS.contains(&kind) => {}
        Some(kind) => return Err(not_full(format!("its kind is {kind:?}"))),
        None => return Err(not_full("it does not say its kind".to_owned())),
    }
    let profile = state.profile();
    if profile != Profile::Full || said.get("profile") != Some(&profile.to_string()) {
        return Err(not_full(format!("its profile is {:?}", said.get("profile").unwrap_or_default())));
    }
    match (said.get("federation").filter(|stated| !stated.is_empty()), federation) {
        (Some(stated), Some(known)) if stated != known => Err(RestoreError::OtherFederation {
            path: state.path().to_owned(),
            stated: stated.to_owned(),
            known: known.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// About how many bytes a database with its rows takes.
pub(crate) fn bytes_of(state: &State) -> u64 {
    if let Some(summary) = state.summary() {
        return summary.key_bytes.saturating_add(summary.value_bytes);
    }
    let entries = std::fs::read_dir(state.path()).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}
