//! `import`: turns an archive into a database again.
//!
//! Invariants: the database appears only after it was read back and has the identity of the archive; nothing
//! that exists is overwritten.

use std::path::Path;

use fm_audit::{AuditError, Control, HistoryKeys, StateIdentity, state_identity};
use fm_datadir::DATABASE_NAME;
use fm_history::{Finding, Hash};
use fm_rows::each_row;
use fm_store::{PartialDir, ReadStore, StoreSummary, StoreWriter};

use crate::profile;
use crate::verify::{guardians_of, misstated};
use crate::{BackupError, Profile, State, Survey, Unfit, survey};

/// The `kind` of an archive in which a conversion keeps data of the old database.
const PROVENANCE: &str = "provenance";

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The survey of the new database; `None` if it already existed.
    pub survey: Option<Survey>,
    /// The rows and bytes written.
    pub summary: StoreSummary,
    /// The identity of the rows, read back.
    pub identity: Hash,
    /// Whether the database already existed.
    pub existed: bool,
}

/// How an archive is imported.
pub struct ImportOptions<'a> {
    /// The directory to make; the database is put into `database` inside it.
    pub target: &'a Path,
    /// Keys for checking signatures.
    pub keys: Option<HistoryKeys<'a>>,
    /// The federation's id in hex, if a config states it.
    pub federation: Option<&'a str>,
    /// Import although there are findings that are errors.
    pub accept_findings: bool,
}

/// Writes the rows of a state to a new database and reads them back.
///
/// # Errors
/// If the archive or the target fails, or what is written is not proven. Then nothing is left at the target.
pub fn import(
    state: &State,
    options: &ImportOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Imported, BackupError> {
    if state.profile() != Profile::Full {
        return Err(BackupError::not_fit(state.path(), Unfit::NotFull { has: state.profile() }));
    }
    check_kind(state)?;
    if options.target.exists() {
        return existing(state, options.target, control);
    }
    let partial = PartialDir::create(options.target)?;
    let database = partial.path().join(DATABASE_NAME);
    // The identity that an archive states is compared with that of the new database; without one, the
    // identity of the rows as they are read.
    let (summary, written) = match state.stated_identity() {
        Some(stated) => (write_rows(state, &database, control, &mut |_, _| ())?, stated),
        None => write_database(state, &database, control)?,
    };
    let new = State::open(&database, None, Some(state.layout()), control)?;
    let mut survey = survey(&new, options.keys, control, on_finding)?;
    let read_back = |what: String| BackupError::ReadBack { path: options.target.to_owned(), what };
    let found = survey.classes.identity;
    if found != written {
        return Err(read_back(format!("the database has identity {found}, it should be {written}")));
    }
    // The new database does not show what the archive's own database lacked.
    let stated = misstated(state, &survey, options.federation, guardians_of(options.keys));
    for finding in state.lacks().into_iter().chain(stated) {
        finding.severity.count(&mut survey.errors, &mut survey.warnings);
        on_finding(finding);
    }
    if survey.errors > 0 && !options.accept_findings {
        let (errors, warnings) = (survey.errors, survey.warnings);
        return Err(BackupError::NotProven { path: state.path().to_owned(), errors, warnings });
    }
    drop(new);
    partial.publish()?;
    Ok(Imported { survey: Some(survey), summary, identity: found, existed: false })
}

/// Refuses an archive that states that its records are not the rows of a database.
fn check_kind(state: &State) -> Result<(), BackupError> {
    let Some(metadata) = state.metadata() else { return Ok(()) };
    match metadata.get("kind") {
        Some(profile::CHECKPOINT | profile::INCREMENT | PROVENANCE) => Ok(()),
        kind => {
            let kind = kind.unwrap_or_default().to_owned();
            Err(BackupError::not_fit(state.path(), Unfit::OtherKind { kind }))
        }
    }
}

/// Writes all rows of a state to a new database at `path`, and returns their number and identity. For an
/// archive, the identity is the one that it states.
///
/// # Errors
/// If the state cannot be read, differs from what the archive states, or the database cannot be written.
pub fn write_database(
    state: &State,
    path: &Path,
    control: Control<'_>,
) -> Result<(StoreSummary, Hash), BackupError> {
    let mut identity = StateIdentity::default();
    let summary = write_rows(state, path, control, &mut |key, value| identity.push(key, value))?;
    let identity = identity.finish();
    match state.stated_identity() {
        Some(stated) if stated != identity => {
            let what = format!("its rows have identity {identity}, and it states {stated}");
            Err(BackupError::ReadBack { path: state.path().to_owned(), what })
        }
        _ => Ok((summary, identity)),
    }
}

fn write_rows(
    state: &State,
    path: &Path,
    control: Control<'_>,
    on_row: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<StoreSummary, BackupError> {
    let mut writer = StoreWriter::create(path)?;
    let total = state.summary().filter(|_| state.archives().len() == 1).map(|summary| summary.records);
    control.progress.begin("database", "records", total);
    let unreadable = |source| AuditError::rows(state.path(), source).into();
    each_row(
        |on| state.rows().visit(&[], None, on),
        unreadable,
        |key, value| {
            control.check()?;
            on_row(key, value);
            writer.push_sorted(key, value)?;
            control.progress.advance(1);
            Ok::<(), BackupError>(())
        },
    )?;
    control.progress.end();
    Ok(writer.finish()?)
}

/// Checks an existing target; accepts one that holds exactly the rows of the archive.
fn existing(state: &State, target: &Path, control: Control<'_>) -> Result<Imported, BackupError> {
    let other = |difference: String| BackupError::OtherTarget { path: target.to_owned(), difference };
    let database = target.join(DATABASE_NAME);
    let store = ReadStore::open(&database).map_err(|error| other(error.to_string()))?;
    let found = state_identity(&store, &database, control)?;
    let stated = match state.stated_identity() {
        Some(stated) => stated,
        None => state_identity(state.rows(), state.path(), control)?,
    };
    if found != stated {
        return Err(other(format!("its rows have identity {found}, those of the archive {stated}")));
    }
    PartialDir::settle(target)?;
    let summary = StoreSummary::default();
    Ok(Imported { survey: None, summary, identity: found, existed: true })
}
