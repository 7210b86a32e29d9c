//! Moves a guardian to another place: its last state becomes an archive, and no server can start at the old
//! place.
//!
//! Sealing comes first, then the archive: the archived state can no longer change. Invariants: the private
//! keys leave their place before the database does and return after it, so that no server ever finds keys
//! without the state that they signed. In the same step a file takes the database's name, so that no server
//! makes an empty database there. Wherever a move is cut off, the marker says how it continues or is undone.

use std::path::PathBuf;
use std::time::SystemTime;

use fm_audit::{Control, HistoryKeys};
use fm_backup::{ExportOptions, Exported, Handover, Location, Making, Profile, Recipient, State};
use fm_crypto::SessionKeys;
use fm_datadir::{GuardFile, Guarded, Moved, MovedStep, SignedSession, Standing};
use fm_history::Finding;

use crate::RestoreError;
use crate::data_dir::{DataDir, LockedDir};
use crate::held::{InPlace, in_place, no_session};
use crate::in_place::set_guard;
use crate::journal::Journal;
use crate::seal::{aside, remove_marker, seal, unseal, write_marker};
use crate::small_file::read_guard;
use crate::stamp::Stamp;

/// The last session in which the guardian can have signed units, as the user states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// This session.
    Session(u64),
    /// No session that is missing from the database.
    None,
}

/// The input for a move.
#[derive(Clone)]
pub struct Move<'a> {
    /// The guardians' public keys.
    pub keys: &'a SessionKeys,
    /// Federation id, in hex, if the keys come with one.
    pub federation: Option<&'a str>,
    /// The archive to write.
    pub archive: &'a Location,
    /// Public keys that the archive is encrypted to.
    pub recipients: &'a [Recipient],
    /// Zstandard level.
    pub level: i32,
    /// The last session in which the guardian may have signed units, if the user states one.
    pub guard_until: Option<Stated>,
    /// The current time.
    pub now: SystemTime,
    /// Program and version.
    pub tool: &'a str,
}

/// A decided move.
pub struct MovePlan {
    /// The content of the marker.
    pub marker: Moved,
    /// Whether an earlier run began it.
    pub is_begun: bool,
    /// The database's last finished session.
    pub last: u64,
    /// The evidence for the guard; empty if there is no guard.
    pub evidence: String,
}

