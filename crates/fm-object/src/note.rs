//! The note beside the key of an unfinished upload: who sends it, where its parts go, and which parts the
//! store has.
//!
//! The note has a line for the run and one for its process, then the name of the upload once there is one. A
//! line for each part follows, in order: SHA-256 of its bytes, and the store's name of it.
//!
//! Invariants: a note says which parts need not be sent again, never that they are correct: the upload is
//! read back in any case. The key of a note never becomes the key of an archive: the parts go to a key of
//! their own.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use object_store::MultipartId;
use sha2::{Digest, Sha256};

use crate::client::{Client, Stat};
use crate::owner::Owner;

/// The beginning of a note; the name of the run follows.
const START: &str = "unfinished upload of the fm tools: ";
/// The beginning of the second line.
const OWNER: &str = "process ";
const DATA: &str = "parts go to ";
const UPLOAD: &str = "upload ";
const COPIES: &str = "is copied in parts";
const BEAT: &str = "beat ";
/// The number of digits in the name of a run.
const NAME_DIGITS: usize = 12;
/// The longest note, or beginning of another object, that is read: a line for each part of the largest object
/// fits.
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
    /// The run that sends it; every run has its own name.
    pub(crate) run: String,
    pub(crate) owner: Owner,
    /// The ending of the key of the parts.
    pub(crate) data: String,
    pub(crate) upload: Option<MultipartId>,
    /// Whether the object is being copied to its key in parts, by another upload.
    pub(crate) copies: bool,
    /// A number that grows while the run is alive.
    pub(crate) beat: u64,
    /// The first parts that the store has.
    pub(crate) parts: Vec<Part>,
}

impl Note {
    /// Returns the note of a new run of this process.
    pub(crate) fn new() -> Self {
        let owner = Owner::this();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut run = hex::encode(Sha256::digest(format!("{} {now}", owner.to_line())));
        run.truncate(NAME_DIGITS);
        Self { data: run.clone(), run, owner, upload: None, copies: false, beat: 0, parts: Vec::new() }
    }

    /// Reads a note, if the bytes are one; its parts end at the first line that is not a part.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (run, lines) = std::str::from_utf8(bytes).ok()?.strip_prefix(START)?.split_once('\n')?;
        let mut lines = lines.lines().peekable();
        let owner = Owner::read(lines.next()?.strip_prefix(OWNER)?)?;
        let data = lines.next()?.strip_prefix(DATA)?.to_owned();
        let beat = lines.next()?.strip_prefix(BEAT)?.parse().ok()?;
        let upload =
            lines.next_if(|line| line.starts_with(UPLOAD)).map(|line| line[UPLOAD.len()..].to_owned());
        let copies = lines.next_if_eq(&COPIES).is_some();
        let parts = lines.map_while(Part::read).collect();
        let is_name = |name: &str| name.len() == NAME_DIGITS && name.chars().all(|c| c.is_ascii_hexdigit());
        (is_name(run) && is_name(&data)).then(|| Self {
            run: run.to_owned(),
            owner,
            data,
            upload,
            copies,
            beat,
            parts,
        })
    }

    /// Returns the note at a key.
    pub(crate) async fn at(client: &Client) -> io::Result<Option<Self>> {
        let Some(stat) = client.stat_now().await? else { return Ok(None) };
        Ok(Self::read(&start_of(client, &stat).await?))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Self { run, owner, data, beat, .. } = self;
        let mut text = format!("{START}{run}\n{OWNER}{}\n{DATA}{data}\n{BEAT}{beat}\n", owner.to_line());
        if let Some(upload) = &self.upload {
            text.push_str(&format!("{UPLOAD}{upload}\n"));
        }
        if self.copies {
            text.push_str(&format!("{COPIES}\n"));
        }
        for part in &self.parts {
            text.push_str(&format!("{} {}\n", hex::encode(part.sha256), part.id));
        }
        text.into_bytes()
    }
}

/// Returns the first bytes of an object.
pub(crate) async fn start_of(client: &Client, stat: &Stat) -> io::Result<Bytes> {
    if stat.size == 0 {
        return Ok(Bytes::new());
    }
    client.fetch(stat, 0..stat.size.min(MOST)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(parts: u8) -> Note {
        let part = |number| Part { sha256: [number; 32], id: format!("\"tag {number}\"") };
        let upload = Some("an-upload".to_owned());
        Note { upload, copies: parts > 9, beat: 7, parts: (0..parts).map(part).collect(), ..Note::new() }
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        for parts in [0, 1, 200] {
            let note = note(parts);
            assert_eq!(Note::read(&note.to_bytes()), Some(note));
        }
        let none_yet = Note { upload: None, ..note(0) };
        assert_eq!(Note::read(&none_yet.to_bytes()), Some(none_yet));
    }

    #[test]
    fn what_is_no_note_says_nothing() {
        for other in ["", "a text", START, "unfinished upload of the fm tools: \n", "P*M\u{18}"] {
            assert_eq!(Note::read(other.as_bytes()), None, "{other:?}");
        }
        let note = note(3);
        assert_eq!(Note::read(&[note.to_bytes(), vec![0xFF]].concat()), None);
        let text = String::from_utf8(note.to_bytes()).unwrap();
        let with = |number: usize, line: &str| {
            let lines: Vec<&str> =
                text.lines().enumerate().map(|(n, old)| if n == number { line } else { old }).collect();
            Note::read(lines.join("\n").as_bytes())
        };
        for (line, broken) in [(5, "zz \"tag\""), (6, ""), (7, &"00".repeat(32)), (5, "00 \"tag\"")] {
            assert_eq!(with(line, broken).unwrap().parts, note.parts[..line - 5]);
        }
        for (line, broken) in [(0, "an upload"), (1, "process a"), (2, "parts go to ../x"), (3, "beat x")] {
            assert_eq!(with(line, broken), None, "{broken}");
        }
    }
}
