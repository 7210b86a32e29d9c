//! Where the bytes of an archive are.

use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use fm_store::open_regular;

/// Bytes that can be read from any place on.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// A thing that can be opened again and again, each time from its first byte.
pub trait Medium: Send + Sync {
    /// Its name, for errors.
    fn path(&self) -> &Path;

    /// Opens it.
    ///
    /// # Errors
    /// If that fails.
    fn open(&self) -> io::Result<Box<dyn ReadSeek>>;
}

/// A file as it is.
impl Medium for PathBuf {
    fn path(&self) -> &Path {
        self
    }

    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(open_regular(self)?))
    }
}
