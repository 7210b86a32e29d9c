//! Checkpoints of the database after finished sessions, in a directory beside it; only a few are kept.
//!
//! Invariants: a checkpoint gets its name only when it is complete; only directories whose name is a
//! session's number are removed, and they lose that name before the removal.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fm_store::{LiveStore, StoreError, free_bytes};
use thiserror::Error;

use crate::checkpoint_name::{is_left_by_node, removed_name, session_alone};

/// Which checkpoints are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Keep this many of the newest. If zero, none is made and none is removed.
    pub keep: usize,
    /// Keep fewer while the file system has less than this many bytes free; but always the newest.
    pub min_free: u64,
}

/// Why a checkpoint was not made.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// It cannot be written, or an old one cannot be removed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system is too full.
    #[error("{free} bytes are free, {wanted} must be left")]
    NoSpace { free: u64, wanted: u64 },
}

/// Makes the checkpoint of the session that was just stored, then removes those that are no longer kept.
/// Returns the checkpoints that remain, oldest first.
///
/// # Errors
/// If the checkpoint cannot be made, or an old one cannot be removed. If space is short, old ones are removed
/// first; the newest of them stays.
pub fn make_checkpoint(
    store: &LiveStore,
    directory: &Path,
    session: u64,
    retention: Retention,
) -> Result<Vec<u64>, CheckpointError> {
    if retention.keep == 0 {
        return Ok(checkpoints(directory)?);
    }
    prepare(directory)?;
    let mut present = checkpoints(directory)?;
    make_room(directory, &mut present, retention.min_free)?;
    check_room(directory, retention.min_free)?;
    match store.checkpoint(&directory.join(session.to_string())) {
        // Made before a restart, from the same session.
        Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut present = checkpoints(directory)?;
    let surplus = present.len().saturating_sub(retention.keep);
    for old in present.drain(..surplus) {
        remove(directory, old)?;
    }
    make_room(directory, &mut present, retention.min_free)?;
    Ok(present)
}

/// Makes a checkpoint with a name of its own, which this module never removes, if this many bytes are free.
///
/// # Errors
/// If they are not, or the checkpoint cannot be made.
pub fn make_named_checkpoint(
    store: &LiveStore,
    directory: &Path,
    name: &str,
    min_free: u64,
) -> Result<PathBuf, CheckpointError> {
    fs::create_dir_all(directory).map_err(|source| StoreError::io(directory, source))?;
    check_room(directory, min_free)?;
    let path = directory.join(name);
    store.checkpoint(&path)?;
    Ok(path)
}

fn prepare(directory: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(directory).map_err(|source| StoreError::io(directory, source))?;
    clear_leftovers(directory)
}

/// Removes the oldest, but not the newest, until enough bytes are free.
fn make_room(directory: &Path, present: &mut Vec<u64>, min_free: u64) -> Result<(), StoreError> {
    while present.len() > 1 && free_bytes(directory)? < min_free {
        remove(directory, present.remove(0))?;
    }
    Ok(())
}

fn check_room(directory: &Path, wanted: u64) -> Result<(), CheckpointError> {
    let free = free_bytes(directory)?;
    if free < wanted { Err(CheckpointError::NoSpace { free, wanted }) } else { Ok(()) }
}

/// Returns the sessions of the checkpoints in a directory, oldest first; empty if the directory does not
/// exist.
///
/// # Errors
/// If the directory cannot be read.
pub fn checkpoints(directory: &Path) -> Result<Vec<u64>, StoreError> {
    let mut sessions = Vec::new();
    for (name, _) in entries(directory)? {
        sessions.extend(session_alone(&name));
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

/// Removes a checkpoint under another name, so that a crash leaves no partial one.
fn remove(directory: &Path, session: u64) -> Result<(), StoreError> {
    let (checkpoint, doomed) = (directory.join(session.to_string()), directory.join(removed_name(session)));
    let failed = |source| StoreError::io(&checkpoint, source);
    fs::rename(&checkpoint, &doomed).map_err(failed)?;
    fs::remove_dir_all(&doomed).map_err(failed)
}

/// Removes what a crash left of checkpoints after sessions. Leaves other names alone: a checkpoint that an
/// operator requested may be in progress.
fn clear_leftovers(directory: &Path) -> Result<(), StoreError> {
    for (_, path) in entries(directory)?.into_iter().filter(|(name, _)| is_left_by_node(name)) {
        fs::remove_dir_all(&path).map_err(|source| StoreError::io(&path, source))?;
    }
    Ok(())
}
