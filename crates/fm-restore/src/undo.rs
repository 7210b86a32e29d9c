//! Undoes a restore: the old database takes its place again, and the restored one is kept.
//!
//! Invariants: only a new database that was never in place is removed. Rows that the node wrote since the
//! restore are discarded only if the user says so; the guard then covers the units that the node signed
//! meanwhile.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_audit::Control;
use fm_crypto::SessionKeys;
use fm_datadir::{GuardFile, Guarded, SignedSession};
use fm_eras::Layout;
use fm_store::{DatabaseLock, Stage, StoreError, Swap};

use crate::RestoreError;
use crate::data_dir::{DataDir, LockedDir};
use crate::in_place::{identity_of, is_before, is_marked, set_guard, stage, with_swap_in};
use crate::job::give_up;
use crate::journal::{Journal, Step};
use crate::outgoing::{Look, Outgoing};
use crate::plan::{free_moment, guard_until};
use crate::reach::Evidence;
use crate::small_file::{parse_guard, read_guard};

/// The input for an undo.
#[derive(Clone, Copy)]
pub struct Undo<'a> {
    /// The guardians' public keys.
    pub keys: &'a SessionKeys,
    /// Federation id, in hex, if the keys come with one.
    pub federation: Option<&'a str>,
    /// Whether rows that were written since the restore may be discarded.
    pub discard_written: bool,
    /// The last session in which the guardian may have signed units, if the user states one.
    pub guard_until: Option<u64>,
    /// The current time.
    pub now: SystemTime,
}

/// A decided undo.
pub struct UndoPlan {
    /// The restore.
    pub journal: Journal,
    /// Whether the databases have to change places; if not, only the unfinished new one is removed.
    pub swaps: bool,
    /// The content of the restored database beyond the restored state, if rows were written to it.
    pub written: Option<Outgoing>,
    /// The old database, if there was one and it has to be put back.
    pub old: Option<PathBuf>,
}

impl Undo<'_> {
    /// Decides on the undo; writes nothing.
    ///
    /// # Errors
    /// Fails if there is nothing to undo, a server runs, or the restored database was written to.
    pub fn plan(&self, dir: &DataDir, control: Control<'_>) -> Result<UndoPlan, RestoreError> {
        let (current, _) = Journal::current(dir.path())?;
        let mut journal =
            current.ok_or_else(|| RestoreError::NothingToUndo { path: dir.path().to_owned() })?;
        dir.check_stopped()?;
        dir.check_changeable()?;
        let broken = dir.broken(&journal);
        if journal.step == Step::Undoing {
            let old = journal.had_database.then_some(broken);
            return Ok(UndoPlan { journal, swaps: true, written: None, old });
        }
        // Before the journal records the new database as built, no swap can have begun.
        let not_begun =
            journal.step == Step::Building || (journal.step < Step::Swapped && is_before(dir, &journal)?);
        if not_begun {
            return Ok(UndoPlan { journal, swaps: false, written: None, old: None });
        }
        let restored = restored_at(dir, &journal)?;
        if journal.had_database && stage(dir, &journal)? == Stage::After && dir.is_free(&broken) {
            return Err(StoreError::Missing { path: broken }.into());
        }
        journal.undo_began = Some(free_moment(dir, self.now).as_str().to_owned());
        let written = self.written(dir, &restored, &journal, control)?;
        journal.guard_undone = match &written {
            None => journal.guard_before.clone(),
            Some(written) => self.guard(dir, written, &journal)?.map(|guard| guard.text()),
        };
        let old = journal.had_database.then_some(broken);
        Ok(UndoPlan { journal, swaps: true, written, old })
    }

    /// Returns what the node wrote since the restore; `None` if every row is as restored.
    fn written(
        &self,
        dir: &DataDir,
        restored: &Path,
        journal: &Journal,
        control: Control<'_>,
    ) -> Result<Option<Outgoing>, RestoreError> {
        let identity = identity_of(restored, control);
        control.check()?;
        let record = SignedSession::read(dir.path(), self.keys, dir.own_peer())?;
        let newest = record.as_ref().and_then(|record| record.newest);
        // The guard of the restore covers every session that the node had recorded before it.
        let made_since = newest > journal.guard.as_ref().map(|guard| guard.until_session);
        if !made_since && identity.is_ok_and(|identity| identity == journal.proof.identity) {
            return Ok(None);
        }
        let Some(Layout::Blocks(layout)) = Layout::by_name(&journal.proof.layout) else {
            let what = format!("there is no layout {:?}", journal.proof.layout);
            return Err(RestoreError::NotOurs { path: journal.path(dir.path()), what });
        };
        let peer = dir.own_peer().filter(|peer| self.keys.x_only(*peer).is_some());
        let look = Look {
            database: restored,
            restored: journal.proof.last,
            layout,
            keys: self.keys,
            peer,
            incoming: None,
            checkpoints: &dir.checkpoints(),
            evidence: Evidence {
                record: record.as_ref(),
                newest: None,
                is_alone: false,
                speaks_for_itself: false,
            },
            restored_to: None,
            rounds: None,
            control,
        };
        look.look().map(Some)
    }

    /// Returns the guard over the units that are discarded with the restored database, no lower than the
    /// existing guard.
    fn guard(
        &self,
        dir: &DataDir,
        written: &Outgoing,
        journal: &Journal,
    ) -> Result<Option<GuardFile>, RestoreError> {
        if !self.discard_written {
            let what =
                format!("{} session(s) were finished in it; {}", written.lost.sessions, written.evidence);
            return Err(RestoreError::Written { path: dir.database(), what });
        }
        let existing = read_guard(dir.path())?;
        let until = guard_until(written, self.guard_until)?;
        let Some(until) = until.or(existing.as_ref().map(|guard| guard.until_session)) else {
            return Ok(None);
        };
        let guarded = Guarded {
            until,
            peer: dir.own_peer(),
            federation: self.federation,
            reason: "undo",
            evidence: written.evidence.clone(),
            restored_session: journal.proof.last,
            history_root: journal.proof.history_root.clone(),
            time: journal.undo_began.as_deref().unwrap_or(&journal.began),
        };
        Ok(Some(GuardFile::new(guarded, existing.as_ref())))
    }

    /// Runs a decided undo.
    ///
    /// # Errors
    /// Fails if a file cannot be written or renamed; running the same command again continues.
    pub fn run(&self, dir: &LockedDir, plan: UndoPlan) -> Result<Journal, RestoreError> {
        let mut journal = plan.journal;
        if !plan.swaps {
            give_up(dir, &journal)?;
            return Ok(journal);
        }
        if journal.step != Step::Undoing {
            journal.advance(Step::Undoing, dir.path())?;
        }
        finish(dir, &mut journal)?;
        Ok(journal)
    }
}

