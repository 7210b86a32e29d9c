//! A restore, step by step. Each step is in the journal before the next begins.
//!
//! Invariants: before the swap, every failure leaves exactly the old state. After the swap, the new database
//! is whole in its place, and every failure leaves a journal from which the same command, or `undo`,
//! continues.

use std::fs;

use fm_audit::{AuditError, Control};
use fm_backup::write_database;
use fm_datadir::{JOURNAL_NAME, RESTORED_NAME};
use fm_store::{
    DatabaseLock, Inheritance, Stage, StoreError, make_directory, remove_file, replace_file, sync_name,
};

use crate::RestoreError;
use crate::data_dir::{DataDir, LockedDir};
use crate::in_place::{is_marked, mark, set_guard, stage, with_swap_in};
use crate::journal::{Journal, Step};
use crate::origin::open_origin;
use crate::outgoing::sentence;
use crate::plan::{Restore, RestorePlan};
use crate::prove::Proving;

impl Restore<'_> {
    /// Runs a decided restore.
    ///
    /// # Errors
    /// Fails if data cannot be read or written, or fails its proof. The module's documentation says what is
    /// left then.
    pub fn run(
        &self,
        dir: &LockedDir,
        mut plan: RestorePlan,
        control: Control<'_>,
    ) -> Result<Journal, RestoreError> {
        if let (Some(cut_off), _) = Journal::current(dir.path())?
            && cut_off.step.is_under_way()
        {
            give_up(dir, &cut_off)?;
        }
        let mut journal = plan.journal(dir, self)?;
        let incoming = dir.incoming(&journal);
        if !dir.is_free(&incoming) {
            return Err(RestoreError::InTheWay { path: incoming });
        }
        make_directory(&dir.path().join(JOURNAL_NAME))?;
        let prepared = journal
            .advance(Step::Building, dir.path())
            .and_then(|()| build(dir, &plan, &mut journal, self.proving(control)));
        drop(plan);
        prepared.map_err(|error| given_up(dir, &journal, error))?;
        self.go_on(dir, journal, control)
    }

    /// Continues after the last finished step.
    ///
    /// # Errors
    /// Fails as [`run`](Self::run) does.
    pub fn resume(
        &self,
        dir: &LockedDir,
        journal: Journal,
        control: Control<'_>,
    ) -> Result<Journal, RestoreError> {
        dir.check_stopped()?;
        self.go_on(dir, journal, control)
    }

    /// Runs the steps from a whole new database to the end.
    fn go_on(
        &self,
        dir: &DataDir,
        mut journal: Journal,
        control: Control<'_>,
    ) -> Result<Journal, RestoreError> {
        let mut swapped_now = false;
        if journal.step < Step::Swapped {
            swapped_now = matches!(stage(dir, &journal)?, Stage::Before | Stage::Vacant);
            if let Err(error) = swap_in(dir, &mut journal, control) {
                return Err(match stage(dir, &journal) {
                    Ok(Stage::Before) => given_up(dir, &journal, error),
                    _ => after_swap(&error),
                });
            }
        }
        if journal.step == Step::Swapped {
            let proved = self.proving(control).copy(&dir.database(), &journal.proof);
            match proved {
                Ok(()) => journal.advance(Step::Done, dir.path()).map_err(|error| after_swap(&error))?,
                Err(RestoreError::Audit(AuditError::Interrupted)) => {
                    return Err(after_swap(&RestoreError::Audit(AuditError::Interrupted)));
                }
                Err(error) if swapped_now => return Err(put_back(dir, &mut journal, &error)),
                Err(RestoreError::ReadBack { .. })
                    if self.has_grown(dir, &journal, control).unwrap_or(false) =>
                {
                    journal.advance(Step::Done, dir.path()).map_err(|error| after_swap(&error))?;
                }
                Err(error) => {
                    return Err(RestoreError::NotItself { path: dir.database(), what: sentence(&error) });
                }
            }
        }
        Ok(journal)
    }

    /// Returns whether the database in place is the restored one with the rows that a node wrote since:
    /// proven, and beginning with the restored history.
    fn has_grown(
        &self,
        dir: &DataDir,
        journal: &Journal,
        control: Control<'_>,
    ) -> Result<bool, RestoreError> {
        let state = open_origin(&dir.database().as_path().into(), None, control)?;
        let proven = self.proving(control).source(state.history(), true)?;
        let last = usize::try_from(journal.proof.last).ok();
        let root = last.and_then(|last| proven.roots.get(last)).map(ToString::to_string);
        Ok(is_marked(&dir.database(), journal) && root.as_ref() == Some(&journal.proof.history_root))
    }
}