impl Move<'_> {
    /// Decides on the move; writes nothing.
    ///
    /// # Errors
    /// Fails if a server runs, the database is not whole, or it is unknown whether it is the one that ran
    /// last.
    pub fn plan(&self, dir: &DataDir, control: Control<'_>) -> Result<MovePlan, RestoreError> {
        if let Some(marker) = dir.marker()? {
            return self.begun(dir, marker);
        }
        dir.check_stopped()?;
        dir.check_changeable()?;
        if let (Some(journal), _) = Journal::current(dir.path())?
            && journal.step.is_under_way()
        {
            let (chosen, step) = (journal.source.to_string(), journal.step.name());
            return Err(RestoreError::UnderWay { chosen, step });
        }
        if self.archive.is_there()? {
            return Err(RestoreError::InTheWay { path: self.archive.path().to_owned() });
        }
        let no_number = || RestoreError::NoNumber { path: dir.path().to_owned() };
        let peer = dir.own_peer().filter(|peer| self.keys.x_only(*peer).is_some()).ok_or_else(no_number)?;
        let record = SignedSession::read(dir.path(), self.keys, Some(peer))?;
        let found = in_place(dir, self.keys, peer)?;
        control.check()?;
        let (guard_until, evidence) = self.guard(&found, record.as_ref(), read_guard(dir.path())?)?;
        let began = free_moment(dir, self.now);
        let archive = absolute(self.archive)?;
        let marker = Moved {
            federation: self.federation.map(str::to_owned),
            guard_until,
            signed: record.and_then(|record| record.newest),
            ..Moved::beginning(began.as_str().to_owned(), peer, archive)
        };
        Ok(MovePlan { marker, is_begun: false, last: found.last, evidence })
    }

    /// Continues a move that an earlier run began: only to the same archive.
    fn begun(&self, dir: &DataDir, marker: Moved) -> Result<MovePlan, RestoreError> {
        if marker.step == MovedStep::Undoing {
            return Err(RestoreError::MovingBack { path: dir.path().to_owned() });
        }
        if marker.archive != absolute(self.archive)? {
            return Err(RestoreError::OtherMove { path: dir.path().to_owned(), archive: marker.archive });
        }
        let last = marker.last.unwrap_or_default();
        Ok(MovePlan { marker, is_begun: true, last, evidence: String::new() })
    }

    /// Returns the session up to which the guardian makes no units at the new place, and the evidence.
    fn guard(
        &self,
        found: &InPlace,
        record: Option<&SignedSession>,
        existing: Option<GuardFile>,
    ) -> Result<(Option<u64>, String), RestoreError> {
        let before = existing.as_ref().map(|guard| guard.until_session);
        let before = before.max(record.and_then(|record| record.guard_until));
        let covers = |session: u64| before.is_some_and(|until| until >= session);
        let (forgotten, evidence) = match (found.held.standing(record), self.guard_until) {
            _ if self.keys.guardians() == 1 => (None, String::new()),
            (_, Some(Stated::None)) | (Standing::Last, None) => (None, String::new()),
            (Standing::Last, Some(Stated::Session(given))) => (Some(given), format!("--guard-until {given}")),
            (Standing::Older(newest), None) => {
                let why = format!("fm-node made units in session {newest}, and the database is older");
                (Some(newest), why)
            }
            (Standing::Older(least), Some(Stated::Session(given))) => {
                let why = format!("fm-node made units in session {least}");
                at_least(given, least, why)?
            }
            (Standing::Unknown { at_least: least, why }, Some(Stated::Session(given))) => {
                at_least(given, least, why)?
            }
            (Standing::Unknown { at_least, .. }, None) if found.is_restored || covers(at_least) => {
                (None, String::new())
            }
            (Standing::Unknown { at_least, why }, None) => {
                return Err(RestoreError::GuardUnknown { at_least, why });
            }
        };
        let kept = existing.filter(|guard| forgotten.is_none_or(|until| until < guard.until_session));
        let evidence = kept.map_or(evidence, |guard| guard.evidence().to_owned());
        Ok((forgotten.max(before), evidence))
    }

    /// Runs a decided move.
    ///
    /// # Errors
    /// Fails if data cannot be read, written or renamed, or if the database is not proven. A move that this
    /// call began is then undone; one that an earlier run began stays sealed, because its archive may exist.
    pub fn run(
        &self,
        dir: &LockedDir,
        plan: MovePlan,
        control: Control<'_>,
        on_finding: &mut dyn FnMut(Finding),
    ) -> Result<(Moved, Exported), RestoreError> {
        let mut marker = plan.marker;
        if !plan.is_begun {
            write_marker(dir, &marker)?;
        }
        let done = self.go_on(dir, &mut marker, control, on_finding);
        match done {
            Ok(exported) => Ok((marker, exported)),
            Err(error) if plan.is_begun => Err(RestoreError::StaysSealed {
                what: crate::outgoing::sentence(&error),
                is_interrupted: is_interrupted(&error),
            }),
            Err(error) => {
                // If that fails as well, the marker says how to undo the move.
                let _ = take_back(dir, &mut marker);
                Err(error)
            }
        }
    }

    fn go_on(
        &self,
        dir: &LockedDir,
        marker: &mut Moved,
        control: Control<'_>,
        on_finding: &mut dyn FnMut(Finding),
    ) -> Result<Exported, RestoreError> {
        if marker.step == MovedStep::Sealing {
            seal(dir, marker)?;
            marker.step = MovedStep::Sealed;
            write_marker(dir, marker)?;
        }
        control.check()?;
        let exported = self.export(dir, marker, control, on_finding)?;
        let Some(anchor) = &exported.survey.audit.proven else {
            return Err(no_session(&aside(dir, marker)));
        };
        if marker.step < MovedStep::Moved {
            marker.last = Some(anchor.last);
            marker.history_root = Some(anchor.history_root.to_string());
            marker.identity = Some(exported.survey.classes.identity.to_string());
            marker.step = MovedStep::Moved;
            write_marker(dir, marker)?;
        }
        Ok(exported)
    }

    fn export(
        &self,
        dir: &DataDir,
        marker: &Moved,
        control: Control<'_>,
        on_finding: &mut dyn FnMut(Finding),
    ) -> Result<Exported, RestoreError> {
        let aside = aside(dir, marker);
        let state = State::open(&aside.join(fm_datadir::DATABASE_NAME), None, None, control)?;
        let handover =
            Handover { moved: marker.began.clone(), guard_until: marker.guard_until, signed: marker.signed };
        let options = ExportOptions {
            target: self.archive,
            profile: Profile::Full,
            since: None,
            recipients: self.recipients,
            data_dir: Some(&aside),
            keys: Some(HistoryKeys::Session(self.keys)),
            accept_findings: false,
            level: self.level,
            making: Making {
                federation: marker.federation.clone().unwrap_or_default(),
                guardian: Some(marker.peer),
                tool: self.tool.to_owned(),
                handover: Some(handover),
            },
        };
        Ok(fm_backup::export(&state, &options, control, on_finding)?)
    }
}

