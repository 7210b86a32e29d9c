//! Files that somebody names.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens a file for reading; what is no regular file is refused, for a pipe would be waited for, for ever.
///
/// # Errors
/// If it cannot be opened, or is a directory, a pipe, a socket or a device.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return File::open(path);
    }
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a directory, not a file"));
    }
    Err(refused())
}

/// What is said of a pipe, a socket or a device.
pub(crate) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")
}
