//! Makes a whole guardian in a new directory: the configuration from its server's backup, the database from
//! an archive, and the equivocation guard.
//!
//! Upstream's own restore recovers only the configuration. Invariants: backup and archive are proven to be of
//! one guardian of one federation. The directory gets its name only when everything in it is written, proven
//! and on the disk. Only its owner can read it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::Control;
use fm_backup::{BackupTar, Handover, Location, State, write_database};
use fm_config::{FilesError, GuardianFiles, belongs};
use fm_crypto::SessionKeys;
use fm_datadir::{DATABASE_NAME, GUARD_NAME, GuardFile, Guarded, LOCAL, RESTORED_NAME, SignedSession};
use fm_history::{Finding, PeerId, Severity};
use fm_store::{
    Inheritance, PartialDir, StoreError, check_movable, check_writable, directory_of, free_bytes,
};

use crate::RestoreError;
use crate::in_place::identity_of;
use crate::journal::Proof;
use crate::origin::{Whose, bytes_of, check_full, open_origin};
use crate::peers::{Subject, Witness, check_majority};
use crate::prove::Proving;
use crate::stamp::Stamp;

/// The input for a new guardian.
#[derive(Clone)]
pub struct Whole<'a> {
    /// The directory to make.
    pub target: &'a Path,
    /// The guardian's configuration: a backup.
    pub files: &'a GuardianFiles,
    /// The guardians' public keys.
    pub keys: &'a SessionKeys,
    /// Federation id, in hex, if the keys come with one.
    pub federation: Option<&'a str>,
    /// The archive of the guardian's full state.
    pub archive: &'a Location,
    /// The archive that an increment continues.
    pub base: Option<&'a Location>,
    /// Whether the archive may be another guardian's, or may not name its guardian.
    pub accept_other_guardian: bool,
    /// Copies of other guardians to compare with.
    pub compare: &'a [Location],
    /// The last session in which the guardian may have signed units, if the user states one.
    pub guard_until: Option<u64>,
    /// The guardian's password, if given: it opens encrypted private keys.
    pub password: Option<&'a str>,
    /// The current time.
    pub now: SystemTime,
}

/// The state of the guardian's private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// It is not encrypted, and it is this guardian's.
    InClear,
    /// It is encrypted, was opened, and is this guardian's.
    Opened,
    /// It is encrypted, and was not opened because there is no password.
    NotOpened,
}

/// A decided guardian.
pub struct WholePlan {
    origin: State,
    /// The proof of the archive.
    pub proof: Proof,
    /// The guardian's number.
    pub peer: PeerId,
    /// Whether the federation has no other guardian that could supply what the archive lacks.
    pub alone: bool,
    /// The state of its key.
    pub key: KeyCheck,
    /// The archive's handover, if it is the last archive of a moved guardian.
    pub handover: Option<Handover>,
    /// The uncertain parts of the archive.
    pub warnings: Vec<Finding>,
    /// The results for the other guardians' copies.
    pub witnesses: Vec<Witness>,
    /// The last session in which the guardian may make no units; `None` if no guard is needed.
    ///
    /// The user must resolve an error.
    pub guard: Result<Option<GuardFile>, RestoreError>,
    /// The evidence for the guard.
    pub evidence: String,
    /// The estimated number of bytes to write.
    pub bytes: u64,
    /// The number of free bytes at the destination.
    pub free: u64,
    began: Stamp,
}

