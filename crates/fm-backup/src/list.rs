//! `list`: lists the database and the checkpoints of a data directory.

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fm_audit::{AuditError, Control, HistoryKeys, Observer, Request, audit_history};
use fm_datadir::{CHECKPOINTS_NAME, DATABASE_NAME, is_unfinished, session_alone, session_in_name};
use fm_eras::Layout;
use fm_history::{Finding, Hash};
use fm_store::StoreError;

use crate::standing::Judge;
use crate::{BackupError, Standing, State};

/// The unit in which a file's size on disk is counted.
const BLOCK_BYTES: u64 = 512;

/// Returns the keys that sign a history of this layout; `None` if the user named none.
pub type KeysFor<'a, E> = &'a dyn Fn(&Layout) -> Result<Option<HistoryKeys<'a>>, E>;

/// A database or checkpoint of a data directory.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The path.
    pub path: PathBuf,
    /// Whether it is a checkpoint.
    pub is_checkpoint: bool,
    /// Whether it is a symbolic link to a checkpoint.
    pub is_link: bool,
    /// The time since it was written.
    pub age: Duration,
    /// The bytes that it takes on disk; 0 if they cannot be counted.
    pub disk_bytes: u64,
    /// The part of these bytes that other names share: removing it does not free them.
    pub shared_bytes: u64,
    /// Whether it is good, or why not.
    pub standing: Standing,
    /// Its contents, if they could be read.
    pub found: Option<Found>,
}

/// The contents of a database.
#[derive(Clone, Debug)]
pub struct Found {
    /// The layout of its records.
    pub layout: Layout,
    /// The last epoch or session, proven or not.
    pub last: Option<u64>,
    /// The last epoch or session that the history root covers.
    pub root_last: Option<u64>,
    /// The history root.
    pub history_root: Option<Hash>,
    /// The number of epochs or sessions.
    pub sessions: u64,
    /// The number of those whose signatures are valid; 0 without keys.
    pub signed: u64,
    /// The number of accepted items of the open session.
    pub pending: u64,
    /// The number of rows of the unit backup of the open session.
    pub units: u64,
    /// The number of findings that are errors.
    pub errors: u64,
    /// The number of findings that are warnings.
    pub warnings: u64,
}

impl Listed {
    /// Returns whether it is good.
    pub fn is_good(&self) -> bool {
        self.standing.is_good()
    }

    /// Returns its last session according to its name, for one that cannot be read now. Damaged ones come
    /// last.
    fn named(&self) -> Option<u64> {
        let is_known = matches!(self.standing, Standing::Bad(_));
        session_in_name(self.path.file_name()?.to_str()?).filter(|_| !is_known)
    }

    /// Returns its last epoch or session.
    pub fn last(&self) -> Option<u64> {
        self.found.as_ref()?.last
    }
}

/// Examines the database and every checkpoint of a data directory: the database first, then the checkpoints,
/// the newest first.
///
/// # Errors
/// If the data directory cannot be read, holds neither a database nor a checkpoint, the keys are of another
/// kind, or the job was interrupted. A database that does not open is in the list with the reason.
pub fn list<E: From<BackupError>>(
    data_dir: &Path,
    keys: KeysFor<'_, E>,
    control: Control<'_>,
) -> Result<Vec<Listed>, E> {
    let database = data_dir.join(DATABASE_NAME);
    let has_database = fs::symlink_metadata(&database).is_ok();
    let paths = checkpoint_paths(data_dir)?;
    if !has_database && paths.is_empty() {
        return Err(nothing_there(data_dir).into());
    }
    // One time for all: their ages decide which is the newest.
    let now = SystemTime::now();
    let mut listed = Vec::new();
    if has_database {
        listed.push(look(&database, false, now, keys, control)?);
    }
    let checkpoints = paths.iter().map(|path| look(path, true, now, keys, control));
    let mut checkpoints = checkpoints.collect::<Result<Vec<_>, E>>()?;
    checkpoints
        .sort_by_key(|listed| Reverse((listed.last().or_else(|| listed.named()), Reverse(listed.age))));
    listed.extend(checkpoints);
    Ok(listed)
}

/// Returns the newest good checkpoint of a data directory.
///
/// # Errors
/// As [`list`], and if no checkpoint is good.
pub fn newest_good<E: From<BackupError>>(
    data_dir: &Path,
    keys: KeysFor<'_, E>,
    control: Control<'_>,
) -> Result<PathBuf, E> {
    let listed = list(data_dir, keys, control)?;
    let checkpoints: Vec<Listed> = listed.into_iter().filter(|listed| listed.is_checkpoint).collect();
    match checkpoints.iter().find(|listed| listed.is_good()) {
        Some(good) => Ok(good.path.clone()),
        None => {
            let first = checkpoints.first().and_then(|listed| listed.standing.reason()).map(str::to_owned);
            let (path, count) = (data_dir.to_owned(), checkpoints.len());
            Err(BackupError::NoneGood { path, count, first: first.unwrap_or_default() }.into())
        }
    }
}

