//! Sealing: the signatures of a threshold of guardians are added to the sessions of a migrated history.
//!
//! Invariants: the old database is replaced only after every signature of every file is verified over the
//! local headers, and after the new database is read back. The result depends only on the signatures of the
//! lowest peers, not on the order or number of the files. The old database stays in its place until the new
//! one replaces it in the last step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fm_audit::{Control, MigratedDir, StateIdentity};
use fm_crypto::{SchnorrItem, SchnorrSignature, SessionKeys};
use fm_datadir::DATABASE_NAME;
use fm_eras::session;
use fm_history::{Hash, HistoryRoot, PeerId, SessionLeaf, signed_record};
use fm_store::{Inheritance, ReadStore, Replacement, StoreError, StoreWriter};
use rayon::prelude::*;

use crate::attestation::{Attestation, AttestationFacts, SignatureStream, shown};
use crate::pieces::{Piece, Pieces};
use crate::sessions::{SessionBatch, check_federation, check_root, check_sealable, each_session};
use crate::tips::{Compared, Relation};
use crate::{MigrationError, SealError};

/// The input of sealing.
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

/// The result of sealing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Number of sessions.
    pub sessions: u64,
    /// The root over them.
    pub history_root: Hash,
    /// The guardians whose signatures are under every session.
    pub peers: Vec<PeerId>,
    /// All guardians whose attestations were verified.
    pub verified: Vec<PeerId>,
    /// Whether the directory was already sealed with these signatures.
    pub existed: bool,
    /// A sentence that says which owner, group or mode of the new database is wrong, if any.
    pub owner_lacking: Option<String>,
}

/// Verifies attestations and adds their signatures to the database of a migrated directory.
///
/// # Errors
/// If a file is incomplete, covers another history, or has a signature that is not valid; if there are too
/// few files; if the database differs from its manifest or cannot be written; or if the job was interrupted.
pub fn seal(job: Seal<'_>, control: Control<'_>) -> Result<Sealed, MigrationError> {
    let database = job.dir.join(DATABASE_NAME);
    Replacement::recover(&database)?;
    let dir = MigratedDir::open(job.dir, control)?;
    check_sealable(&dir)?;
    if let Some(known) = job.federation {
        check_federation(&dir, known)?;
    }
    let files = open_files(&job, &dir, control)?;
    let chosen = &files[..job.keys.threshold()];
    let sealing = Sealing { dir: &dir, keys: job.keys, files: &files };
    let replacement = Replacement::create(&database)?;
    let sealed = sealing.write(&replacement.path(), control)?;
    let mut owner_lacking = None;
    if !sealed.already {
        let inheritance = Inheritance::replacing(&database)?;
        read_back(&replacement.path(), &sealed.pieces, control)?;
        // Files of the old database that are open would not follow it to its new name.
        drop(dir);
        replacement.exchange()?;
        owner_lacking = inheritance.lacking(&database);
    }
    Ok(Sealed {
        sessions: sealed.root.sessions(),
        history_root: sealed.root.root(),
        peers: chosen.iter().map(|file| file.facts.peer).collect(),
        verified: files.iter().map(|file| file.facts.peer).collect(),
        existed: sealed.already,
        owner_lacking,
    })
}

