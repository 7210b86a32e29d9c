//! `create`: a checkpoint of a stopped guardian's database.
//!
//! Invariants: the source is opened read-only; the checkpoint has its name when it was opened and has the rows of the
//! source.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fm_audit::{Control, DATABASE_NAME, HistoryKeys, identity};
use fm_history::Finding;
use fm_store::{Inheritance, PartialDir, ReadStore, make_directory};

use crate::list::CHECKPOINTS_NAME;
use crate::{BackupError, State, Survey, survey};

/// A new checkpoint.
#[derive(Clone, Debug)]
pub struct Created {
    /// Where it is.
    pub path: PathBuf,
    /// What the database came to, and so the checkpoint.
    pub survey: Survey,
    /// What owner, group or mode it has that it should not have, in a sentence.
    pub owner_lacking: Option<String>,
}

/// Makes a checkpoint of the database in a data directory.
///
/// A database with findings is copied all the same: the copy may be all that there is to work on. They are told.
///
/// # Errors
/// If the database is in use or cannot be read, or the checkpoint cannot be written.
pub fn create<'k, E: From<BackupError>>(
    data_dir: &Path,
    target: Option<&Path>,
    link: bool,
    keys: impl FnOnce(&fm_eras::Detected) -> Result<Option<HistoryKeys<'k>>, E>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Created, E> {
    let inner = data_dir.join(DATABASE_NAME);
    let database = if inner.is_dir() { inner } else { data_dir.to_owned() };
    let state = State::open(&database, None, None, control)?;
    let keys = keys(&state.layout())?;
    let survey = survey(&state, keys, control, on_finding)?;
    let path = match target {
        Some(target) => target.to_owned(),
        None => default_path(data_dir, &survey)?,
    };
    copy(&database, &path, link, &survey, control)?;
    // A place that the user chose may be another user's.
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
    let copied = ReadStore::open(partial.path())?;
    let found = identity(fm_audit::EpochStream { rows: &copied, path: partial.path() }, control)?;
    if found != survey.classes.identity {
        let what =
            format!("its rows have identity {found}, those of the database {}", survey.classes.identity);
        return Err(BackupError::ReadBack { path: target.to_owned(), what });
    }
    drop(copied);
    // The node's user reads it, whoever makes it.
    Ok(partial.publish_as(&Inheritance::replacing(database)?)?)
}

/// `db_checkpoints/<last session>-<time>`: servers name theirs by the session alone, and remove those.
fn default_path(data_dir: &Path, survey: &Survey) -> Result<PathBuf, BackupError> {
    let directory = data_dir.join(CHECKPOINTS_NAME);
    make_directory(&directory)?;
    let last = survey.audit.chain.last.map_or("empty".to_owned(), |last| last.to_string());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    Ok(directory.join(format!("{last}-{}", utc(now))))
}

/// A time as `20260131T235959Z`.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years of 365.2425 days that begin in March: leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, wanted) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_709_210_096, "20240229T123456Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            assert_eq!(utc(seconds), wanted);
        }
    }
}
