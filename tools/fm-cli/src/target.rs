//! Where a result may be put.

use std::path::Path;

use crate::{Exit, Failure};

/// Refuses, before any work is done, a target that cannot be: without a parent, or inside its own source, which is
/// never written.
pub fn check_target(target: &Path, source: &Path) -> Result<(), Failure> {
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        let message =
            format!("{} cannot be made: there is no directory {}", target.display(), parent.display());
        return Err(
            Failure::new(Exit::Usage, message).hint("make that directory first, or choose another target")
        );
    }
    // A source that is not there is told by whoever opens it.
    match (parent.canonicalize(), source.canonicalize()) {
        (Ok(parent), Ok(inside)) if parent.starts_with(&inside) => {
            let message = format!(
                "{} is inside the source {}, which is never written",
                target.display(),
                source.display()
            );
            Err(Failure::new(Exit::Usage, message).hint("choose a target outside of it"))
        }
        _ => Ok(()),
    }
}