/// Runs the steps from the decision, which is in the journal, to the end.
pub(crate) fn finish(dir: &DataDir, journal: &mut Journal) -> Result<(), RestoreError> {
    // The higher of the two guards is always in place.
    let (undone, current) = (journal.guard_undone.clone(), read_guard(dir.path())?);
    let of = |guard: Option<&GuardFile>| guard.map(|guard| guard.until_session);
    let wanted = undone.as_deref().map(|text| parse_guard(text, &dir.guard())).transpose()?;
    if of(wanted.as_ref()) > of(current.as_ref()) {
        set_guard(dir, undone.as_deref())?;
    }
    let _locked = DatabaseLock::take(&dir.database())?;
    // A swap that was cut off is finished first; from then on there is only one way back.
    with_swap_in(dir, journal, |swap| match swap.stage() {
        Some(Stage::Exchanged | Stage::Vacant) => swap.run(),
        _ => Ok(()),
    })?;
    swap_back(dir, journal)?;
    set_guard(dir, undone.as_deref())?;
    journal.advance(Step::Undone, dir.path())
}

fn swap_back(dir: &DataDir, journal: &Journal) -> Result<(), StoreError> {
    let (place, broken, undone) = (dir.database(), dir.broken(journal), dir.undone(journal));
    if journal.had_database {
        let is_old = |path: &Path| !is_marked(path, journal);
        return Swap { place: &place, incoming: &broken, outgoing: &undone, is_new: &is_old }.run();
    }
    // There was no database: the restored one leaves the place, and nothing replaces it.
    let is_restored = |path: &Path| is_marked(path, journal);
    Swap { place: &undone, incoming: &place, outgoing: &broken, is_new: &is_restored }.run()
}

/// Returns the path of the restored database.
fn restored_at(dir: &DataDir, journal: &Journal) -> Result<PathBuf, RestoreError> {
    let names = [dir.database(), dir.incoming(journal)];
    let found = names.into_iter().find(|path| is_marked(path, journal));
    found.ok_or_else(|| RestoreError::NotItself {
        path: dir.database(),
        what: "it is not the one that the restore made".to_owned(),
    })
}
