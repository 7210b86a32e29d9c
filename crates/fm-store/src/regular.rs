//! Files that a user names.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens a regular file for reading; refuses anything else, because opening a pipe would wait forever.
///
/// # Errors
/// If the file cannot be opened, or is a directory, a pipe, a socket or a device.
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

/// Returns the error for a pipe, a socket or a device.
pub(crate) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}
