//! Reads and seeks in a file as pieces of one length, each of which can be readable or not.
//!
//! Invariant: a piece is loaded only when a byte of it is read, and one piece is in memory at a time.

use std::io::{self, Read, Seek, SeekFrom};

/// The number of bytes in a piece; the last one may have fewer.
pub(crate) const PIECE: u64 = 64 << 10;

/// A source of pieces.
pub(crate) trait Source {
    /// The bytes of a piece.
    type Piece: AsRef<[u8]>;

    /// Returns the length of the whole file.
    fn length(&self) -> u64;

    /// Reads the piece with this number.
    fn load(&mut self, number: u64) -> io::Result<Self::Piece>;
}

/// The pieces of a source as a file.
pub(crate) struct Pieces<S: Source> {
    source: S,
    position: u64,
    /// The loaded piece.
    piece: Option<(u64, S::Piece)>,
}

impl<S: Source> Pieces<S> {
    pub(crate) fn of(source: S) -> Self {
        Self { source, position: 0, piece: None }
    }
}

impl<S: Source> Read for Pieces<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.position >= self.source.length() {
            return Ok(0);
        }
        let number = self.position / PIECE;
        if self.piece.as_ref().is_none_or(|(loaded, _)| *loaded != number) {
            self.piece = None;
            self.piece = Some((number, self.source.load(number)?));
        }
        let skipped = usize::try_from(self.position % PIECE).map_err(io::Error::other)?;
        let piece = self.piece.as_ref().map_or(&[][..], |(_, piece)| piece.as_ref());
        let found = piece.get(skipped..).unwrap_or_default();
        let count = found.len().min(into.len());
        into[..count].copy_from_slice(&found[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<S: Source> Seek for Pieces<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.source.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the first byte");
        self.position = place.ok_or_else(outside)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a file of some length: each byte is the number of its piece; the second piece cannot be
    /// read.
    struct Numbered(u64);

    impl Source for Numbered {
        type Piece = Vec<u8>;

        fn length(&self) -> u64 {
            self.0
        }

        fn load(&mut self, number: u64) -> io::Result<Vec<u8>> {
            if number == 1 {
                return Err(io::Error::other("the second piece"));
            }
            let length = PIECE.min(self.0 - number * PIECE);
            Ok(vec![u8::try_from(number).unwrap(); usize::try_from(length).unwrap()])
        }
    }

    #[test]
    fn only_a_piece_that_cannot_be_read_is_missing() {
        let mut file = Pieces::of(Numbered(2 * PIECE + 9));
        let mut byte = [9];
        for (place, found) in [
            (0, Some(0)),
            (PIECE - 1, Some(0)),
            (PIECE, None),
            (2 * PIECE - 1, None),
            (2 * PIECE + 8, Some(2)),
        ] {
            file.seek(SeekFrom::Start(place)).unwrap();
            assert_eq!(file.read_exact(&mut byte).ok().map(|()| byte[0]), found, "{place}");
        }
        assert_eq!(file.read(&mut byte).unwrap(), 0, "past the end");
        assert_eq!(file.seek(SeekFrom::End(-9)).unwrap(), 2 * PIECE);
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [2; 9]);
    }

    #[test]
    fn places_outside_the_file() {
        let mut file = Pieces::of(Numbered(10));
        assert_eq!(file.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert_eq!(file.read(&mut [0]).unwrap(), 0);
        for to in [SeekFrom::Current(1), SeekFrom::End(-11), SeekFrom::End(i64::MIN)] {
            assert!(file.seek(to).is_err(), "{to:?}");
        }
    }
}
