//! Everything that a restore decides before it writes: whether the source is proven, whether others agree,
//! what is lost, and up to which session the guardian must make no units.
//!
//! Invariant: nothing is written here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::Control;
use fm_backup::{Location, State};
use fm_crypto::SessionKeys;
use fm_datadir::newest_checkpoint;
use fm_datadir::{GUARD_NAME, GuardFile, Guarded, SignedSession, broken_name, undone_name};
use fm_eras::Layout;
use fm_eras::block::BlockLayout;
use fm_history::{Finding, PeerId, Severity};
use fm_store::free_bytes;

use crate::RestoreError;
use crate::data_dir::DataDir;
use crate::in_place::{identity_of, is_before, is_marked};
use crate::journal::{Beginning, Chosen, Journal, Proof, Step};
use crate::kept::Incoming;
use crate::origin::{Whose, bytes_of, check_full, open_origin};
use crate::outgoing::{Look, Outgoing};
use crate::peers::{Subject, Witness, check_majority};
use crate::prove::Proving;
use crate::reach::{Evidence, Reach};
use crate::small_file::{read_guard, read_small};
use crate::stamp::Stamp;

/// The input for a restore.
#[derive(Clone)]
pub struct Restore<'a> {
    /// The source.
    pub source: Chosen,
    /// The guardians' public keys.
    pub keys: &'a SessionKeys,
    /// The kinds of the modules, if the keys come with a configuration.
    pub kinds: &'a BTreeMap<u16, String>,
    /// Federation id, in hex, if the keys come with one.
    pub federation: Option<&'a str>,
    /// The archive, if one is restored; it may be encrypted.
    pub archive: Option<&'a Location>,
    /// The base that an increment continues.
    pub base: Option<&'a Location>,
    /// Whether an archive may be another guardian's, or may not name its guardian.
    pub accept_other_guardian: bool,
    /// Copies of other guardians to compare with.
    pub compare: &'a [Location],
    /// The last session in which the guardian may have signed units, if the user states one.
    pub guard_until: Option<u64>,
    /// Whether data that no other guardian has may be lost permanently.
    pub accept_permanent_loss: bool,
    /// The number of rounds of a session, if the config states it.
    pub rounds_per_session: Option<u16>,
    /// The current time.
    pub now: SystemTime,
    /// Version of the tool.
    pub tool_version: &'a str,
}

/// A decided restore.
pub struct RestorePlan {
    pub(crate) origin: State,
    /// The proof of the source.
    pub proof: Proof,
    /// The path of the source.
    pub path: PathBuf,
    /// The uncertain or unread parts of the source: its newest rows, or whether it had a log.
    pub warnings: Vec<Finding>,
    /// The results for the other guardians' copies.
    pub witnesses: Vec<Witness>,
    /// The content of the old database.
    pub outgoing: Outgoing,
    /// The last session in which the guardian may make no units; `None` if no guard is needed.
    ///
    /// The user must resolve an error before the restore.
    pub guard: Result<Option<GuardFile>, RestoreError>,
    /// Whether the federation has no other guardian that could supply the lost data again.
    pub alone: bool,
    /// Whether the user accepts the permanent loss of data that no other guardian has.
    pub(crate) accepts_loss: bool,
    /// The estimated number of bytes to write.
    pub bytes: u64,
    /// The number of free bytes at the destination.
    pub free: u64,
    pub(crate) began: Stamp,
    pub(crate) number: u32,
}

