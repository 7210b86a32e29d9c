//! Checkpoints of the database after finished sessions, in a directory beside it, a few of them kept.
//!
//! Invariants: a checkpoint has its name only when it is whole; only directories whose name is a session's number are
//! ever removed, and what is being removed has lost that name first.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fm_store::{LiveStore, StoreError};

/// Name of the directory of checkpoints in a data directory.
pub const CHECKPOINTS_NAME: &str = "db_checkpoints";
/// Ending of a checkpoint that is being removed.
const REMOVED: &str = "removed";
/// Ending of a checkpoint that RocksDB is making.
const UNFINISHED: &str = "tmp";

/// Makes the checkpoint of the session that was just stored, then removes all but the newest `keep`. With none to keep
/// nothing is made and nothing removed. Answers with what is there afterwards, oldest first.
///
/// # Errors
/// If it cannot be made, or an old one cannot be removed.
pub fn make_checkpoint(
    store: &LiveStore,
    directory: &Path,
    session: u64,
    keep: usize,
) -> Result<Vec<u64>, StoreError> {
    if keep == 0 {
        return checkpoints(directory);
    }
    fs::create_dir_all(directory).map_err(|source| StoreError::io(directory, source))?;
    for ending in [REMOVED, UNFINISHED] {
        clear_leftovers(directory, ending)?;
    }
    match store.checkpoint(&directory.join(session.to_string())) {
        // Made before a restart, from the same session.
        Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut present = checkpoints(directory)?;
    let surplus = present.len().saturating_sub(keep);
    for old in present.drain(..surplus) {
        remove(&directory.join(old.to_string()))?;
    }
    Ok(present)
}

/// The sessions of the checkpoints in a directory, oldest first; none if it is not there.
///
/// # Errors
/// If the directory cannot be read.
pub fn checkpoints(directory: &Path) -> Result<Vec<u64>, StoreError> {
    let mut sessions = Vec::new();
    for (name, _) in entries(directory)? {
        // Only the plain form: `07` and `+7` are somebody else's.
        sessions.extend(name.parse::<u64>().ok().filter(|session| session.to_string() == name));
    }
    sessions.sort_unstable();
    Ok(sessions)
}

fn entries(directory: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let failed = |source| StoreError::io(directory, source);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(entry.file_name().into_string().map(|name| (name, entry.path())));
        }
    }
    Ok(found)
}

/// Removes a checkpoint under another name, so that a crash leaves no half of one.
fn remove(checkpoint: &Path) -> Result<(), StoreError> {
    let doomed = checkpoint.with_extension(REMOVED);
    let failed = |source| StoreError::io(checkpoint, source);
    fs::rename(checkpoint, &doomed).map_err(failed)?;
    fs::remove_dir_all(&doomed).map_err(failed)
}

/// Removes what a crash left under such a name.
fn clear_leftovers(directory: &Path, ending: &str) -> Result<(), StoreError> {
    for (name, path) in entries(directory)? {
        let number = name.strip_suffix(ending).and_then(|name| name.strip_suffix('.'));
        if number.is_some_and(|number| number.parse::<u64>().is_ok()) {
            fs::remove_dir_all(&path).map_err(|source| StoreError::io(&path, source))?;
        }
    }
    Ok(())
}
