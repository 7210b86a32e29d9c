//! The signatures of a threshold of guardians are put under the sessions of a migrated history.
//!
//! Invariants: nothing is written before every signature of every file is verified over the headers here; the result
//! depends on the signatures of the lowest peers alone, not on the order or number of the files; until the very end the
//! old database is in its place, and from then on the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fm_audit::{AuditError, Control, DATABASE_NAME, EpochStream, MigratedDir};
use fm_crypto::{SchnorrSignature, SessionKeys};
use fm_eras::{RowSource, session};
use fm_history::{Hash, HistoryRoot, SessionParts, signed_record};
use fm_store::{ReadStore, Replacement, StoreError, StoreWriter};

use crate::attestation::{Attestation, SignatureStream};
use crate::identity::{Identity, identity};
use crate::sessions::{StoredSession, check_federation, check_root, check_sealable, each_session};
use crate::tips::{Compared, Relation};
use crate::{MigrationError, SealError};

/// What is sealed.
#[derive(Clone, Copy)]
pub struct Seal<'a> {
    /// The migrated directory.
    pub dir: &'a Path,
    /// The guardians' public keys.
    pub keys: &'a SessionKeys,
    /// Federation id, in hex, if the keys come with one.
    pub federation: Option<&'a str>,
    /// The attestations, in any order.
    pub files: &'a [PathBuf],
}

/// A directory that is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Number of sessions.
    pub sessions: u64,
    /// The root over them.
    pub history_root: Hash,
    /// The guardians whose signatures stand under every session.
    pub peers: Vec<u16>,
    /// All guardians whose attestations were verified.
    pub verified: Vec<u16>,
    /// Whether it was sealed with these signatures before.
    pub existed: bool,
}

/// Verifies attestations and puts their signatures into the database of a migrated directory.
///
/// # Errors
/// If a file is not whole, not of this very history, or has a signature that does not hold; if there are too few; if
/// the database is not the one of its manifest or cannot be written.
pub fn seal(job: Seal<'_>, control: Control<'_>) -> Result<Sealed, MigrationError> {
    let database = job.dir.join(DATABASE_NAME);
    Replacement::recover(&database)?;
    let dir = MigratedDir::open(job.dir)?;
    check_sealable(&dir)?;
    if let Some(known) = job.federation {
        check_federation(&dir, known)?;
    }
    let files = open_files(&job, &dir, control)?;
    let sealing = Sealing { dir: &dir, keys: job.keys, files: &files };
    let verified = sealing.verify(control)?;
    let chosen = &files[..job.keys.threshold()];
    let existed = verified.already;
    if !existed {
        let replacement = Replacement::create(&database)?;
        sealing.write(&replacement.path(), verified.sessions, control)?;
        // Open files of the old database would not follow it to its other name.
        drop(dir);
        replacement.exchange()?;
    }
    Ok(Sealed {
        sessions: verified.root.sessions(),
        history_root: verified.root.root(),
        peers: chosen.iter().map(|file| file.facts.peer).collect(),
        verified: files.iter().map(|file| file.facts.peer).collect(),
        existed,
    })
}

/// Opens all files and checks all that their headers say but the root; gives them by ascending peer.
fn open_files(
    job: &Seal<'_>,
    dir: &MigratedDir,
    control: Control<'_>,
) -> Result<Vec<Attestation>, MigrationError> {
    let tag = Hash(job.keys.tag().unwrap_or_default());
    let mut by_peer: BTreeMap<u16, Attestation> = BTreeMap::new();
    for path in job.files {
        let file = Attestation::open(path, control)?;
        let (facts, path) = (&file.facts, path.clone());
        if facts.federation != dir.manifest.federation {
            let (stated, known) = (facts.federation.clone(), dir.manifest.federation.clone());
            return Err(SealError::OtherFederation { path, stated, known }.into());
        }
        if facts.key_set_tag != tag {
            return Err(SealError::OtherKeys { path, stated: facts.key_set_tag, known: tag }.into());
        }
        let peer = facts.peer;
        if job.keys.x_only(peer).is_none() {
            return Err(SealError::NoGuardian { path, peer }.into());
        }
        if let Some(first) = by_peer.insert(peer, file) {
            return Err(SealError::SameGuardian { first: first.path, second: path, peer }.into());
        }
    }
    let (given, threshold) = (by_peer.len(), job.keys.threshold());
    if given < threshold {
        return Err(SealError::TooFew { given, threshold }.into());
    }
    Ok(by_peer.into_values().collect())
}

