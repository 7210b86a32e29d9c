//! A whole guardian in a new directory: the configuration from its server's backup, the database from an archive, and the
//! equivocation guard.
//!
//! Upstream's own restore brings back the configuration only. Invariants: backup and archive are shown to be of one guardian
//! of one federation; the directory appears under its name when everything in it is written, proven and on the disk, or not
//! at all; nobody but its owner reads it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::Control;
use fm_backup::{BackupTar, Handover, Location, State, write_database};
use fm_config::{FilesError, GuardianFiles, belongs};
use fm_crypto::SessionKeys;
use fm_datadir::{DATABASE_NAME, GUARD_NAME, LOCAL, RESTORED_NAME, SignedSession};
use fm_history::{Finding, Severity};
use fm_store::{
    Inheritance, PartialDir, StoreError, check_movable, check_writable, directory_of, free_bytes,
};

use crate::RestoreError;
use crate::guard::{Guard, Guarded};
use crate::job::identity_of;
use crate::journal::Proof;
use crate::origin::{Whose, bytes_of, check_full, open_origin};
use crate::peers::{Subject, Witness, check_majority};
use crate::prove::Proving;
use crate::stamp::Stamp;

/// What is to be made, and what the user says of it.
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
    /// Whether the archive may be another guardian's, or not say whose it is.
    pub accept_other_guardian: bool,
    /// Copies of other guardians to compare with.
    pub compare: &'a [Location],
    /// The last session in which the guardian may have signed units, if the user states one.
    pub guard_until: Option<u64>,
    /// The guardian's password, if one was given: it opens private keys that are encrypted.
    pub password: Option<&'a str>,
    /// Now.
    pub now: SystemTime,
}

/// What is known of the guardian's private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// It is in clear, and it is this guardian's.
    InClear,
    /// It is encrypted, was opened, and is this guardian's.
    Opened,
    /// It is encrypted, and was not opened for want of the password.
    NotOpened,
}

/// A guardian that can be made.
pub struct WholePlan {
    origin: State,
    /// What is proven of the archive.
    pub proof: Proof,
    /// The guardian's number.
    pub peer: u16,
    /// Whether the federation has no other guardian, who could give again what the archive lacks.
    pub alone: bool,
    /// What is known of its key.
    pub key: KeyCheck,
    /// What the archive says, if it is the last one of a guardian that was moved.
    pub handover: Option<Handover>,
    /// What of the archive is not certain.
    pub warnings: Vec<Finding>,
    /// What the other guardians' copies say.
    pub witnesses: Vec<Witness>,
    /// The last session in which the guardian may make no units; none if there is nothing to guard.
    ///
    /// An error is for the user to resolve.
    pub guard: Result<Option<Guard>, RestoreError>,
    /// What the guard was concluded from.
    pub evidence: String,
    /// About how many bytes will be written.
    pub bytes: u64,
    /// Bytes that are free where they go.
    pub free: u64,
    began: Stamp,
}

impl Whole<'_> {
    /// Decides; writes nothing.
    ///
    /// # Errors
    /// If backup and archive do not belong together, the archive is not proven, or the other guardians disagree.
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
        let guard = until.map(|until| until.map(|until| Guard::new(guarded(until), None)));
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

    /// Refuses, before any work is done, a place that the guardian cannot take in one step.
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

    /// Whether nothing is there, or an empty directory.
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

    /// The guardian's number, as the backup has it.
    fn peer(&self) -> Result<u16, RestoreError> {
        let peer = self.files.identity()?;
        if self.keys.x_only(peer).is_none() {
            let what = format!("{LOCAL} says guardian {peer}, and there is no such guardian in the keys");
            return Err(FilesError::Mixed { what }.into());
        }
        Ok(peer)
    }

    /// Whether the private keys are those of the guardian, as far as they can be read.
    fn check_key(&self, peer: u16) -> Result<KeyCheck, RestoreError> {
        let is_sealed = self.files.needs_password()?;
        if is_sealed && self.password.is_none() {
            return Ok(KeyCheck::NotOpened);
        }
        let found = self.files.private(self.password)?;
        belongs(&self.files.consensus()?, peer, &found.config, found.file)?;
        Ok(if is_sealed { KeyCheck::Opened } else { KeyCheck::InClear })
    }

    /// The files of the backup.
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

    /// Up to which session the guardian makes no units, and why.
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
    /// If something is in the way, cannot be written, or does not read back. Nothing is left at the target then.
    pub fn run(&self, plan: &mut WholePlan, control: Control<'_>) -> Result<Option<Guard>, RestoreError> {
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

    /// The files as they are on the disk.
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

    /// Whether the target is just what this makes: of a run that ended right after it had its name, or was given twice.
    ///
    /// # Errors
    /// If the target is there and is anything else.
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
    /// What stands in the way of making it, if it is known by now.
    ///
    /// # Errors
    /// If the user has to say up to which session the guardian may have signed units.
    pub fn check(&mut self) -> Result<(), RestoreError> {
        match &self.guard {
            Ok(_) => Ok(()),
            Err(_) => std::mem::replace(&mut self.guard, Ok(None)).map(drop),
        }
    }
}

/// Writes a file that nobody but its owner reads.
fn write_private(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    written.map_err(|source| StoreError::io(path, source))
}

/// The directory as it is named without links, whether it is there or not.
///
/// # Errors
/// If it cannot be made there.
pub fn target_of(path: &Path) -> Result<PathBuf, RestoreError> {
    if let Ok(real) = fs::canonicalize(path) {
        return Ok(real);
    }
    let name = path.file_name().ok_or_else(|| StoreError::Missing { path: path.to_owned() })?;
    let around = directory_of(path);
    let real = fs::canonicalize(around).map_err(|source| StoreError::io(around, source))?;
    Ok(real.join(name))
}