/// Opens all files and checks everything in their headers except the root; returns them by ascending peer.
fn open_files(
    job: &Seal<'_>,
    dir: &MigratedDir,
    control: Control<'_>,
) -> Result<Vec<Attestation>, MigrationError> {
    let tag = Hash(job.keys.tag().unwrap_or_default());
    let mut by_peer: BTreeMap<PeerId, Attestation> = BTreeMap::new();
    for path in job.files {
        let file = Attestation::open(path, control)?;
        let (facts, path) = (&file.facts, path.clone());
        if facts.federation != dir.manifest.federation {
            let (stated, known) = (shown(&facts.federation), dir.manifest.federation.clone());
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

/// The database and the attestations that are added to it, by ascending peer.
struct Sealing<'a> {
    dir: &'a MigratedDir,
    keys: &'a SessionKeys,
    files: &'a [Attestation],
}

/// The result of writing the new database.
struct Written {
    root: HistoryRoot,
    /// All rows.
    pieces: Vec<Piece>,
    /// Every session already had exactly these signatures.
    already: bool,
}

/// The new database, and the identity of its rows.
struct Output {
    writer: StoreWriter,
    pieces: Pieces,
}

impl Output {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.pieces.push(key, value);
        self.writer.push_sorted(key, value)
    }
}

/// The state over the sessions so far.
#[derive(Default)]
struct Running {
    root: HistoryRoot,
    /// The roots at the number of sessions that each file covers.
    roots: BTreeMap<u64, Hash>,
    /// For each file, the first session over which its signature is not valid.
    first_bad: BTreeMap<usize, u64>,
    differs: bool,
}

/// A session with the signatures that it should have.
struct Signed {
    leaf: SessionLeaf,
    key: Vec<u8>,
    record: Vec<u8>,
    /// The session is already stored with these signatures.
    already: bool,
    /// The files whose signatures over it are not valid, by their place in the list.
    bad: Vec<usize>,
}

/// Signatures over a session, by the files' places in the list; `None` where a file ends before the session.
type Attached = Vec<Option<SchnorrSignature>>;

impl Sealing<'_> {
    /// Verifies every signature over the local headers, and writes the database with them.
    fn write(&self, path: &Path, control: Control<'_>) -> Result<Written, MigrationError> {
        let mut output = Output { writer: StoreWriter::create(path)?, pieces: Pieces::default() };
        let sessions = session::SIGNED_SESSION_OUTCOME;
        self.copy(&[], Some(&[sessions]), control, &mut output)?;
        let running = self.pass(control, |key, record| output.put(key, record))?;
        check_root(&running.root, &self.dir.manifest)?;
        for (place, file) in self.files.iter().enumerate() {
            check_relation(file, &running.compared(place, &file.facts))?;
        }
        self.copy(&[sessions + 1], None, control, &mut output)?;
        output.writer.finish()?;
        Ok(Written { root: running.root, pieces: output.pieces.finish(), already: !running.differs })
    }

    /// Processes all sessions; `put` receives the new rows.
    fn pass(
        &self,
        control: Control<'_>,
        mut put: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<Running, MigrationError> {
        let lengths: BTreeSet<u64> = self.files.iter().map(|file| file.facts.sessions).collect();
        let mut readers = self.files.iter().map(Attestation::reader).collect::<Result<Vec<_>, _>>()?;
        let mut streams: Vec<SignatureStream<'_>> =
            self.files.iter().zip(&mut readers).map(|(file, reader)| file.signatures(reader)).collect();
        let attach = |session| {
            let next = |(file, stream): (&Attestation, &mut SignatureStream<'_>)| {
                (session < file.facts.sessions).then(|| stream.next(session)).transpose()
            };
            self.files.iter().zip(&mut streams).map(next).collect()
        };
        let mut running = Running::default();
        control.progress.begin("sealing", "sessions", Some(self.dir.manifest.sessions));
        let work = |sessions| self.signed(sessions);
        each_session(self.dir, control, attach, work, |signed| {
            put(&signed.key, &signed.record)?;
            running.push(signed, &lengths);
            Ok(())
        })?;
        control.progress.end();
        Ok(running)
    }

    fn signed(&self, sessions: SessionBatch<Attached>) -> Vec<Signed> {
        let leaves: Vec<_> = sessions.iter().map(|(stored, parts)| parts.leaf(stored.index)).collect();
        let bad = self.bad_signatures(&sessions, &leaves);
        let all = sessions.into_iter().zip(leaves).zip(bad);
        all.map(|(((stored, parts), leaf), bad)| {
            let given = self.files.iter().zip(&stored.attached).take(self.keys.threshold());
            let signatures =
                given.filter_map(|(file, signature)| Some((file.facts.peer, (*signature)?))).collect();
            let record = signed_record(&stored.record[..parts.outcome_bytes], &signatures);
            Signed { leaf, already: parts.signatures == signatures, key: stored.key, record, bad }
        })
        .collect()
    }

    /// Returns for each session the places of the files whose signatures over it are not valid.
    fn bad_signatures(&self, sessions: &SessionBatch<Attached>, leaves: &[SessionLeaf]) -> Vec<Vec<usize>> {
        let (mut items, mut origins) = (Vec::new(), Vec::new());
        for (number, ((stored, _), leaf)) in sessions.iter().zip(leaves).enumerate() {
            let message = self.keys.message(&leaf.header.to_bytes());
            for (place, (file, signature)) in self.files.iter().zip(&stored.attached).enumerate() {
                if let Some(signature) = signature {
                    items.push(SchnorrItem { peer: file.facts.peer, message, signature });
                    origins.push((number, place));
                }
            }
        }
        let mut bad = vec![Vec::new(); sessions.len()];
        for ((number, place), verdict) in origins.into_iter().zip(self.keys.verify_batch(&items)) {
            if verdict.is_err() {
                bad[number].push(place);
            }
        }
        bad
    }

    /// Copies the rows of a range unchanged.
    fn copy(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        control: Control<'_>,
        output: &mut Output,
    ) -> Result<(), MigrationError> {
        control.progress.begin("other records", "records", None);
        let mut rows = self.dir.database.scan_range(from, to);
        while let Some(row) = rows.next_row() {
            let (key, value) = row?;
            output.put(key, value)?;
            control.check()?;
            control.progress.advance(1);
        }
        control.progress.end();
        Ok(())
    }
}

impl Running {
    fn push(&mut self, signed: Signed, lengths: &BTreeSet<u64>) {
        self.root.push(signed.leaf);
        if lengths.contains(&self.root.sessions()) {
            self.roots.insert(self.root.sessions(), self.root.root());
        }
        for place in signed.bad {
            self.first_bad.entry(place).or_insert(signed.leaf.header.index);
        }
        self.differs |= !signed.already;
    }

    fn compared(&self, place: usize, facts: &AttestationFacts) -> Compared {
        Compared {
            here: self.root.sessions(),
            root_here: self.root.root(),
            theirs: facts.sessions,
            root_theirs: facts.history_root,
            root_at_theirs: self.roots.get(&facts.sessions).copied(),
            first_bad: self.first_bad.get(&place).copied(),
        }
    }
}

/// Reads a new database from the disk and compares it with what was written.
fn read_back(path: &Path, pieces: &[Piece], control: Control<'_>) -> Result<(), MigrationError> {
    let store = ReadStore::open(path)?;
    control.progress.begin("reading back", "records", None);
    let same = (0..pieces.len())
        .into_par_iter()
        .map(|place| {
            let mut identity = StateIdentity::default();
            let behind = pieces.get(place + 1).map(|next| next.from.as_slice());
            let mut rows = store.scan_range(&pieces[place].from, behind);
            while let Some(row) = rows.next_row() {
                let (key, value) = row?;
                identity.push(key, value);
                control.check()?;
                control.progress.advance(1);
            }
            Ok::<_, MigrationError>(identity.finish() == pieces[place].identity)
        })
        .try_reduce(|| true, |one, other| Ok(one && other))?;
    control.progress.end();
    if same {
        return Ok(());
    }
    Err(MigrationError::ReadBack { what: "the sealed database reads back as another one".to_owned() })
}

/// Refuses a file unless it covers exactly this history and all of its signatures are valid.
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