/// The database and the attestations that are put into it, by ascending peer.
struct Sealing<'a> {
    dir: &'a MigratedDir,
    keys: &'a SessionKeys,
    files: &'a [Attestation],
}

/// What a pass over all sessions came to.
struct Verified {
    root: HistoryRoot,
    /// SHA-256 over the sealed sessions' keys and records.
    sessions: Hash,
    /// Every session has these very signatures.
    already: bool,
}

/// A session with the signatures that belong under it.
struct Signed {
    leaf: fm_history::SessionLeaf,
    key: Vec<u8>,
    record: Vec<u8>,
    /// It is stored like that already.
    already: bool,
    /// The files whose signatures do not hold over it, by their place in the list.
    bad: Vec<usize>,
}

/// Signatures over a session, by the files' places in the list; none where a file ends before.
type Attached = Vec<Option<SchnorrSignature>>;

/// Takes a row of the new database.
type Put<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

impl Sealing<'_> {
    /// Verifies every signature over the headers here.
    fn verify(&self, control: Control<'_>) -> Result<Verified, MigrationError> {
        let lengths: BTreeSet<u64> = self.files.iter().map(|file| file.facts.sessions).collect();
        let mut roots = BTreeMap::new();
        let mut first_bad = vec![None; self.files.len()];
        let mut root = HistoryRoot::new();
        let mut sessions = Identity::default();
        let mut already = true;
        control.progress.begin("verifying", "sessions", Some(self.dir.manifest.sessions));
        self.pass(true, control, |signed| {
            root.push(signed.leaf);
            if lengths.contains(&root.sessions()) {
                roots.insert(root.sessions(), root.root());
            }
            for file in signed.bad {
                first_bad[file].get_or_insert(signed.leaf.header.index);
            }
            sessions.push(&signed.key, &signed.record);
            already &= signed.already;
            Ok(())
        })?;
        control.progress.end();
        check_root(&root, &self.dir.manifest)?;
        for (file, first_bad) in self.files.iter().zip(first_bad) {
            let facts = &file.facts;
            let compared = Compared {
                here: root.sessions(),
                root_here: root.root(),
                theirs: facts.sessions,
                root_theirs: facts.history_root,
                root_at_theirs: roots.get(&facts.sessions).copied(),
                first_bad,
            };
            check_relation(file, &compared)?;
        }
        Ok(Verified { root, sessions: sessions.finish(), already })
    }

    /// Goes over all sessions with the signatures that belong to them.
    fn pass(
        &self,
        verify: bool,
        control: Control<'_>,
        on_signed: impl FnMut(Signed) -> Result<(), MigrationError>,
    ) -> Result<(), MigrationError> {
        let mut readers = self.files.iter().map(Attestation::reader).collect::<Result<Vec<_>, _>>()?;
        let mut streams: Vec<SignatureStream<'_>> =
            self.files.iter().zip(&mut readers).map(|(file, reader)| file.signatures(reader)).collect();
        let attach = |session| {
            let next = |(file, stream): (&Attestation, &mut SignatureStream<'_>)| {
                (session < file.facts.sessions).then(|| stream.next(session)).transpose()
            };
            self.files.iter().zip(&mut streams).map(next).collect()
        };
        let work = |stored, parts| self.signed(stored, &parts, verify);
        each_session(self.dir, control, attach, work, on_signed)
    }

    fn signed(&self, stored: StoredSession<Attached>, parts: &SessionParts, verify: bool) -> Signed {
        let leaf = parts.leaf(stored.index);
        let message = self.keys.message(&leaf.header.to_bytes());
        let holds = |(file, signature): &(&Attestation, &Option<SchnorrSignature>)| {
            let verdict = |signature| self.keys.verify(file.facts.peer, &message, signature).is_ok();
            signature.as_ref().is_none_or(verdict)
        };
        let given = || self.files.iter().zip(&stored.attached);
        let bad = match verify {
            true => (0..).zip(given()).filter(|(_, one)| !holds(one)).map(|(place, _)| place).collect(),
            false => Vec::new(),
        };
        let chosen = given().take(self.keys.threshold());
        let signatures =
            chosen.filter_map(|(file, signature)| Some((file.facts.peer, (*signature)?))).collect();
        let record = signed_record(&stored.record[..parts.outcome_bytes], &signatures);
        Signed { leaf, already: parts.signatures == signatures, key: stored.key, record, bad }
    }

    /// Writes the new database and reads it back; its sessions must be those that were verified.
    fn write(&self, path: &Path, verified: Hash, control: Control<'_>) -> Result<(), MigrationError> {
        let mut writer = StoreWriter::create(path)?;
        let mut written = Identity::default();
        let mut put = |key: &[u8], value: &[u8]| {
            written.push(key, value);
            writer.push_sorted(key, value)
        };
        self.copy(&[], Some(&[session::SIGNED_SESSION_OUTCOME]), control, &mut put)?;
        let mut sessions = Identity::default();
        control.progress.begin("sealing", "sessions", Some(self.dir.manifest.sessions));
        self.pass(false, control, |signed| {
            sessions.push(&signed.key, &signed.record);
            Ok(put(&signed.key, &signed.record)?)
        })?;
        control.progress.end();
        if sessions.finish() != verified {
            return Err(SealError::Changed { path: self.dir.path.clone() }.into());
        }
        self.copy(&[session::SIGNED_SESSION_OUTCOME + 1], None, control, &mut put)?;
        let written = written.finish();
        writer.finish()?;
        let store = ReadStore::open(path)?;
        let read = identity(EpochStream { rows: &store, path }, control)?;
        if read != written {
            let what = format!("the database reads back with identity {read}, and {written} was written");
            return Err(MigrationError::ReadBack { what });
        }
        Ok(())
    }

    /// Copies the rows of a range as they are.
    fn copy(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        control: Control<'_>,
        put: &mut Put<'_>,
    ) -> Result<(), MigrationError> {
        let database = &self.dir.database;
        control.progress.begin("other records", "records", None);
        for row in RowSource::scan_range(database, from, to) {
            let (key, value) = row.map_err(|source| AuditError::rows(database.path(), source))?;
            put(&key, &value)?;
            control.check()?;
            control.progress.advance(1);
        }
        control.progress.end();
        Ok(())
    }
}

/// Refuses a file that is not of this very history with nothing but good signatures.
fn check_relation(file: &Attestation, compared: &Compared) -> Result<(), SealError> {
    let (path, peer, facts) = (file.path.clone(), file.facts.peer, &file.facts);
    Err(match compared.relation() {
        Relation::Same => return Ok(()),
        Relation::BadSignature { session } => SealError::BadSignature { path, peer, session },
        Relation::Shorter { until } => {
            SealError::Shorter { path, peer, until, last: compared.here.saturating_sub(1) }
        }
        Relation::Longer { until } => {
            SealError::Longer { path, peer, until, last: facts.sessions.saturating_sub(1) }
        }
        Relation::Other { session } => SealError::OtherHistory { path, peer, session },
        Relation::OtherRoot => SealError::OtherRoot { path, peer, stated: facts.history_root },
    })
}
