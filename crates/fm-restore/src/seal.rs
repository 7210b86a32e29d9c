//! Moves the database and the private keys of a moved guardian out of their places, and puts them back.
//!
//! `moved-<time>/` in the data directory holds both. A file with the name `database` remains in the place:
//! RocksDB, and therefore every server, fails to open a file as a database, and does not make an empty one.
//!
//! Invariant: each step can be repeated, whatever part of it was done before.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fm_datadir::{DATABASE_NAME, MOVED_NAME, Moved};
use fm_store::{
    DatabaseLock, StoreError, Swap, make_directory, remove_file, rename_to_new, replace_file, sync_directory,
    sync_name,
};

use crate::RestoreError;
use crate::data_dir::DataDir;

/// Prefixes of the names of files that hold a guardian's private keys, its salt or its password: those of
/// every version, and those that a server leaves if it is killed while it changes the password.
/// Source: fedimint-server 0.5.0, 0.9.0 and 0.12.0, src/config/io.rs.
const PRIVATE: [&str; 2] = ["private.", "password."];

/// Returns the directory of the files that were moved away.
pub fn aside(dir: &DataDir, marker: &Moved) -> PathBuf {
    dir.path().join(format!("moved-{}", marker.began))
}

/// Returns the path at which the file waits that takes the database's name, and where the database is for a
/// moment.
fn waiting(dir: &DataDir, marker: &Moved) -> PathBuf {
    dir.path().join(format!("{DATABASE_NAME}.moved-{}", marker.began))
}

pub(crate) fn write_marker(dir: &DataDir, marker: &Moved) -> Result<(), RestoreError> {
    Ok(replace_file(&dir.path().join(MOVED_NAME), marker.text().as_bytes())?)
}

pub(crate) fn remove_marker(dir: &DataDir) -> Result<(), RestoreError> {
    Ok(remove_file(&dir.path().join(MOVED_NAME))?)
}

/// Moves the keys away, then the database.
pub(crate) fn seal(dir: &DataDir, marker: &Moved) -> Result<(), RestoreError> {
    let (place, aside, waiting) = (dir.database(), aside(dir, marker), waiting(dir, marker));
    // From here on no process opens the database; a file in its place has no RocksDB lock.
    let _locked = is_directory(&place).then(|| DatabaseLock::take(&place)).transpose()?;
    make_directory(&aside)?;
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&aside, private).map_err(|source| StoreError::io(&aside, source))?;
    let sealed = aside.join(DATABASE_NAME);
    if !is_file(&place) && !is_there(&waiting) {
        replace_file(&waiting, notice(&aside, marker).as_bytes())?;
    }
    for name in private_files(dir.path())? {
        rename_to_new(&dir.path().join(&name), &aside.join(&name))?;
    }
    sync_both(&aside)?;
    Swap { place: &place, incoming: &waiting, outgoing: &sealed, is_new: &is_file }.run()?;
    sync_both(&aside)
}

/// Puts the database back, then the keys.
pub(crate) fn unseal(dir: &DataDir, marker: &Moved) -> Result<(), RestoreError> {
    let (place, aside, waiting) = (dir.database(), aside(dir, marker), waiting(dir, marker));
    let sealed = aside.join(DATABASE_NAME);
    if is_directory(&waiting) {
        // The job was cut off after the exchange of the two names, before the database got its new name.
        rename_to_new(&waiting, &sealed)?;
    }
    if is_directory(&sealed) {
        if is_directory(&place) {
            return Err(RestoreError::InTheWay { path: place });
        }
        Swap { place: &place, incoming: &sealed, outgoing: &waiting, is_new: &is_directory }.run()?;
    }
    // The file that took the database's name, wherever it is now, and its remains if it was not fully
    // written.
    if is_file(&sealed) {
        remove_file(&sealed)?;
    }
    remove_file(&waiting)?;
    if is_directory(&aside) {
        for name in private_files(&aside)? {
            rename_to_new(&aside.join(&name), &dir.path().join(&name))?;
        }
        sync_both(&aside)?;
        // The directory stays if it contains anything else.
        let _ = fs::remove_dir(&aside);
    }
    Ok(sync_directory(dir.path())?)
}

/// Returns the text of the file in the database's place: it explains why the server does not start.
fn notice(aside: &Path, marker: &Moved) -> String {
    format!(
        "Guardian {} was moved away from here ({}).\n\
         This file keeps servers from starting: a guardian that runs in two places signs two different things.\n\
         Do not remove it. The database and the private keys are in {}.\n\
         `fm-checkpoint status --data-dir DIR` says more; `fm-checkpoint move --undo` is the way back.\n",
        marker.peer,
        marker.began,
        aside.display()
    )
}

/// Returns the sorted names of the private files of a directory.
fn private_files(directory: &Path) -> Result<Vec<String>, RestoreError> {
    let failed = |source| StoreError::io(directory, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        let name = entry.file_name().into_string().ok();
        names.extend(name.filter(|name| !is_directory && is_private(name)));
    }
    names.sort_unstable();
    Ok(names)
}

fn is_private(name: &str) -> bool {
    PRIVATE.iter().any(|start| name.starts_with(start))
}

fn sync_both(aside: &Path) -> Result<(), RestoreError> {
    sync_directory(aside)?;
    Ok(sync_name(aside)?)
}

fn kind(path: &Path) -> io::Result<fs::FileType> {
    fs::symlink_metadata(path).map(|found| found.file_type())
}

fn is_there(path: &Path) -> bool {
    kind(path).is_ok()
}

fn is_file(path: &Path) -> bool {
    kind(path).is_ok_and(|kind| kind.is_file())
}

fn is_directory(path: &Path) -> bool {
    kind(path).is_ok_and(|kind| kind.is_dir())
}
