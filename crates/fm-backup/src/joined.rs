//! Reads several copies of one file, each with unreadable places, as one file: it has every byte that any
//! copy has.
//!
//! Invariant: no byte is invented; the reader checks the result by hashes that cover all of it.

use std::io::{self, SeekFrom};

use fm_audit::ReadSeek;

use crate::pieces::{PIECE, Pieces, Source};

/// Copies read as one file; damage is confined to pieces.
pub(crate) type Joined = Pieces<Copies>;

/// The copies, and the length of the longest.
pub(crate) struct Copies {
    copies: Vec<Box<dyn ReadSeek>>,
    length: u64,
}

impl Joined {
    /// Creates the source. The longest copy determines the length of the file, because others may be
    /// truncated.
    pub(crate) fn new(mut copies: Vec<Box<dyn ReadSeek>>) -> io::Result<Self> {
        let mut length = 0;
        for copy in &mut copies {
            length = length.max(copy.seek(SeekFrom::End(0))?);
        }
        Ok(Self::of(Copies { copies, length }))
    }
}

impl Source for Copies {
    type Piece = Vec<u8>;

    fn length(&self) -> u64 {
        self.length
    }

    fn load(&mut self, number: u64) -> io::Result<Vec<u8>> {
        let start = number.saturating_mul(PIECE);
        let wanted =
            usize::try_from(PIECE.min(self.length.saturating_sub(start))).map_err(io::Error::other)?;
        let mut piece = vec![0; wanted];
        let mut failed = None;
        for copy in &mut self.copies {
            match copy.seek(SeekFrom::Start(start)).and_then(|_| copy.read_exact(&mut piece)) {
                Ok(()) => return Ok(piece),
                Err(error) => failed = Some(error),
            }
        }
        let what = failed.map_or("there is no copy".to_owned(), |error| format!("in no copy: {error}"));
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}
