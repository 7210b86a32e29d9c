//! The source of a restore: a checkpoint or an archive, opened and proven to be this guardian's full state.

use fm_audit::{Control, Source, check_medium, open_source};
use fm_backup::{Location, Profile, State};
use fm_history::{PeerId, Severity};

use crate::RestoreError;

/// The values of `kind` in an archive of a state; other archives belong to a conversion.
const KINDS: [&str; 2] = ["checkpoint", "increment"];

/// Opens a database or an archive; an increment with its base. Checks every frame of an archive.
pub(crate) fn open_origin(
    location: &Location,
    base: Option<&Location>,
    control: Control<'_>,
) -> Result<State, RestoreError> {
    let path = location.path();
    // A conversion's directory also holds a database, but one that no server has run on.
    if path.is_dir()
        && let Source::Migrated(_) = open_source(path, None, control)?
    {
        return Err(RestoreError::Migrated { path: path.to_owned() });
    }
    let state = State::open_at(location, base, None, control)?;
    let archives = state.metadata().map(|_| [Some(location), base]).into_iter().flatten().flatten();
    for archive in archives {
        if let (None, damage) = check_medium(archive, control)? {
            let what = damage.first().map_or("it is damaged".to_owned(), |damage| damage.message.clone());
            return Err(RestoreError::NotWhole { path: archive.path().to_owned(), what });
        }
    }
    match state.lacks().into_iter().find(|finding| finding.severity == Severity::Error) {
        Some(finding) => Err(RestoreError::NotWhole { path: path.to_owned(), what: finding.message }),
        None => Ok(state),
    }
}

/// The guardian whose state a source must be.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) federation: Option<&'a str>,
    pub(crate) peer: Option<PeerId>,
    /// Whether any guardian's state is accepted.
    pub(crate) of_any: bool,
}

/// Refuses an archive that, by its own metadata, is not this guardian's full state.
pub(crate) fn check_full(state: &State, whose: Whose<'_>) -> Result<(), RestoreError> {
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
    let named = |name: &str| said.get(name).filter(|stated| !stated.is_empty()).map(str::to_owned);
    if let (Some(stated), Some(known)) = (named("federation"), whose.federation)
        && stated != known
    {
        let (path, known) = (state.path().to_owned(), known.to_owned());
        return Err(RestoreError::OtherFederation { path, stated, known });
    }
    let (stated, own) = (named("guardian"), whose.peer.map(|peer| peer.to_string()));
    if whose.of_any || (stated.is_some() && stated == own) {
        return Ok(());
    }
    let unknown = || "unknown".to_owned();
    let (stated, own) = (stated.unwrap_or_else(unknown), own.unwrap_or_else(unknown));
    Err(RestoreError::OtherGuardian { path: state.path().to_owned(), stated, own })
}

/// Estimates the bytes that a database with its rows takes.
pub(crate) fn bytes_of(state: &State) -> u64 {
    if let Some(summary) = state.summary() {
        return summary.key_bytes.saturating_add(summary.value_bytes);
    }
    let entries = std::fs::read_dir(state.path()).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}
