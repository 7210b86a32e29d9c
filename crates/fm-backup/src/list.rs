//! `list`: the database and the checkpoints of a data directory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fm_audit::{
    AuditError, Control, DATABASE_NAME, HistoryKeys, HistoryOptions, Scope, audit_history, omission_findings,
};
use fm_eras::Detected;
use fm_history::{Hash, Severity};

use crate::{BackupError, State};

/// Name of the directory that servers put checkpoints into.
pub const CHECKPOINTS_NAME: &str = "db_checkpoints";
/// How the name of a checkpoint begins while it is being removed.
pub(crate) const REMOVING: &str = ".removing-";
/// How the name of an unfinished checkpoint ends.
const PARTIAL: &str = ".partial";
/// Unit of a file's size on disk.
const BLOCK_BYTES: u64 = 512;

/// Whose keys a history of this layout is signed with; none if the user named none.
pub type KeysFor<'a, E> = &'a dyn Fn(&Detected) -> Result<Option<HistoryKeys<'a>>, E>;

/// A database or checkpoint of a data directory.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is a checkpoint.
    pub is_checkpoint: bool,
    /// Time since it was written.
    pub age: Duration,
    /// Bytes that it takes on disk.
    pub disk_bytes: u64,
    /// Bytes of these that other names share: removing it does not free them.
    pub shared_bytes: u64,
    /// What is in it, or why it does not open.
    pub found: Result<Found, String>,
}

/// What a database holds.
#[derive(Clone, Debug)]
pub struct Found {
    /// Layout of its records.
    pub layout: Detected,
    /// The last epoch or session, proven or not.
    pub last: Option<u64>,
    /// The last epoch or session that the history root covers.
    pub root_last: Option<u64>,
    /// The history root.
    pub history_root: Option<Hash>,
    /// Epochs or sessions.
    pub sessions: u64,
    /// Those of them whose signatures hold; 0 without keys.
    pub signed: u64,
    /// Accepted items of the open session.
    pub pending: u64,
    /// Rows of the unit backup of the open session.
    pub units: u64,
    /// Findings that are errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
}

impl Listed {
    /// Whether it opens and nothing is wrong with it.
    pub fn is_good(&self) -> bool {
        self.found.as_ref().is_ok_and(|found| found.errors == 0 && found.sessions > 0)
    }

    /// Its last epoch or session.
    pub fn last(&self) -> Option<u64> {
        self.found.as_ref().ok()?.last
    }
}

/// Looks at the database and every checkpoint of a data directory, the database first, then the newest checkpoint.
///
/// # Errors
/// If the data directory cannot be read, the keys are of another kind, or the job was interrupted. A database that does
/// not open is in the list with the reason.
pub fn list<E: From<BackupError>>(
    data_dir: &Path,
    keys: KeysFor<'_, E>,
    control: Control<'_>,
) -> Result<Vec<Listed>, E> {
    let mut listed = Vec::new();
    let database = data_dir.join(DATABASE_NAME);
    if database.exists() {
        listed.push(look(&database, false, keys, control)?);
    }
    let mut checkpoints = Vec::new();
    for path in checkpoint_paths(data_dir)? {
        checkpoints.push(look(&path, true, keys, control)?);
    }
    checkpoints.sort_by_key(|found| std::cmp::Reverse((found.last(), std::cmp::Reverse(found.age))));
    listed.extend(checkpoints);
    Ok(listed)
}

/// The directories in `db_checkpoints`, by name; links are not followed.
fn checkpoint_paths(data_dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let directory = data_dir.join(CHECKPOINTS_NAME);
    if !directory.exists() {
        if data_dir.is_dir() {
            return Ok(Vec::new());
        }
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(BackupError::File { path: data_dir.to_owned(), source });
    }
    let failed = |source| BackupError::File { path: directory.clone(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with(REMOVING) || name.ends_with(PARTIAL);
        if entry.file_type().map_err(failed)?.is_dir() && !is_ours {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn look<E: From<BackupError>>(
    path: &Path,
    is_checkpoint: bool,
    keys: KeysFor<'_, E>,
    control: Control<'_>,
) -> Result<Listed, E> {
    let (disk_bytes, shared_bytes) = sizes(path)?;
    let age = fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = age.ok().and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default();
    let found = match State::open(path, None, None, control) {
        Ok(state) => {
            let keys = keys(&state.layout())?;
            look_into(&state, keys, control)
        }
        Err(error) => Err(error),
    };
    let found = match found {
        Ok(found) => Ok(found),
        Err(BackupError::Audit(AuditError::Interrupted)) => {
            return Err(BackupError::from(AuditError::Interrupted).into());
        }
        Err(error) => Err(error.to_string()),
    };
    Ok(Listed { path: path.to_owned(), is_checkpoint, age, disk_bytes, shared_bytes, found })
}

fn look_into(
    state: &State,
    keys: Option<HistoryKeys<'_>>,
    control: Control<'_>,
) -> Result<Found, BackupError> {
    let options = HistoryOptions {
        layout: state.layout(),
        keys,
        shares: true,
        until: None,
        side_records: true,
        on_row: None,
        scope: Scope::default(),
    };
    let audit = audit_history(state.stream(), options, control, &mut |_| {}, &mut |_| Ok(()))?;
    let lacks = omission_findings(state.omissions());
    let count = |severity| lacks.iter().filter(|finding| finding.severity == severity).count() as u64;
    let units = match state.layout() {
        Detected::Hbbft(_) => 0,
        Detected::Blocks(layout) => {
            let table = layout.tables.iter().find(|table| table.prefix == layout.units);
            table.and_then(|table| audit.rows.get(table.name)).copied().unwrap_or(0)
        }
    };
    let anchor = audit.anchor.as_ref();
    Ok(Found {
        layout: audit.layout.unwrap_or(state.layout()),
        last: audit.chain.last,
        root_last: anchor.map(|anchor| anchor.last),
        history_root: anchor.map(|anchor| anchor.history_root),
        sessions: audit.chain.epochs,
        signed: audit.chain.signed,
        pending: audit.pending,
        units,
        errors: audit.errors + count(Severity::Error),
        warnings: audit.warnings + count(Severity::Warning),
    })
}

/// Bytes on disk of the files in a directory, and of those that have other names too.
fn sizes(path: &Path) -> Result<(u64, u64), BackupError> {
    let failed = |source| BackupError::File { path: path.to_owned(), source };
    let (mut all, mut shared) = (0u64, 0u64);
    for entry in fs::read_dir(path).map_err(failed)? {
        let metadata = entry.map_err(failed)?.metadata().map_err(failed)?;
        let bytes = metadata.blocks().saturating_mul(BLOCK_BYTES);
        if metadata.is_file() {
            all = all.saturating_add(bytes);
            shared = shared.saturating_add(if metadata.nlink() > 1 { bytes } else { 0 });
        }
    }
    Ok((all, shared))
}
