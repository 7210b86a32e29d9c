//! The note that lies at the key of an unfinished upload: which upload it is, and what the store has of it.
//!
//! A first line names the upload; a line for each part follows, in order: SHA-256 of its bytes, and the store's name of it.
//! Invariant: a note tells what need not be sent again, never what is right: what was uploaded is read back in any case.

use std::io;

use bytes::Bytes;
use object_store::MultipartId;

use crate::client::{Client, Stat, wait};

/// How a note begins; the name of the upload follows.
const START: &str = "unfinished upload of the fm tools: ";
/// Longest note, or beginning of something else, that is read: a line for each part of the largest object fits.
const MOST: u64 = 4 << 20;

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) sha256: [u8; 32],
    pub(crate) id: String,
}

impl Part {
    fn read(line: &str) -> Option<Self> {
        let (digits, id) = line.split_once(' ')?;
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digits, &mut sha256).ok()?;
        (!id.is_empty()).then(|| Self { sha256, id: id.to_owned() })
    }
}

/// An unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) id: MultipartId,
    /// Its first parts.
    pub(crate) parts: Vec<Part>,
}

impl Note {
    /// The note in these bytes, if they are one; its parts end where a line is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (id, lines) = std::str::from_utf8(bytes).ok()?.strip_prefix(START)?.split_once('\n')?;
        let parts = lines.lines().map_while(Part::read).collect();
        (!id.is_empty()).then(|| Self { id: id.to_owned(), parts })
    }

    /// The note at a key.
    pub(crate) fn at(client: &Client) -> io::Result<Option<Self>> {
        let Some(stat) = client.stat()? else { return Ok(None) };
        Ok(Self::read(&start_of(client, &stat)?))
    }

    pub(crate) fn put(&self, client: &Client) -> io::Result<()> {
        client.put(self.to_bytes())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let lines = self.parts.iter().map(|part| format!("{} {}\n", hex::encode(part.sha256), part.id));
        std::iter::once(format!("{START}{}\n", self.id)).chain(lines).collect::<String>().into_bytes()
    }
}

/// The first bytes of an object.
pub(crate) fn start_of(client: &Client, stat: &Stat) -> io::Result<Bytes> {
    if stat.size == 0 {
        return Ok(Bytes::new());
    }
    wait(client.fetch(stat, 0..stat.size.min(MOST)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(parts: u8) -> Note {
        let part = |number| Part { sha256: [number; 32], id: format!("\"tag {number}\"") };
        Note { id: "an-upload".to_owned(), parts: (0..parts).map(part).collect() }
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        for parts in [0, 1, 200] {
            assert_eq!(Note::read(&note(parts).to_bytes()), Some(note(parts)));
        }
    }

    #[test]
    fn what_is_no_note_says_nothing() {
        for other in ["", "a text", START, "unfinished upload of the fm tools: \n", "P*M\u{18}"] {
            assert_eq!(Note::read(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(Note::read(&[note(3).to_bytes(), vec![0xFF]].concat()), None);
        let text = String::from_utf8(note(3).to_bytes()).unwrap();
        for (line, broken) in [(1, "zz \"tag\""), (2, ""), (3, &"00".repeat(32)), (1, "00 \"tag\"")] {
            let lines: Vec<&str> =
                text.lines().enumerate().map(|(n, old)| if n == line { broken } else { old }).collect();
            assert_eq!(Note::read(lines.join("\n").as_bytes()).unwrap().parts, note(3).parts[..line - 1]);
        }
    }
}