impl Restore<'_> {
    /// Returns the path of the source.
    pub fn source_path(&self, dir: &DataDir) -> PathBuf {
        match &self.source {
            Chosen::Checkpoint { number } => dir.checkpoint(&number.to_string()),
            Chosen::NamedCheckpoint { name } => dir.checkpoint(name),
            Chosen::Archive { path } => path.clone(),
        }
    }

    pub(crate) fn proving<'a>(&'a self, control: Control<'a>) -> Proving<'a> {
        Proving { keys: self.keys, whole: true, control }
    }

    /// Returns the restore to finish, if there is one: its databases have begun to change places. Otherwise
    /// returns the last restore, if it was from the same source and nothing was written since.
    ///
    /// A restore that was cut off earlier begins again: the node may have run on the old database since, and
    /// made units that no guard covers.
    ///
    /// # Errors
    /// Fails if the restore has another source, or if its undo has begun.
    pub fn begun(&self, dir: &DataDir, control: Control<'_>) -> Result<Option<Journal>, RestoreError> {
        let (current, _) = Journal::current(dir.path())?;
        if let Some(done) =
            current.as_ref().filter(|done| done.step == Step::Done && done.source == self.source)
            && is_marked(&dir.database(), done)
            && identity_of(&dir.database(), control).is_ok_and(|identity| identity == done.proof.identity)
        {
            return Ok(current);
        }
        let Some(journal) = current.filter(|journal| journal.step.is_under_way()) else { return Ok(None) };
        let chosen = journal.source.to_string();
        if journal.step == Step::Undoing {
            return Err(RestoreError::Undoing { chosen });
        }
        if journal.step == Step::Building || (journal.step < Step::Swapped && is_before(dir, &journal)?) {
            return Ok(None);
        }
        if journal.source != self.source {
            return Err(RestoreError::UnderWay { chosen, step: journal.step.name() });
        }
        Ok(Some(journal))
    }

    /// Decides on the restore; writes nothing.
    ///
    /// # Errors
    /// Fails if a server runs, the source is not proven or not this guardian's, or the other guardians
    /// disagree.
    pub fn plan(&self, dir: &DataDir, control: Control<'_>) -> Result<RestorePlan, RestoreError> {
        dir.check_stopped()?;
        dir.check_changeable()?;
        let (path, proving) = (self.source_path(dir), self.proving(control));
        let origin = open_origin(
            &self.archive.map_or_else(|| path.as_path().into(), Location::clone),
            self.base,
            control,
        )?;
        let peer = dir.own_peer().filter(|peer| self.keys.x_only(*peer).is_some());
        check_full(&origin, Whose { federation: self.federation, peer, of_any: self.accept_other_guardian })?;
        let proven = proving.source(origin.history(), !self.compare.is_empty())?;
        self.check_number(&path, proven.proof.last)?;
        let witnesses =
            Subject { origin: &origin, proven: &proven, kinds: self.kinds }.compare(self.compare, proving)?;
        check_majority(&path, &witnesses)?;
        let outgoing = self.outgoing(dir, &origin, &proven.proof, peer, control)?;
        let (_, newest) = Journal::current(dir.path())?;
        let began = free_moment(dir, self.now);
        let existing = read_guard(dir.path())?;
        let reason =
            Reason { restore: self, peer, proof: &proven.proof, began: &began, existing: existing.as_ref() };
        let guard = reason.guard(&outgoing);
        let bytes = bytes_of(&origin);
        let free = free_bytes(dir.path())?;
        let number = newest.saturating_add(1);
        let mut warnings = origin.lacks();
        warnings.retain(|finding| finding.severity == Severity::Warning);
        let proof = proven.proof;
        let (alone, accepts_loss) = (self.keys.guardians() == 1, self.accept_permanent_loss);
        Ok(RestorePlan {
            origin,
            proof,
            path,
            warnings,
            witnesses,
            outgoing,
            guard,
            alone,
            accepts_loss,
            bytes,
            free,
            began,
            number,
        })
    }

    /// Checks that a checkpoint ends with the session after which it is named.
    fn check_number(&self, path: &Path, last: u64) -> Result<(), RestoreError> {
        match self.source {
            Chosen::Checkpoint { number } if number != last => {
                Err(RestoreError::OtherSession { path: path.to_owned(), named: number, last })
            }
            _ => Ok(()),
        }
    }

    fn outgoing(
        &self,
        dir: &DataDir,
        origin: &State,
        proof: &Proof,
        peer: Option<PeerId>,
        control: Control<'_>,
    ) -> Result<Outgoing, RestoreError> {
        let layout = layout_of(origin)?;
        let (current, _) = Journal::current(dir.path())?;
        let restored = current.filter(|journal| is_marked(&dir.database(), journal));
        let record = SignedSession::read(dir.path(), self.keys, dir.own_peer())?;
        let evidence = Evidence {
            record: record.as_ref(),
            // A database that a restore put in place ran last, however old it is: the guard covers what was
            // before.
            newest: newest_checkpoint(&dir.checkpoints())
                .max(Some(proof.last))
                .filter(|_| restored.is_none()),
            is_alone: false,
            speaks_for_itself: false,
        };
        let look = Look {
            database: &dir.database(),
            restored: proof.last,
            layout,
            keys: self.keys,
            peer,
            incoming: Some(Incoming { origin: origin.history(), last: proof.last, layout }),
            checkpoints: &dir.checkpoints(),
            evidence,
            restored_to: restored.map(|journal| journal.proof.last),
            rounds: self.rounds_per_session,
            control,
        };
        look.look()
    }
}

