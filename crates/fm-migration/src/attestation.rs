//! The attestation file: one guardian's signatures over all sessions of a migrated history.
//!
//! Layout: an archive (`.fmar`) whose metadata states what is signed, with one record per session: its index,
//! 8 bytes big endian, and the 64 bytes of the signature. Invariants: an opened file is complete, its
//! metadata has exactly one form, and it has one record for every session and no others; the signatures are
//! not checked here.

use std::fs::File;
use std::path::{Path, PathBuf};

use fm_archive::{ArchiveError, ArchiveReader, Metadata, Records};
use fm_audit::Control;
use fm_crypto::SchnorrSignature;
use fm_history::{Hash, PeerId, RULE_VERSION};
use fm_store::open_regular;

use crate::{MigrationError, SealError};

/// The kind in the metadata of an attestation.
const KIND: &str = "attestation";

/// What an attestation covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationFacts {
    /// Version of the conversion rule.
    pub rule: u32,
    /// Federation id of the original, in hex.
    pub federation: String,
    /// The root over all sessions.
    pub history_root: Hash,
    /// The guardian.
    pub peer: PeerId,
    /// SHA-256 of the guardians' public keys, which every signature covers.
    pub key_set_tag: Hash,
    /// Number of sessions, starting at 0.
    pub sessions: u64,
}

impl AttestationFacts {
    /// Returns the metadata of the file.
    pub fn metadata(&self) -> Metadata {
        Metadata::from_iter([
            ("kind", KIND.to_owned()),
            ("rule", self.rule.to_string()),
            ("federation", self.federation.clone()),
            ("history_root", self.history_root.to_string()),
            ("peer", self.peer.to_string()),
            ("key_set_tag", self.key_set_tag.to_string()),
            ("first", "0".to_owned()),
            ("last", self.sessions.saturating_sub(1).to_string()),
            ("sessions", self.sessions.to_string()),
        ])
    }

    /// Reads metadata, which must be exactly that of an attestation.
    fn parse(metadata: &Metadata) -> Result<Self, String> {
        let get = |name| metadata.get(name).unwrap_or_default();
        if get("kind") != KIND {
            return Err(format!("its kind is {:?}", shown(get("kind"))));
        }
        let number =
            |name| get(name).parse::<u64>().map_err(|_| format!("its {name} is {:?}", shown(get(name))));
        let hash = |name| {
            let mut hash = Hash::default();
            hex::decode_to_slice(get(name), &mut hash.0).map_err(|_| format!("its {name} is not a hash"))?;
            Ok::<_, String>(hash)
        };
        let small = |name, value: u64| u16::try_from(value).map_err(|_| format!("its {name} is {value}"));
        let facts = Self {
            rule: small("rule", number("rule")?)?.into(),
            federation: get("federation").to_owned(),
            history_root: hash("history_root")?,
            peer: small("peer", number("peer")?)?,
            key_set_tag: hash("key_set_tag")?,
            sessions: number("sessions")?,
        };
        if facts.rule != RULE_VERSION {
            return Err(format!("it is of rule {}, and this version knows rule {RULE_VERSION}", facts.rule));
        }
        if facts.sessions == 0 {
            return Err("it is of no session".to_owned());
        }
        if facts.metadata() != *metadata {
            return Err("its header says more or other things than an attestation does".to_owned());
        }
        Ok(facts)
    }
}

/// An attestation that was checked to be complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The file.
    pub path: PathBuf,
    /// What it covers.
    pub facts: AttestationFacts,
    /// SHA-256 of its record stream.
    pub identity: Hash,
}

