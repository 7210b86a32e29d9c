//! Files that a user names.

use std::fs::{self, File};
use std::io::{self, Read};
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

/// Reads a whole file; `None` if nothing exists at the path.
///
/// # Errors
/// If the file cannot be read, is a link that leads nowhere or not a regular file (`InvalidInput`), or has more than
/// `most` bytes (`InvalidData`).
pub fn read_regular(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let mut bytes = Vec::new();
    open_regular(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = "it has more bytes than any that these tools write";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Some(bytes))
}

/// Returns the error for a pipe, a socket or a device.
pub(crate) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}