/// Returns the checkpoints in `db_checkpoints`, by name: directories and links, wherever these lead. Leaves
/// out what a killed program left half made or half removed.
fn checkpoint_paths(data_dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let file = |path: &Path, source| BackupError::File { path: path.to_owned(), source };
    fs::read_dir(data_dir).map_err(|source| file(data_dir, source))?;
    let directory = data_dir.join(CHECKPOINTS_NAME);
    let failed = |source| file(&directory, source);
    let entries = match fs::read_dir(&directory) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let leads_to_a_file = kind.is_symlink() && entry.path().is_file();
        let is_one = kind.is_dir() || kind.is_symlink() && !leads_to_a_file;
        if is_one && !is_unfinished(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Returns the error for a directory without a database or a checkpoint, with the directory that may have
/// been meant.
fn nothing_there(path: &Path) -> BackupError {
    let is_database = |path: &Path| path.join("CURRENT").exists();
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut entries: Vec<PathBuf> = entries.filter(|entry| entry.is_dir()).collect();
    entries.sort();
    let is_data_dir =
        |path: &&PathBuf| [DATABASE_NAME, CHECKPOINTS_NAME].iter().any(|name| path.join(name).is_dir());
    let what = if is_database(path) {
        "it is a database itself; the data directory is the one that it lies in".to_owned()
    } else if entries.iter().any(|entry| is_database(entry)) {
        "it holds databases; the data directory is the one that it lies in".to_owned()
    } else if let Some(inner) = entries.iter().find(is_data_dir) {
        format!("{} looks like one", inner.display())
    } else {
        format!("there is neither {DATABASE_NAME} nor a checkpoint in {CHECKPOINTS_NAME}")
    };
    BackupError::NothingThere { path: path.to_owned(), what }
}

fn look<E: From<BackupError>>(
    path: &Path,
    is_checkpoint: bool,
    now: SystemTime,
    keys: KeysFor<'_, E>,
    control: Control<'_>,
) -> Result<Listed, E> {
    // Opening it reports what cannot be counted.
    let (disk_bytes, shared_bytes) = sizes(path).unwrap_or_default();
    let age = fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = age.ok().and_then(|time| now.duration_since(time).ok()).unwrap_or_default();
    let looked = match open(path, control) {
        Ok(state) => {
            let keys = keys(&state.layout())?;
            look_into(&state, keys, control)
        }
        Err(error) => Err(error),
    };
    let (standing, found) = match looked {
        Ok((judge, found)) => (judge.decide(found.sessions), Some(found)),
        Err(BackupError::Audit(AuditError::Interrupted)) => {
            return Err(BackupError::from(AuditError::Interrupted).into());
        }
        Err(error) => (Standing::of_error(&error), None),
    };
    let standing = match named_otherwise(path, found.as_ref()).filter(|_| is_checkpoint && standing.is_good())
    {
        Some(why) => Standing::Bad(why),
        None => standing,
    };
    let (path, is_link) = (path.to_owned(), path.is_symlink());
    Ok(Listed { path, is_checkpoint, is_link, age, disk_bytes, shared_bytes, standing, found })
}

fn open(path: &Path, control: Control<'_>) -> Result<State, BackupError> {
    if path.is_file() {
        return Err(StoreError::NotADirectory { path: path.to_owned() }.into());
    }
    State::open(path, None, None, control)
}

/// Returns a finding if a checkpoint does not end with the session in its name. A checkpoint is made right
/// after that session, so otherwise something was copied over it.
fn named_otherwise(path: &Path, found: Option<&Found>) -> Option<String> {
    let (last, named) = (found?.last?, session_alone(path.file_name()?.to_str()?)?);
    (named != last).then(|| format!("it ends with session {last}, not with session {named}"))
}

fn look_into(
    state: &State,
    keys: Option<HistoryKeys<'_>>,
    control: Control<'_>,
) -> Result<(Judge, Found), BackupError> {
    let lacks = state.lacks();
    let request = Request { lacks: &lacks, ..Request::everything(keys) };
    let mut judge = Judge::default();
    let mut hear = |finding: Finding| judge.hear(&finding);
    let audit = audit_history(state.history(), request, control, Observer::of_findings(&mut hear))?;
    let units = match state.layout() {
        Layout::Hbbft(_) => 0,
        Layout::Blocks(layout) => {
            let table = layout.tables.iter().find(|table| table.prefix == layout.units);
            table.and_then(|table| audit.rows.get(table.name)).copied().unwrap_or(0)
        }
    };
    let anchor = audit.proven.as_ref();
    let found = Found {
        layout: audit.layout.unwrap_or(state.layout()),
        last: audit.chain.last,
        root_last: anchor.map(|anchor| anchor.last),
        history_root: anchor.map(|anchor| anchor.history_root),
        sessions: audit.chain.records,
        signed: audit.chain.signed,
        pending: audit.pending,
        units,
        errors: audit.errors,
        warnings: audit.warnings,
    };
    Ok((judge, found))
}

/// Returns the bytes on disk of the files in a directory, and of those that also have other names.
fn sizes(path: &Path) -> io::Result<(u64, u64)> {
    let (mut all, mut shared) = (0u64, 0u64);
    for entry in fs::read_dir(path)? {
        let metadata = entry?.metadata()?;
        let bytes = metadata.blocks().saturating_mul(BLOCK_BYTES);
        if metadata.is_file() {
            all = all.saturating_add(bytes);
            shared = shared.saturating_add(if metadata.nlink() > 1 { bytes } else { 0 });
        }
    }
    Ok((all, shared))
}
