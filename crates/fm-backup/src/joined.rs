//! Copies of one file, each with places that cannot be read, as one file: what any of them gives is there.
//!
//! Invariant: nothing is made up; who reads checks what comes out by hashes that cover all of it.

use std::io::{self, Read, Seek, SeekFrom};

use fm_audit::ReadSeek;

/// Bytes that are asked of one copy at a time; damage lies in pieces of this length.
const PIECE: u64 = 64 << 10;

/// Copies read as one.
pub(crate) struct Joined {
    copies: Vec<Box<dyn ReadSeek>>,
    length: u64,
    position: u64,
    /// The piece at hand.
    piece: Option<(u64, Vec<u8>)>,
}

impl Joined {
    /// The longest copy says how long the file is: others may have been cut.
    pub(crate) fn new(mut copies: Vec<Box<dyn ReadSeek>>) -> io::Result<Self> {
        let mut length = 0;
        for copy in &mut copies {
            length = length.max(copy.seek(SeekFrom::End(0))?);
        }
        Ok(Self { copies, length, position: 0, piece: None })
    }

    fn load(&mut self, number: u64) -> io::Result<()> {
        let start = number.saturating_mul(PIECE);
        let wanted =
            usize::try_from(PIECE.min(self.length.saturating_sub(start))).map_err(io::Error::other)?;
        let mut piece = vec![0; wanted];
        let mut failed = None;
        for copy in &mut self.copies {
            match copy.seek(SeekFrom::Start(start)).and_then(|_| copy.read_exact(&mut piece)) {
                Ok(()) => {
                    self.piece = Some((number, piece));
                    return Ok(());
                }
                Err(error) => failed = Some(error),
            }
        }
        let what = failed.map_or("there is no copy".to_owned(), |error| format!("in no copy: {error}"));
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

impl Read for Joined {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.position >= self.length {
            return Ok(0);
        }
        let number = self.position / PIECE;
        if self.piece.as_ref().is_none_or(|(loaded, _)| *loaded != number) {
            self.piece = None;
            self.load(number)?;
        }
        let skipped = usize::try_from(self.position % PIECE).map_err(io::Error::other)?;
        let found = self.piece.as_ref().and_then(|(_, piece)| piece.get(skipped..)).unwrap_or_default();
        let count = found.len().min(into.len());
        into[..count].copy_from_slice(&found[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Joined {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the first byte");
        self.position = place.ok_or_else(outside)?;
        Ok(self.position)
    }
}
