//! The places where an archive may be stored.

use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use fm_store::open_regular;

/// Bytes that can be read from any position.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// A source of bytes that can be opened repeatedly, each time at its first byte.
pub trait Medium: Send + Sync {
    /// Returns its name, for errors.
    fn path(&self) -> &Path;

    /// Opens the medium.
    ///
    /// # Errors
    /// If the medium cannot be opened.
    fn open(&self) -> io::Result<Box<dyn ReadSeek>>;
}

/// A file on disk.
impl Medium for PathBuf {
    fn path(&self) -> &Path {
        self
    }

    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(open_regular(self)?))
    }
}
