//! What a store of objects must offer so that archives can be kept there, and how an archive is written anywhere.
//!
//! Invariant: whatever is written appears under its name whole and read back, or not at all.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use fm_audit::ReadSeek;
use fm_store::{PartialFile, StoreError};

use crate::continued::Continued;
use crate::export::is_archive;
use crate::{BackupError, Location};

/// Bytes gathered before they are written to a file, or compared with what is there.
const WRITE_BYTES: usize = 1 << 20;

/// What a store refuses, as the cause of an error of its kind: such an error is not the operating system's, and what to do
/// about it is another thing.
#[derive(Debug)]
pub struct Refused {
    what: String,
    hint: Option<&'static str>,
}

impl Refused {
    /// An error of this kind, with what to do about it.
    pub fn error(kind: io::ErrorKind, what: &str, hint: Option<&'static str>) -> io::Error {
        io::Error::new(kind, Self { what: what.to_owned(), hint })
    }

    /// What a store refused, if that is the error.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What to do about it, if that is known.
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

/// An object in a store, there or not.
pub trait Remote: Send + Sync {
    /// Whether it is there.
    ///
    /// # Errors
    /// If the store does not say.
    fn is_there(&self) -> io::Result<bool>;

    /// Opens it; all who open it read the same version.
    ///
    /// # Errors
    /// If it is not there or the store does not answer.
    fn open(&self) -> io::Result<Box<dyn ReadSeek>>;

    /// Begins to write it under another name, where `is_ours` tells by its first bytes what an interrupted run left.
    ///
    /// # Errors
    /// If the store refuses, or something else has that name.
    fn create(&self, name: &Path, is_ours: fn(&[u8]) -> bool) -> io::Result<Box<dyn Draft>>;

    /// Removes what an interrupted run left under that other name.
    ///
    /// # Errors
    /// If the store does not answer.
    fn clear(&self) -> io::Result<()>;
}

/// An archive that is being written, removed on drop unless it was published.
pub trait Draft: Write + Send {
    /// Writes what is still gathered: from here on it can be read.
    ///
    /// # Errors
    /// If that fails.
    fn complete(&mut self) -> Result<(), BackupError>;

    /// What an interrupted run left here, from its start, if it can be read.
    fn earlier(&self) -> Option<Box<dyn Read + Send>> {
        None
    }

    /// Bytes that an interrupted run had written or sent, and that this one took over.
    fn kept(&self) -> u64 {
        0
    }

    /// Where it can be read for now.
    fn written(&self) -> Location;

    /// Gives it its name, which must be free; says what of the work is left beside it and could not be removed.
    ///
    /// # Errors
    /// If something has the name, or it cannot be given.
    fn publish(self: Box<Self>) -> Result<Option<String>, BackupError>;
}

/// A file that is being written beside its name.
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
        // What cannot be read is written anew.
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
