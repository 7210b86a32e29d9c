//! The file that carries what one audit proved to the next audit: `docs/formats/trust-file.md`.
//!
//! Invariants: a file that is incomplete, of a later version, or about other keys is refused, never guessed
//! at; the old file stays until the new one is on the disk.

use fm_store::ErrorKind;
use std::fs;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use fm_eras::Layout;
use fm_history::{Hash, sha256};
use fm_store::{StoreError, open_regular, replace_named_file};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::frame::{Mark, SALT_BYTES, TrustedPrefix};
use crate::request::HistoryKeys;

/// The format that every trust file states.
const FORMAT: &str = "fm-trust";
/// The first bytes of every trust file.
const START: &[u8] = br#"{"format":"fm-trust""#;
/// The version that is written, and the only one that is read.
const VERSION: u32 = 2;
/// Largest file that is read: 60 million sessions.
const MAX_BYTES: u64 = 2 << 30;

/// Why a trust file cannot be used.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum TrustError {
    /// It could not be read or written.
    #[error("cannot use the trust file {path}")]
    File { path: PathBuf, source: io::Error },
    /// The new one could not be written.
    #[error(transparent)]
    Write(#[from] StoreError),
    /// The file is not a trust file.
    #[error("{path} is not a trust file")]
    NotOne { path: PathBuf, source: serde_json::Error },
    /// The file has a version that this program does not know.
    #[error("{path} is a trust file of version {version}, and this program reads version {VERSION}")]
    Version { path: PathBuf, version: u32 },
    /// Its parts do not agree.
    #[error("the trust file {path} is damaged: {what}")]
    Damaged { path: PathBuf, what: &'static str },
    /// The file is about other keys or another layout.
    #[error("the trust file {path} is about {what}: it has {stated}, here it is {found}")]
    OfAnother { path: PathBuf, what: &'static str, stated: String, found: String },
}

impl TrustError {
    /// Returns the kind of failure that this error is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Write(error) => error.kind(),
            Self::File { .. } | Self::Damaged { .. } => ErrorKind::CannotLook,
            Self::NotOne { .. } | Self::Version { .. } | Self::OfAnother { .. } => ErrorKind::Usage,
        }
    }
}

/// The format and version, which are read before anything else.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    version: u32,
    era: String,
    layout: String,
    key_set: String,
    sessions: u64,
    root: Hash,
    salt: String,
    marks: String,
    digest: Hash,
}

/// What was proven about one history with one set of keys.
pub struct TrustFile {
    path: PathBuf,
    layout: Layout,
    key_set: String,
    prefix: TrustedPrefix,
}