/// The undo of a move.
#[derive(Clone, Copy)]
pub struct MoveBack<'a> {
    /// The guardians' public keys.
    pub keys: &'a SessionKeys,
    /// The last session in which the guardian may have signed units at the new place, if the user states one.
    pub guard_until: Option<Stated>,
}

impl MoveBack<'_> {
    /// Decides whether the move can be undone; writes nothing.
    ///
    /// # Errors
    /// Fails if nothing was moved, or if the move was finished and the user does not state whether the
    /// guardian ran at the new place.
    pub fn plan(&self, dir: &DataDir) -> Result<Moved, RestoreError> {
        let marker = dir.marker()?;
        let marker = marker.ok_or_else(|| RestoreError::NothingMoved { path: dir.path().to_owned() })?;
        dir.check_changeable_around()?;
        let least = marker.last.unwrap_or_default().saturating_add(1);
        match self.guard_until {
            // A guardian without others makes no units, but the user must state the fact all the same.
            None if marker.step == MovedStep::Moved => {
                Err(RestoreError::MayHaveRun { path: dir.path().to_owned(), at_least: least })
            }
            Some(Stated::Session(given)) if given < least && marker.step == MovedStep::Moved => {
                let why = format!("session {least} was open when the guardian was moved");
                Err(RestoreError::GuardTooLow { given, at_least: least, why })
            }
            _ => Ok(marker),
        }
    }

    /// Puts everything back into its place.
    ///
    /// # Errors
    /// Fails if a file cannot be written or renamed; running the same command again continues.
    pub fn run(&self, dir: &LockedDir, mut marker: Moved) -> Result<Moved, RestoreError> {
        if let Some(Stated::Session(until)) = self.guard_until {
            let existing = read_guard(dir.path())?;
            let guarded = Guarded {
                until,
                peer: Some(marker.peer),
                federation: marker.federation.as_deref(),
                reason: "undo",
                evidence: format!("the move of {} was taken back; --guard-until {until}", marker.began),
                restored_session: marker.last.unwrap_or_default(),
                history_root: marker.history_root.clone().unwrap_or_default(),
                time: &marker.began.clone(),
            };
            set_guard(dir, Some(&GuardFile::new(guarded, existing.as_ref()).text()))?;
        }
        take_back(dir, &mut marker)?;
        Ok(marker)
    }
}

fn take_back(dir: &LockedDir, marker: &mut Moved) -> Result<(), RestoreError> {
    marker.step = MovedStep::Undoing;
    write_marker(dir, marker)?;
    unseal(dir, marker)?;
    remove_marker(dir)
}

fn at_least(given: u64, least: u64, why: String) -> Result<(Option<u64>, String), RestoreError> {
    if given < least {
        return Err(RestoreError::GuardTooLow { given, at_least: least, why });
    }
    Ok((Some(given), format!("{why}; --guard-until {given}")))
}

fn is_interrupted(error: &RestoreError) -> bool {
    use fm_audit::AuditError::Interrupted;
    use fm_backup::BackupError;
    matches!(error, RestoreError::Audit(Interrupted) | RestoreError::Backup(BackupError::Audit(Interrupted)))
}

/// Returns the archive's path in a form that is valid from any working directory.
fn absolute(archive: &Location) -> Result<PathBuf, RestoreError> {
    if archive.is_remote() {
        return Ok(archive.path().to_owned());
    }
    let path = std::path::absolute(archive.path());
    Ok(path.map_err(|source| fm_store::StoreError::io(archive.path(), source))?)
}

/// Returns the first time from now on whose name is not taken.
fn free_moment(dir: &DataDir, now: SystemTime) -> Stamp {
    let mut time = now;
    loop {
        let stamp = Stamp::of(time);
        let marker = Moved::beginning(stamp.as_str().to_owned(), 0, PathBuf::new());
        if dir.is_free(&aside(dir, &marker)) {
            return stamp;
        }
        time += std::time::Duration::from_secs(1);
    }
}
