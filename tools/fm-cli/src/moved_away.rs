//! Messages at a place from which the guardian was moved away.

use std::path::Path;

use fm_datadir::{DATABASE_NAME, check_not_moved};
use fm_restore::RestoreError;
use fm_store::{StoreError, directory_of, real_path};

use crate::Failure;

/// What to do at such a place.
pub const MOVED_AWAY: &str = "a guardian that runs in two places signs two different things; `fm-checkpoint status` says more, \
     `fm-checkpoint move --undo` is the way back";

/// Returns the failure for a database that is missing because its guardian was moved away: a file has its
/// name, or nothing has.
pub(crate) fn of_store(error: &StoreError) -> Option<Failure> {
    match error {
        StoreError::NotADirectory { path }
        | StoreError::NotADatabase { path }
        | StoreError::Missing { path } => moved_from(path),
        _ => None,
    }
}

/// Returns the same failure for a data directory or the database in one.
pub fn moved_from(path: &Path) -> Option<Failure> {
    let real = real_path(path);
    let homes = [path, &real].into_iter().flat_map(|path| {
        let is_database = path.file_name().is_some_and(|name| name == DATABASE_NAME);
        [Some(path), is_database.then(|| directory_of(path))].into_iter().flatten()
    });
    let moved = homes.filter(|home| home.is_dir()).map(check_not_moved).find_map(Result::err);
    moved.map(|error| RestoreError::from(error).into())
}