/// Writes the new database beside the old one, and proves it.
fn build(
    dir: &DataDir,
    plan: &RestorePlan,
    journal: &mut Journal,
    proving: Proving<'_>,
) -> Result<(), RestoreError> {
    let incoming = dir.incoming(journal);
    write_database(&plan.origin, &incoming, proving.control)?;
    proving.copy(&incoming, &journal.proof)?;
    replace_file(&incoming.join(RESTORED_NAME), mark(journal).as_bytes())?;
    // The node's user opens it, whichever user restores.
    Inheritance::replacing(&dir.database())?.give(&incoming)?;
    journal.advance(Step::Built, dir.path())
}

/// Writes the guard and lets the two databases change places.
fn swap_in(dir: &DataDir, journal: &mut Journal, control: Control<'_>) -> Result<(), RestoreError> {
    if journal.step < Step::Guarded {
        control.check()?;
        set_guard(dir, journal.guard.as_ref().map(|guard| guard.text()).as_deref())?;
        journal.advance(Step::Guarded, dir.path())?;
    }
    // A server that starts now waits for the lock, or reports that the database is in use.
    let _locked = DatabaseLock::take(&dir.database())?;
    with_swap_in(dir, journal, |swap| swap.run())?;
    journal.advance(Step::Swapped, dir.path())
}

/// Returns to the old state, from before the swap, as if nothing had begun.
pub(crate) fn give_up(dir: &DataDir, journal: &Journal) -> Result<(), RestoreError> {
    let incoming = dir.incoming(journal);
    if !dir.is_free(&incoming) {
        fs::remove_dir_all(&incoming).map_err(|source| StoreError::io(&incoming, source))?;
        // Before the journal is removed: without it, the owner of the directory would be unknown.
        sync_name(&incoming)?;
    }
    if journal.step > Step::Building {
        set_guard(dir, journal.guard_before.as_deref())?;
    }
    remove_file(&journal.path(dir.path()))?;
    // Best effort: the directory becomes empty if this was the first restore.
    let _ = fs::remove_dir(dir.path().join(JOURNAL_NAME));
    Ok(())
}

/// Removes the traces of a failed restore and returns its error; if they cannot be removed, the journal
/// remains.
fn given_up(dir: &DataDir, journal: &Journal, error: RestoreError) -> RestoreError {
    let _ = give_up(dir, journal);
    error
}

fn after_swap(error: &RestoreError) -> RestoreError {
    let interrupted = matches!(error, RestoreError::Audit(AuditError::Interrupted));
    RestoreError::AfterSwap { what: sentence(error), interrupted }
}

/// Undoes a swap whose result failed its proof.
fn put_back(dir: &DataDir, journal: &mut Journal, error: &RestoreError) -> RestoreError {
    journal.undo_began = Some(journal.began.clone());
    journal.guard_undone.clone_from(&journal.guard_before);
    let back = journal.advance(Step::Undoing, dir.path()).and_then(|()| crate::undo::finish(dir, journal));
    match back {
        Ok(()) => RestoreError::PutBack { what: sentence(error) },
        Err(_) => RestoreError::NotItself { path: dir.database(), what: sentence(error) },
    }
}