impl Attestation {
    /// Opens a file and checks every byte of it.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged (the error names the place), or is not an attestation, or the
    /// job was interrupted.
    pub fn open(path: &Path, control: Control<'_>) -> Result<Self, MigrationError> {
        let file = open(path)?;
        control.progress.begin("attestation", "bytes", None);
        let mut before = 0;
        let checked = fm_archive::verify(file, &mut |done, _| {
            control.progress.advance(done.saturating_sub(before));
            before = done;
        });
        control.progress.end();
        control.check()?;
        let checked = checked.map_err(|error| unreadable(path, error))?;
        let identity = checked.into_result().map_err(|error| unreadable(path, error))?.identity;
        let mut reader = reader(path)?;
        let facts = AttestationFacts::parse(reader.metadata()).map_err(|what| not_one(path, what))?;
        let attestation = Self { path: path.to_owned(), facts, identity: Hash(identity) };
        let mut signatures = attestation.signatures(&mut reader);
        for session in 0..attestation.facts.sessions {
            signatures.next(session)?;
            control.check()?;
        }
        signatures.end()?;
        Ok(attestation)
    }

    /// Reads what the file claims to cover, and nothing else of the file.
    pub(crate) fn peek(path: &Path) -> Result<AttestationFacts, MigrationError> {
        AttestationFacts::parse(reader(path)?.metadata()).map_err(|what| not_one(path, what))
    }

    /// Opens a reader for [`signatures`](Self::signatures).
    pub(crate) fn reader(&self) -> Result<ArchiveReader<File>, MigrationError> {
        reader(&self.path)
    }

    /// Returns the signatures, by ascending session.
    pub(crate) fn signatures<'a>(&'a self, reader: &'a mut ArchiveReader<File>) -> SignatureStream<'a> {
        SignatureStream { path: &self.path, records: reader.range(&[]) }
    }
}

/// The signatures of an attestation, in order.
pub(crate) struct SignatureStream<'a> {
    path: &'a Path,
    records: Records<'a, File>,
}

impl SignatureStream<'_> {
    /// Returns the next signature, which must be the one over this session.
    pub(crate) fn next(&mut self, session: u64) -> Result<SchnorrSignature, MigrationError> {
        let record = self.records.next().transpose().map_err(|error| unreadable(self.path, error))?;
        let Some((key, value)) = record else {
            return Err(not_one(self.path, format!("it ends before the signature over session {session}")));
        };
        if key != session_record_key(session) {
            let what = format!("where the signature over session {session} should be it has another record");
            return Err(not_one(self.path, what));
        }
        let length = value.len();
        value.try_into().map_err(|_| {
            not_one(self.path, format!("the signature over session {session} has {length} bytes"))
        })
    }

    fn end(&mut self) -> Result<(), MigrationError> {
        match self.records.next() {
            None => Ok(()),
            Some(Err(error)) => Err(unreadable(self.path, error)),
            Some(Ok(_)) => Err(not_one(self.path, "records follow the last signature".to_owned())),
        }
    }
}

/// Shortens a text from an untrusted file to the length that a message shows.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Returns the key of a session's record.
pub(crate) fn session_record_key(session: u64) -> [u8; 8] {
    session.to_be_bytes()
}

/// Returns whether a file begins like an archive, to recognize leftovers of an interrupted write.
pub(crate) fn begins_like_one(start: &[u8]) -> bool {
    let mark = start.get(8..16).unwrap_or_default();
    start.get(..4) == Some(&[0x50, 0x2A, 0x4D, 0x18]) && mark == b"FMARHEAD"
}

fn open(path: &Path) -> Result<File, MigrationError> {
    open_regular(path).map_err(|source| fm_audit::AuditError::File { path: path.to_owned(), source }.into())
}

fn reader(path: &Path) -> Result<ArchiveReader<File>, MigrationError> {
    ArchiveReader::open(open(path)?).map_err(|error| unreadable(path, error))
}

fn not_one(path: &Path, what: String) -> MigrationError {
    SealError::NotAnAttestation { path: path.to_owned(), what }.into()
}

fn unreadable(path: &Path, error: ArchiveError) -> MigrationError {
    let path = path.to_owned();
    match error {
        ArchiveError::Io { source, .. } => fm_audit::AuditError::File { path, source }.into(),
        error @ (ArchiveError::NotAnArchive { .. } | ArchiveError::UnsupportedVersion { .. }) => {
            SealError::NotAnAttestation { path, what: error.to_string() }.into()
        }
        error => SealError::Damaged { path, place: error.to_string() }.into(),
    }
}
