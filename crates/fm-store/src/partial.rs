//! A directory that is made beside its final name and appears there whole or not at all.
//!
//! Invariants: the final name is never written to; a leftover of a killed run is recognised by its marker and
//! replaced, anything else in the way is refused; two runs on one target exclude each other.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::directory_sync::{sync_directory, sync_name};
use crate::lock::lock_whole;
use crate::movable::check_movable;
use crate::{Inheritance, StoreError};

/// The name of the file that marks a partial directory as ours, and carries the lock.
pub const PARTIAL_MARKER: &str = ".partial-marker";
/// The text in the marker.
const MARKER_TEXT: &[u8] = b"unfinished work of the fm tools; may be removed when no fm tool is running\n";

/// A directory named `<target>.partial`, removed on drop unless it was published.
pub struct PartialDir {
    path: PathBuf,
    target: PathBuf,
    // Kept for its lock.
    _lock: File,
    published: bool,
    /// Whether the target may exist as an empty directory.
    over_empty: bool,
}

impl PartialDir {
    /// Starts a new partial directory for `target`, replacing the leftover of an interrupted run.
    ///
    /// # Errors
    /// If something is at the target, another run works on it, something else is in the way, or the directory
    /// cannot be made.
    pub fn create(target: &Path) -> Result<Self, StoreError> {
        if is_there(target) {
            return Err(StoreError::AlreadyExists { path: target.to_owned() });
        }
        let claimed = Self::claim(target)?;
        clear(&claimed.path)?;
        Ok(claimed)
    }

    /// Starts a new partial directory for a target that may exist as an empty directory; publishing then
    /// replaces that in one step.
    ///
    /// # Errors
    /// If the target is anything else, or cannot be replaced.
    pub fn create_over_empty(target: &Path) -> Result<Self, StoreError> {
        if !is_there(target) {
            return Self::create(target);
        }
        let mut entries = fs::read_dir(target).map_err(|source| StoreError::io(target, source))?;
        if entries.next().is_some() {
            return Err(StoreError::AlreadyExists { path: target.to_owned() });
        }
        check_movable(target)?;
        let mut claimed = Self::claim(target)?;
        claimed.over_empty = true;
        clear(&claimed.path)?;
        Ok(claimed)
    }

    /// Takes over the partial directory of `target`, new or left over, with its contents.
    pub(crate) fn claim(target: &Path) -> Result<Self, StoreError> {
        let path = partial_path(target);
        let created = match fs::create_dir(&path) {
            Ok(()) => true,
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => false,
            Err(source) => return Err(StoreError::io(&path, source)),
        };
        let lock = lock_marker(&path).inspect_err(|_| {
            if created {
                // Best effort: the disk is full, and the next run takes over an empty directory.
                let _ = fs::remove_file(path.join(PARTIAL_MARKER)).and_then(|()| fs::remove_dir(&path));
                let _ = fs::remove_dir(&path);
            }
        })?;
        Ok(Self { path, target: target.to_owned(), _lock: lock, published: false, over_empty: false })
    }

    /// Leaves everything in place: the next run finds it.
    pub(crate) fn leave(&mut self) {
        self.published = true;
    }

    /// Returns the directory to write to until it is published.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs everything and renames the directory to its target, with the owner that suits the place.
    ///
    /// # Errors
    /// If something is at the target, or a file cannot be changed, synced or renamed.
    pub fn publish(self) -> Result<(), StoreError> {
        let inheritance = Inheritance::at(&self.target)?;
        self.publish_as(&inheritance)
    }

    /// Publishes the directory with an owner, a group and modes.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_as(mut self, inheritance: &Inheritance) -> Result<(), StoreError> {
        inheritance.give(&self.path)?;
        sync_tree(&self.path)?;
        if is_there(&self.target) && !self.over_empty {
            return Err(StoreError::AlreadyExists { path: self.target.clone() });
        }
        // A rename replaces a directory only if that one is empty.
        fs::rename(&self.path, &self.target).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty => StoreError::AlreadyExists { path: self.target.clone() },
            _ => StoreError::io(&self.target, source),
        })?;
        self.published = true;
        Self::settle(&self.target)
    }

    /// Syncs the name of a published target to the disk and then removes its marker. The marker goes last: a
    /// partial directory without one would not be recognised as ours. A run killed in between leaves a whole
    /// target with the marker, and the next run settles it.
    ///
    /// # Errors
    /// If a directory cannot be synced, or the marker cannot be removed.
    pub fn settle(target: &Path) -> Result<(), StoreError> {
        sync_name(target)?;
        let marker = target.join(PARTIAL_MARKER);
        match fs::remove_file(&marker) {
            Ok(()) => sync_directory(target),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(StoreError::io(&marker, source)),
        }
    }
}

impl Drop for PartialDir {
    fn drop(&mut self) {
        if !self.published {
            // Best effort, the marker last: a leftover has it, so the next run replaces the leftover.
            let _ = clear(&self.path);
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Opens and locks the marker; a directory without one must be empty to become ours.
fn lock_marker(path: &Path) -> Result<File, StoreError> {
    let marker = path.join(PARTIAL_MARKER);
    // A link would redirect what is written here, or the removal of leftovers, to another place.
    if [path, &marker].iter().any(|path| path.is_symlink()) {
        return Err(StoreError::ForeignPartial { path: path.to_owned() });
    }
    let mut entries = fs::read_dir(path).map_err(|source| StoreError::io(path, source))?;
    if !marker.exists() && entries.next().is_some() {
        return Err(StoreError::ForeignPartial { path: path.to_owned() });
    }
    let at = |source| StoreError::io(&marker, source);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&marker).map_err(at)?;
    lock_whole(&file, path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(at)?;
    // A crash between making and filling the marker leaves the beginning of the text.
    if !MARKER_TEXT.starts_with(&text) {
        return Err(StoreError::ForeignPartial { path: path.to_owned() });
    }
    file.write_all(&MARKER_TEXT[text.len()..]).map_err(at)?;
    // Synced before anything else in the directory: what a power cut leaves must be recognised as ours.
    file.sync_all().map_err(at)?;
    sync_directory(path)?;
    Ok(file)
}

/// Removes all but the marker.
pub(crate) fn clear(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(|source| StoreError::io(path, source))? {
        let entry = entry.map_err(|source| StoreError::io(path, source))?;
        if entry.file_name() == PARTIAL_MARKER {
            continue;
        }
        let entry_path = entry.path();
        let kind = entry.file_type().map_err(|source| StoreError::io(&entry_path, source))?;
        let removed =
            if kind.is_dir() { fs::remove_dir_all(&entry_path) } else { fs::remove_file(&entry_path) };
        removed.map_err(|source| StoreError::io(&entry_path, source))?;
    }
    Ok(())
}

/// Returns the path of unfinished work for a target.
pub(crate) fn partial_path(target: &Path) -> PathBuf {
    let mut name = OsString::from(target.file_name().unwrap_or_default());
    name.push(".partial");
    target.with_file_name(name)
}

/// Returns whether anything has the name, even a link that leads nowhere.
pub(crate) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Syncs every file and directory below `path`, deepest first.
pub(crate) fn sync_tree(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(|source| StoreError::io(path, source))? {
        let entry_path = entry.map_err(|source| StoreError::io(path, source))?.path();
        if entry_path.is_dir() {
            sync_tree(&entry_path)?;
        } else {
            File::open(&entry_path)
                .and_then(|file| file.sync_all())
                .map_err(|source| StoreError::io(&entry_path, source))?;
        }
    }
    sync_directory(path)
}
