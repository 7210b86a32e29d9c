//! `import`: an archive as a database again.
//!
//! Invariants: the database appears when it was read back and has the identity of the archive; nothing that is there is
//! written over.

use std::path::Path;

use fm_audit::{AuditError, Control, HistoryKeys, Identity, identity};
use fm_datadir::DATABASE_NAME;
use fm_history::{Finding, Hash};
use fm_rows::each_row;
use fm_store::{PartialDir, ReadStore, StoreSummary, StoreWriter};

use crate::statement;
use crate::verify::{guardians_of, misstated};
use crate::{BackupError, Profile, State, Survey, survey};

/// `kind` of what a conversion keeps of the old database.
const PROVENANCE: &str = "provenance";

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the new database came to; none if it was there already.
    pub survey: Option<Survey>,
    /// Rows and bytes written.
    pub summary: StoreSummary,
    /// Identity of the rows, read back.
    pub identity: Hash,
    /// Whether the database was there already.
    pub existed: bool,
}

/// How an archive is imported.
pub struct ImportOptions<'a> {
    /// The directory to make; the database is put into `database` inside it.
    pub target: &'a Path,
    /// Keys to check signatures with.
    pub keys: Option<HistoryKeys<'a>>,
    /// The federation's id in hex, if a config tells it.
    pub federation: Option<&'a str>,
    /// Import although there are findings that are errors.
    pub accept_findings: bool,
}

/// Writes the rows of a state to a new database and reads them back.
///
/// # Errors
/// If the archive or the target fails, or what is written is not proven. Nothing is left at the target then.
pub fn import(
    state: &State,
    options: &ImportOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Imported, BackupError> {
    if state.profile() != Profile::Full {
        let what = format!("is of the profile {}: a database needs every row", state.profile());
        return Err(BackupError::not_fit(state.path(), what));
    }
    check_kind(state)?;
    if options.target.exists() {
        return existing(state, options.target, control);
    }
    let partial = PartialDir::create(options.target)?;
    let database = partial.path().join(DATABASE_NAME);
    // What an archive states is compared with what the new database has; else it is what is read now.
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
    // What the archive's own database lacked is not to be seen in the new one.
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

/// Refuses an archive whose records are, by its own word, not the rows of a database.
fn check_kind(state: &State) -> Result<(), BackupError> {
    let Some(metadata) = state.metadata() else { return Ok(()) };
    match metadata.get("kind") {
        Some(statement::CHECKPOINT | statement::INCREMENT | PROVENANCE) => Ok(()),
        kind => {
            let what = format!(
                "is of the kind {:?}: its records are not the rows of a database",
                kind.unwrap_or_default()
            );
            Err(BackupError::not_fit(state.path(), what))
        }
    }
}

/// Writes all rows of a state to a new database at `path`, and gives their number and identity, which is the one that the
/// archive states if there is an archive.
///
/// # Errors
/// If the state cannot be read, is not what the archive states, or the database cannot be written.
pub fn write_database(
    state: &State,
    path: &Path,
    control: Control<'_>,
) -> Result<(StoreSummary, Hash), BackupError> {
    let mut identity = Identity::default();
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

/// A target that is there: fine if it holds just the rows of the archive.
fn existing(state: &State, target: &Path, control: Control<'_>) -> Result<Imported, BackupError> {
    let other = |difference: String| BackupError::OtherTarget { path: target.to_owned(), difference };
    let database = target.join(DATABASE_NAME);
    let store = ReadStore::open(&database).map_err(|error| other(error.to_string()))?;
    let found = identity(&store, &database, control)?;
    let stated = match state.stated_identity() {
        Some(stated) => stated,
        None => identity(state.rows(), state.path(), control)?,
    };
    if found != stated {
        return Err(other(format!("its rows have identity {found}, those of the archive {stated}")));
    }
    PartialDir::settle(target)?;
    let summary = StoreSummary::default();
    Ok(Imported { survey: None, summary, identity: found, existed: true })
}
