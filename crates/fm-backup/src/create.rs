//! `create`: makes a checkpoint of a stopped guardian's database.
//!
//! Invariants: the source is opened read-only; the checkpoint gets its name only after it was opened and
//! found to have the rows of the source.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::{Control, HistoryKeys, state_identity};
use fm_datadir::{CHECKPOINTS_NAME, DATABASE_NAME, new_checkpoint_name};
use fm_history::{Code, Finding};
use fm_store::{Inheritance, PartialDir, ReadStore, add_empty_log, make_directory};

use crate::{BackupError, State, Survey, Unfit, survey};

/// A new checkpoint.
#[derive(Clone, Debug)]
pub struct Created {
    /// The path of the checkpoint.
    pub path: PathBuf,
    /// The survey of the database, and so of the checkpoint.
    pub survey: Survey,
    /// What is wrong with its owner, group or mode, in a sentence.
    pub owner_lacking: Option<String>,
}

/// Makes a checkpoint of the database in a data directory.
///
/// A database with findings is copied as well, because the copy may be all that is left to work on. The
/// findings are reported.
///
/// # Errors
/// If the database is in use or cannot be read, or the checkpoint cannot be written.
pub fn create<'k, E: From<BackupError>>(
    data_dir: &Path,
    target: Option<&Path>,
    link: bool,
    keys: impl FnOnce(&fm_eras::Layout) -> Result<Option<HistoryKeys<'k>>, E>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Created, E> {
    let inner = data_dir.join(DATABASE_NAME);
    let database = if inner.is_dir() { inner } else { data_dir.to_owned() };
    let state = State::open(&database, None, None, control)?;
    if target.is_none() && database == data_dir {
        return Err(BackupError::not_fit(data_dir, Unfit::NotADataDir).into());
    }
    let keys = keys(&state.layout())?;
    let survey = survey(&state, keys, control, on_finding)?;
    let path = match target {
        Some(target) => target.to_owned(),
        None => default_path(data_dir, &survey)?,
    };
    copy(&database, &path, link, &survey, control)?;
    // A path that the user chose may belong to another user.
    let owner_lacking = match target {
        None => Inheritance::replacing(&database).map_err(BackupError::from)?.lacking(&path),
        Some(_) => None,
    };
    Ok(Created { path, survey, owner_lacking })
}

fn copy(
    database: &Path,
    target: &Path,
    link: bool,
    survey: &Survey,
    control: Control<'_>,
) -> Result<(), BackupError> {
    let partial = PartialDir::create(target)?;
    let store = ReadStore::open(database)?;
    store.copy_files(partial.path(), link)?;
    if survey.omissions.iter().any(|code| code == Code::LogEmpty.as_str()) {
        add_empty_log(partial.path())?;
    }
    let copied = ReadStore::open(partial.path())?;
    let found = state_identity(&copied, partial.path(), control)?;
    if found != survey.classes.identity {
        let what =
            format!("its rows have identity {found}, those of the database {}", survey.classes.identity);
        return Err(BackupError::ReadBack { path: target.to_owned(), what });
    }
    drop(copied);
    // The node's user reads the checkpoint, whichever user makes it.
    Ok(partial.publish_as(&Inheritance::replacing(database)?)?)
}

/// Returns where a checkpoint goes if the user names no path.
fn default_path(data_dir: &Path, survey: &Survey) -> Result<PathBuf, BackupError> {
    let directory = data_dir.join(CHECKPOINTS_NAME);
    make_directory(&directory)?;
    Ok(directory.join(new_checkpoint_name(&directory, survey.audit.chain.last, SystemTime::now())))
}
