//! The places where a result may be put.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fm_store::directory_of;

use crate::{Exit, Failure};

/// Refuses an impossible target before any work: one without a parent directory, or one that would change its
/// own source, which is never written.
///
/// # Errors
/// If the target is refused.
pub fn check_target(target: &Path, source: &Path) -> Result<(), Failure> {
    let parent = directory_of(target);
    let real_parent = parent.canonicalize().ok().filter(|parent| parent.is_dir());
    let Some(real_parent) = real_parent else {
        let message =
            format!("{} cannot be made: there is no directory {}", target.display(), parent.display());
        return Err(
            Failure::new(Exit::Usage, message).hint("make that directory first, or choose another target")
        );
    };
    let name = target.file_name().unwrap_or_default();
    let mut partial = OsString::from(name);
    partial.push(".partial");
    let written = [real_parent.join(name), real_parent.join(partial)];
    for source_path in real_sources(source) {
        let touches = |path: &PathBuf| path.starts_with(&source_path) || source_path.starts_with(path);
        if written.iter().any(touches) {
            let message = format!(
                "{} (or its .partial) lies in the source {} or contains it, and the source is never written",
                target.display(),
                source.display()
            );
            return Err(Failure::new(Exit::Usage, message).hint("choose a target outside of the source"));
        }
    }
    Ok(())
}

/// Returns the source and the database in it, with every symbolic link followed; a missing one is left out,
/// and opening it reports that.
fn real_sources(source: &Path) -> Vec<PathBuf> {
    [source.to_owned(), source.join(fm_datadir::DATABASE_NAME)]
        .iter()
        .filter_map(|path| path.canonicalize().ok())
        .collect()
}