impl RestorePlan {
    /// Checks that nothing known prevents the restore.
    ///
    /// # Errors
    /// Fails if the user must state up to which session the guardian may have signed units, or must accept a
    /// permanent loss.
    pub fn check(&mut self) -> Result<(), RestoreError> {
        if self.guard.is_err() {
            return std::mem::replace(&mut self.guard, Ok(None)).map(drop);
        }
        match self.permanent_loss() {
            Some(what) if !self.accepts_loss => {
                Err(RestoreError::PermanentLoss { path: self.path.clone(), what })
            }
            _ => Ok(()),
        }
    }

    /// Describes the data that is lost permanently, because no other guardian has it; `None` if there is no
    /// such loss.
    pub fn permanent_loss(&self) -> Option<String> {
        if self.alone { self.outgoing.loss() } else { None }
    }

    /// Returns the journal with which the restore begins.
    pub(crate) fn journal(&mut self, dir: &DataDir, restore: &Restore<'_>) -> Result<Journal, RestoreError> {
        let guard = std::mem::replace(&mut self.guard, Ok(None))?;
        Ok(Journal::new(Beginning {
            number: self.number,
            began: self.began.clone(),
            source: restore.source.clone(),
            proof: self.proof.clone(),
            had_database: !dir.is_free(&dir.database()),
            guard,
            guard_before: read_small(&dir.path().join(GUARD_NAME))?,
            tool_version: restore.tool_version,
        }))
    }
}

fn layout_of(origin: &State) -> Result<&'static BlockLayout, RestoreError> {
    match origin.layout() {
        Layout::Blocks(layout) => Ok(layout),
        Layout::Hbbft(layout) => {
            Err(RestoreError::OtherEra { path: origin.path().to_owned(), era: layout.era().as_str() })
        }
    }
}

/// The input for a guard beside the content of the old database.
struct Reason<'a> {
    restore: &'a Restore<'a>,
    peer: Option<PeerId>,
    proof: &'a Proof,
    began: &'a Stamp,
    existing: Option<&'a GuardFile>,
}

impl Reason<'_> {
    fn guard(&self, outgoing: &Outgoing) -> Result<Option<GuardFile>, RestoreError> {
        let until = guard_until(outgoing, self.restore.guard_until)?;
        let evidence = match self.restore.guard_until {
            Some(given) => format!("{}; --guard-until {given}", outgoing.evidence),
            None => outgoing.evidence.clone(),
        };
        let guarded = |until| Guarded {
            until,
            peer: self.peer,
            federation: self.restore.federation,
            reason: "restore",
            evidence: evidence.clone(),
            restored_session: self.proof.last,
            history_root: self.proof.history_root.clone(),
            time: self.began.as_str(),
        };
        let until = until.or(self.existing.map(|guard| guard.until_session));
        Ok(until.map(|until| GuardFile::new(guarded(until), self.existing)))
    }
}

/// Returns the session up to which the guardian must make no units, from the evidence and the user's
/// statement.
pub(crate) fn guard_until(outgoing: &Outgoing, given: Option<u64>) -> Result<Option<u64>, RestoreError> {
    let why = || outgoing.evidence.clone();
    match (&outgoing.reach, given) {
        (Reach::Known(until), None) => Ok(*until),
        (Reach::Unknown(at_least), None) => {
            Err(RestoreError::GuardUnknown { at_least: *at_least, why: why() })
        }
        (Reach::Known(least), Some(given)) if least.is_none_or(|least| given >= least) => Ok(Some(given)),
        (Reach::Unknown(least), Some(given)) if given >= *least => Ok(Some(given)),
        (Reach::Known(least), Some(given)) => {
            Err(RestoreError::GuardTooLow { given, at_least: least.unwrap_or(0), why: why() })
        }
        (Reach::Unknown(least), Some(given)) => {
            Err(RestoreError::GuardTooLow { given, at_least: *least, why: why() })
        }
    }
}

/// Returns the first time from now on whose names are not taken.
pub(crate) fn free_moment(dir: &DataDir, now: SystemTime) -> Stamp {
    let mut time = now;
    loop {
        let stamp = Stamp::of(time);
        let names = [broken_name(stamp.as_str()), undone_name(stamp.as_str())];
        let taken = names.iter().any(|name| !dir.is_free(&dir.path().join(name)));
        if !taken {
            return stamp;
        }
        time += std::time::Duration::from_secs(1);
    }
}
