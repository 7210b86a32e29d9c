//! What a store of objects must provide to keep archives, and how an archive is written anywhere.
//!
//! Invariant: whatever is written appears under its name whole and read back, or not at all.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use fm_audit::ReadSeek;
use fm_store::{PartialFile, StoreError};

use crate::continued::Continued;
use crate::sealed::is_archive;
use crate::{BackupError, Location};

/// The number of bytes gathered before they are written to a file, or compared with what is there.
const WRITE_BYTES: usize = 1 << 20;

/// A refusal by a store, as the cause of an I/O error. It is not an error of the operating system, and has
/// its own remedy.
#[derive(Debug)]
pub struct Refused {
    what: String,
    hint: Option<&'static str>,
}

impl Refused {
    /// Makes an error of this kind, with a hint for the user.
    pub fn error(kind: io::ErrorKind, what: &str, hint: Option<&'static str>) -> io::Error {
        io::Error::new(kind, Self { what: what.to_owned(), hint })
    }

    /// Returns what a store refused, if the error is a refusal.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns the hint for the user, if there is one.
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refused {}

/// An object in a store, which may or may not exist.
pub trait Remote: Send + Sync {
    /// Returns whether the object exists.
    ///
    /// # Errors
    /// If the store does not answer.
    fn is_there(&self) -> io::Result<bool>;

    /// Opens the object; all readers see the same version.
    ///
    /// # Errors
    /// If the object does not exist or the store does not answer.
    fn open(&self) -> io::Result<Box<dyn ReadSeek>>;

    /// Begins to write the object under another name; `is_ours` decides by its first bytes whether an
    /// interrupted run left what is there.
    ///
    /// # Errors
    /// If the store refuses, or the other name is taken.
    fn create(&self, name: &Path, is_ours: fn(&[u8]) -> bool) -> io::Result<Box<dyn Draft>>;

    /// Removes what an interrupted run left under that other name.
    ///
    /// # Errors
    /// If the store does not answer.
    fn clear(&self) -> io::Result<()>;
}

/// An archive that is being written, removed on drop unless it was published.
pub trait Draft: Write + Send {
    /// Writes what is still gathered; from then on it can be read.
    ///
    /// # Errors
    /// If the write fails.
    fn complete(&mut self) -> Result<(), BackupError>;

    /// Returns what an interrupted run left here, from its start, if it can be read.
    fn earlier(&self) -> Option<Box<dyn Read + Send>> {
        None
    }

    /// Returns the number of bytes that an interrupted run had written or sent, and that this one reuses.
    fn kept(&self) -> u64 {
        0
    }

    /// Returns where the archive can be read until it is published.
    fn written(&self) -> Location;

    /// Publishes the archive under its final name, which must be free. Returns which remains could not be
    /// removed.
    ///
    /// # Errors
    /// If the name is taken, or the rename fails.
    fn publish(self: Box<Self>) -> Result<Option<String>, BackupError>;
}

/// A file that is being written beside its final name.
pub(crate) struct FileDraft {
    target: PathBuf,
    partial: PartialFile,
    sink: BufWriter<Continued>,
}

impl FileDraft {
    pub(crate) fn create(target: &Path) -> Result<Self, BackupError> {
        let partial = PartialFile::resume(target, is_archive)?;
        let sink = BufWriter::with_capacity(WRITE_BYTES, Continued::new(partial.handle()?));
        Ok(Self { target: target.to_owned(), partial, sink })
    }
}

impl Write for FileDraft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Draft for FileDraft {
    fn complete(&mut self) -> Result<(), BackupError> {
        let ended = self.sink.flush().and_then(|()| self.sink.get_mut().end());
        ended.map_err(|source| StoreError::io(&self.target, source).into())
    }

    fn earlier(&self) -> Option<Box<dyn Read + Send>> {
        // What cannot be read is written again.
        let file = File::open(self.partial.path()).ok()?;
        Some(Box::new(BufReader::with_capacity(WRITE_BYTES, file)))
    }

    fn kept(&self) -> u64 {
        self.sink.get_ref().kept()
    }

    fn written(&self) -> Location {
        self.partial.path().into()
    }

    fn publish(self: Box<Self>) -> Result<Option<String>, BackupError> {
        self.partial.publish()?;
        Ok(None)
    }
}
