//! Rewrites a file over what an interrupted run left of it, and keeps the bytes that are already there.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// A file that is written from its start, and that ends where the writing ends.
pub(crate) struct Continued {
    file: File,
    at: u64,
    /// The number of bytes at the beginning that were already there.
    kept: u64,
    /// Whether the next bytes may already be there.
    is_old: bool,
    there: Vec<u8>,
}

impl Continued {
    /// Creates a writer over a file that is positioned at its start.
    pub(crate) fn new(file: File) -> Self {
        Self { file, at: 0, kept: 0, is_old: true, there: Vec::new() }
    }

    /// Returns the number of bytes that were not written again.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// Cuts off what follows the last byte that was written.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.file.set_len(self.at)
    }

    /// Returns whether these are the next bytes of the file. If so, moves past them; if not, cuts the file
    /// off.
    fn is_there(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.there.clear();
        (&self.file).take(bytes.len() as u64).read_to_end(&mut self.there)?;
        if self.there == bytes {
            return Ok(true);
        }
        self.file.set_len(self.at)?;
        self.file.seek(SeekFrom::Start(self.at))?;
        Ok(false)
    }
}

impl Write for Continued {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_old {
            self.is_old = self.is_there(bytes)?;
        }
        let count = if self.is_old { bytes.len() } else { self.file.write(bytes)? };
        if self.at == 0 && !self.is_old {
            // Synced, because the file is recognised by its beginning after a power cut.
            self.file.sync_data()?;
        }
        self.at += count as u64;
        if self.is_old {
            self.kept = self.at;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_is_what_was_written_whatever_was_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let wanted = b"abcdefghij";
        for (there, kept) in [
            (&b""[..], 0),
            (b"abc", 2),
            (b"abcd", 4),
            (b"abcdefghij", 10),
            (b"abcdefghij and more", 10),
            (b"abXdefghij", 2),
            (b"Xbcdefghij and more", 0),
        ] {
            fs::write(&path, there).unwrap();
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let mut continued = Continued::new(file);
            wanted.chunks(2).for_each(|bytes| continued.write_all(bytes).unwrap());
            continued.end().unwrap();
            assert_eq!(
                (fs::read(&path).unwrap().as_slice(), continued.kept()),
                (&wanted[..], kept),
                "{there:?}"
            );
        }
    }
}