impl Whole<'_> {
    /// Decides on the guardian; writes nothing.
    ///
    /// # Errors
    /// Fails if backup and archive do not belong together, the archive is not proven, or the other guardians
    /// disagree.
    pub fn plan(&self, control: Control<'_>) -> Result<WholePlan, RestoreError> {
        self.check_target()?;
        let peer = self.peer()?;
        let key = self.check_key(peer)?;
        let origin = open_origin(self.archive, self.base, control)?;
        let whose =
            Whose { federation: self.federation, peer: Some(peer), of_any: self.accept_other_guardian };
        check_full(&origin, whose)?;
        let handover = self.handover(&origin)?;
        let proving = Proving { keys: self.keys, whole: true, control };
        let proven = proving.source(origin.history(), !self.compare.is_empty())?;
        let kinds = &self.files.consensus()?.modules;
        let witnesses = Subject { origin: &origin, proven: &proven, kinds }.compare(self.compare, proving)?;
        check_majority(self.archive.path(), &witnesses)?;
        let proof = proven.proof;
        let began = Stamp::of(self.now);
        let (until, evidence) = self.guard(&proof, handover.as_ref());
        let guarded = |until| Guarded {
            until,
            peer: Some(peer),
            federation: self.federation,
            reason: "restore",
            evidence: evidence.clone(),
            restored_session: proof.last,
            history_root: proof.history_root.clone(),
            time: began.as_str(),
        };
        let guard = until.map(|until| until.map(|until| GuardFile::new(guarded(until), None)));
        let mut warnings = origin.lacks();
        warnings.retain(|finding| finding.severity == Severity::Warning);
        let (bytes, free) = (bytes_of(&origin), free_bytes(directory_of(self.target))?);
        Ok(WholePlan {
            origin,
            proof,
            peer,
            alone: self.keys.guardians() == 1,
            key,
            handover,
            warnings,
            witnesses,
            guard,
            evidence,
            bytes,
            free,
            began,
        })
    }

    /// Refuses, before any work is done, a target to which the guardian cannot be renamed in one step.
    fn check_target(&self) -> Result<(), RestoreError> {
        check_writable(directory_of(self.target))?;
        match check_movable(self.target) {
            Err(StoreError::Pinned { path, .. }) => return Err(RestoreError::Mounted { path }),
            checked => checked?,
        }
        if self.is_vacant()? || self.target.join(DATABASE_NAME).join(RESTORED_NAME).is_file() {
            return Ok(());
        }
        let what = "it holds something that this restore did not make".to_owned();
        Err(RestoreError::NotEmpty { path: self.target.to_owned(), what })
    }

    /// Returns whether the target does not exist or is an empty directory.
    fn is_vacant(&self) -> Result<bool, RestoreError> {
        match fs::read_dir(self.target) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(true),
            Err(source) if source.kind() == ErrorKind::NotADirectory => {
                Err(StoreError::NotADirectory { path: self.target.to_owned() }.into())
            }
            Err(source) => Err(StoreError::io(self.target, source).into()),
        }
    }

    /// Returns the guardian's number, as recorded in the backup.
    fn peer(&self) -> Result<PeerId, RestoreError> {
        let peer = self.files.own_peer()?;
        if self.keys.x_only(peer).is_none() {
            let what = format!("{LOCAL} says guardian {peer}, and there is no such guardian in the keys");
            return Err(FilesError::Mixed { what }.into());
        }
        Ok(peer)
    }

    /// Checks that the private keys are the guardian's, as far as they can be read.
    fn check_key(&self, peer: PeerId) -> Result<KeyCheck, RestoreError> {
        let is_sealed = self.files.needs_password()?;
        if is_sealed && self.password.is_none() {
            return Ok(KeyCheck::NotOpened);
        }
        let found = self.files.private(self.password)?;
        belongs(&self.files.consensus()?, peer, &found.config, found.file)?;
        Ok(if is_sealed { KeyCheck::Opened } else { KeyCheck::InClear })
    }

    /// Returns the files of the backup.
    fn contents(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.backup().into_iter().flat_map(BackupTar::files)
    }

    fn handover(&self, origin: &State) -> Result<Option<Handover>, RestoreError> {
        let Some(said) = origin.metadata() else { return Ok(None) };
        Handover::of(&said).map_err(|name| {
            let what = format!("its entry {name:?} is not what `move` writes");
            RestoreError::NotFull { path: self.archive.path().to_owned(), what }
        })
    }

    /// Returns the session up to which the guardian makes no units, and the evidence.
    fn guard(
        &self,
        proof: &Proof,
        handover: Option<&Handover>,
    ) -> (Result<Option<u64>, RestoreError>, String) {
        let given = self.guard_until;
        if self.keys.guardians() == 1 {
            return (Ok(None), "the guardian is alone, and makes no units".to_owned());
        }
        if let Some(handover) = handover {
            let why =
                format!("the archive is the last one of the guardian at the old place ({})", handover.moved);
            return (Ok(handover.guard_until.max(given)), why);
        }
        let at_least = proof.last.saturating_add(1);
        let why = "the archive does not say what this guardian signed after it".to_owned();
        match given {
            None => (Err(RestoreError::GuardUnknown { at_least, why: why.clone() }), why),
            Some(given) if given < at_least => {
                (Err(RestoreError::GuardTooLow { given, at_least, why: why.clone() }), why)
            }
            Some(given) => (Ok(Some(given)), format!("{why}; --guard-until {given}")),
        }
    }

    /// Makes the guardian.
    ///
    /// # Errors
    /// Fails if a path is taken, a file cannot be written, or data does not read back. Nothing remains at the
    /// target then.
    pub fn run(&self, plan: &mut WholePlan, control: Control<'_>) -> Result<Option<GuardFile>, RestoreError> {
        let guard = std::mem::replace(&mut plan.guard, Ok(None))?;
        let owner = Inheritance::owner_at(self.target)?;
        let partial = PartialDir::create_over_empty(self.target)?;
        let place = partial.path();
        let failed = |source| StoreError::io(place, source);
        fs::set_permissions(place, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        for (name, contents) in self.contents() {
            write_private(&place.join(name), contents)?;
        }
        if let Some(guard) = &guard {
            write_private(&place.join(GUARD_NAME), guard.text().as_bytes())?;
        }
        if let Some(newest) = plan.handover.as_ref().and_then(|handover| handover.signed) {
            let record = SignedSession { newest: Some(newest), ..SignedSession::new(self.keys, plan.peer) };
            record.write(place)?;
        }
        let database = place.join(DATABASE_NAME);
        write_database(&plan.origin, &database, control)?;
        Proving { keys: self.keys, whole: true, control }.copy(&database, &plan.proof)?;
        write_private(&database.join(RESTORED_NAME), format!("made {}\n", plan.began.as_str()).as_bytes())?;
        self.check_files(place)?;
        control.check()?;
        partial.publish_as(&owner)?;
        Ok(guard)
    }

    /// Checks the files on the disk.
    fn check_files(&self, place: &Path) -> Result<(), RestoreError> {
        for (name, contents) in self.contents() {
            let path = place.join(name);
            let read = fs::read(&path).map_err(|source| StoreError::io(&path, source))?;
            if read != contents {
                return Err(RestoreError::ReadBack { what: format!("{name} is another one") });
            }
        }
        Ok(())
    }

    /// Returns whether the target is exactly the result of this plan: an earlier run ended right after the
    /// rename, or the command was given twice.
    ///
    /// # Errors
    /// Fails if the target exists and is anything else.
    pub fn is_done(&self, plan: &WholePlan, control: Control<'_>) -> Result<bool, RestoreError> {
        let other =
            |what: &str| RestoreError::NotEmpty { path: self.target.to_owned(), what: what.to_owned() };
        if self.is_vacant()? {
            return Ok(false);
        }
        let database = self.target.join(DATABASE_NAME);
        if self.check_files(self.target).is_err() {
            return Err(other("it holds another configuration"));
        }
        let same = identity_of(&database, control).is_ok_and(|identity| identity == plan.proof.identity);
        if !same {
            return Err(other("its database is another one, or the guardian has run on it since"));
        }
        PartialDir::settle(self.target)?;
        Ok(true)
    }
}

impl WholePlan {
    /// Checks that nothing known prevents the job.
    ///
    /// # Errors
    /// Fails if the user must state up to which session the guardian may have signed units.
    pub fn check(&mut self) -> Result<(), RestoreError> {
        match &self.guard {
            Ok(_) => Ok(()),
            Err(_) => std::mem::replace(&mut self.guard, Ok(None)).map(drop),
        }
    }
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    written.map_err(|source| StoreError::io(path, source))
}

/// Returns the directory's path without links, whether it exists or not.
///
/// # Errors
/// Fails if the directory cannot be made there.
pub fn target_of(path: &Path) -> Result<PathBuf, RestoreError> {
    if let Ok(real) = fs::canonicalize(path) {
        return Ok(real);
    }
    let name = path.file_name().ok_or_else(|| StoreError::Missing { path: path.to_owned() })?;
    let around = directory_of(path);
    let real = fs::canonicalize(around).map_err(|source| StoreError::io(around, source))?;
    Ok(real.join(name))
}
