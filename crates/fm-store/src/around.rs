//! The directory that a path is in.
//!
//! Invariant: the directory is never the empty path, which no system call accepts: for a bare name it is `.`.

use std::path::{Path, PathBuf};

/// Returns the directory that a path is in: `.` for a bare name and for a path without a name.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Returns the absolute path under its own name: links in it are followed where it is a link, is `.` or ends
/// in `..`.
///
/// The name of a directory and what surrounds it follow from this path, not from how the user wrote it.
/// Returns `path` itself if it cannot be found.
pub fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Returns the directories that hold a path: those above the path as written, and those above the path with
/// every link followed, up to `levels` above it.
pub fn directories_around(path: &Path, levels: usize) -> impl Iterator<Item = PathBuf> {
    let written = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let above = move |path: PathBuf| {
        let above = path.ancestors().skip(1).take(levels).map(Path::to_owned);
        above.collect::<Vec<_>>()
    };
    let real = real_path(path);
    above(written).into_iter().chain(above(real))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_are_in_the_working_directory() {
        for (path, directory) in [
            ("database", "."),
            (".", "."),
            ("", "."),
            ("/", "."),
            ("./database", "."),
            ("a/database", "a"),
            ("a/database/", "a"),
            ("/database", "/"),
            ("../database", ".."),
        ] {
            assert_eq!(directory_of(Path::new(path)), Path::new(directory), "{path}");
        }
    }

    #[test]
    fn around_a_path_are_directories_that_can_be_opened() {
        let here = std::env::current_dir().unwrap();
        for path in [".", "..", "src", "src/..", "src/../src"] {
            for directory in directories_around(Path::new(path), 2) {
                assert!(directory.is_absolute() && directory.is_dir(), "{path}: {}", directory.display());
            }
        }
        assert!(directories_around(Path::new("src"), 1).any(|directory| directory == here));
        assert!(
            directories_around(Path::new("src/.."), 1)
                .any(|directory| Some(directory.as_path()) == here.parent())
        );
        assert_eq!(directories_around(Path::new("/"), 2).count(), 0);
    }
}