impl TrustFile {
    /// Reads a trust file for a history of this layout and these keys, or starts a new one if there is no
    /// file.
    ///
    /// # Errors
    /// If the file cannot be read, is not a trust file, is damaged, has another version, or is about another
    /// layout or other keys.
    pub fn open(path: &Path, layout: Layout, keys: HistoryKeys<'_>) -> Result<Self, TrustError> {
        let key_set = match keys {
            HistoryKeys::Epoch(keys) => keys.name(),
            HistoryKeys::Session(keys) => keys.name(),
        };
        let new = |prefix| Self { path: path.to_owned(), layout, key_set: key_set.clone(), prefix };
        let failed = |source| TrustError::File { path: path.to_owned(), source };
        if !path.try_exists().map_err(failed)? {
            let prefix = TrustedPrefix::empty().map_err(|error| failed(io::Error::other(error)))?;
            return Ok(new(prefix));
        }
        let text = read(path)?;
        let other = |what, stated: &str, found: &str| TrustError::OfAnother {
            path: path.to_owned(),
            what,
            stated: stated.to_owned(),
            found: found.to_owned(),
        };
        if text.key_set != key_set {
            return Err(other("other keys", &text.key_set, &key_set));
        }
        if text.layout != layout.name() || text.era != layout.era().as_str() {
            return Err(other("records of another layout", &text.layout, layout.name()));
        }
        prefix_of(&text).map(new).map_err(|what| TrustError::Damaged { path: path.to_owned(), what })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what was proven before.
    pub fn prefix(&self) -> &TrustedPrefix {
        &self.prefix
    }

    /// Replaces the file by one with what is proven now.
    ///
    /// # Errors
    /// If the file cannot be written; the old one is then unchanged.
    pub fn replace(&self, prefix: &TrustedPrefix) -> Result<(), TrustError> {
        let failed = |source| TrustError::File { path: self.path.clone(), source };
        let text = serde_json::to_vec(&self.text(prefix)).map_err(|error| failed(error.into()))?;
        Ok(replace_named_file(&self.path, START, &text)?)
    }

    fn text(&self, prefix: &TrustedPrefix) -> Text {
        let marks: Vec<u8> =
            prefix.marks.iter().flat_map(|mark| [mark.content, mark.signatures]).flatten().collect();
        let mut text = Text {
            format: FORMAT.to_owned(),
            version: VERSION,
            era: self.layout.era().to_string(),
            layout: self.layout.name().to_owned(),
            key_set: self.key_set.clone(),
            sessions: prefix.sessions(),
            root: prefix.root,
            salt: hex::encode(prefix.salt),
            marks: hex::encode(marks),
            digest: Hash::default(),
        };
        text.digest = digest(&text);
        text
    }
}

fn read(path: &Path) -> Result<Text, TrustError> {
    let failed = |source| TrustError::File { path: path.to_owned(), source };
    let no_trust_file = |source: serde_json::Error| match source.io_error_kind() {
        Some(kind) => failed(io::Error::from(kind)),
        None => TrustError::NotOne { path: path.to_owned(), source },
    };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        let message = format!("it has {length} bytes, and no more than {MAX_BYTES} are read");
        return Err(failed(io::Error::other(message)));
    }
    let open = || open_regular(path).map(BufReader::new).map_err(failed);
    let head: Head = serde_json::from_reader(open()?).map_err(no_trust_file)?;
    if head.format != FORMAT {
        let message = format!("it says that it is {:?}", head.format);
        return Err(no_trust_file(serde::de::Error::custom(message)));
    }
    if head.version != VERSION {
        return Err(TrustError::Version { path: path.to_owned(), version: head.version });
    }
    serde_json::from_reader(open()?).map_err(no_trust_file)
}

fn prefix_of(text: &Text) -> Result<TrustedPrefix, &'static str> {
    if digest(text) != text.digest {
        return Err("its digest is not that of its contents");
    }
    let mut salt = [0; SALT_BYTES];
    hex::decode_to_slice(&text.salt, &mut salt).map_err(|_| "its salt is not 16 bytes in hex")?;
    let bytes = hex::decode(&text.marks).map_err(|_| "its marks are not hex")?;
    let (marks, rest) = bytes.as_chunks::<16>();
    if marks.len() as u64 != text.sessions || !rest.is_empty() {
        return Err("it has not two marks of 8 bytes for each session");
    }
    let mark = |bytes: &[u8; 16]| {
        let (mut content, mut signatures) = ([0; 8], [0; 8]);
        content.copy_from_slice(&bytes[..8]);
        signatures.copy_from_slice(&bytes[8..]);
        Mark { content, signatures }
    };
    Ok(TrustedPrefix { salt, marks: marks.iter().map(mark).collect(), root: text.root })
}

/// Returns the SHA-256 of all other fields, one line each. It shows damage, not forgery.
fn digest(text: &Text) -> Hash {
    let fields = [
        text.format.clone(),
        text.version.to_string(),
        text.era.clone(),
        text.layout.clone(),
        text.key_set.clone(),
        text.sessions.to_string(),
        text.root.to_string(),
        text.salt.clone(),
    ];
    sha256(&[fields.join("\n").as_bytes(), b"\n", text.marks.as_bytes()])
}
