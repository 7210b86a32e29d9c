//! Before a node opens its database: checks whether it is whole and the one that ran last, and decides up to
//! which session the node may make no units.
//!
//! Invariants: nothing is written before that decision. A node does not start on a database that may be older
//! than what the guardian signed, unless the user confirms it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fm_audit::Origin;
use fm_audit::StoredUnits;
use fm_consensus::Guard;
use fm_crypto::SessionKeys;
use fm_datadir::newest_checkpoint;
use fm_datadir::{
    CHECKPOINTS_NAME, DATABASE_NAME, GUARD_NAME, GuardFile, Held, JOURNAL_NAME, RESTORED_NAME, SignedSession,
    Standing, check_not_moved, database_name,
};
use fm_eras::block::BlockLayout;
use fm_eras::{DetectError, Layout, detect};
use fm_history::PeerId;
use fm_store::{LiveStore, OmissionKind, ReadStore};
use tracing::warn;

use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::recorder::Recorder;

/// The last session in which the guardian can have signed units, as the user states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardUntil {
    /// This session.
    Session(u64),
    /// No session that is missing from the database, or no other guardian remains that could contradict.
    None,
}

/// A database that a node may use.
pub(crate) struct Opened {
    pub(crate) store: Arc<LiveStore>,
    pub(crate) guard: Guard,
    pub(crate) recorder: Arc<Recorder>,
}

/// The content of the data directory.
struct Found {
    held: Held,
    record: Option<SignedSession>,
    guard: Guard,
    /// Whether a restore put the database there.
    is_restored: bool,
    /// Whether there is no database, and no sign that there ever was one.
    is_first: bool,
}

/// Opens the database of a guardian, or creates it.
///
/// # Errors
/// Fails if the database is not whole, or if it is not known up to which session the guardian signed units.
pub(crate) fn open(config: &NodeConfig, new: bool, given: Option<GuardUntil>) -> Result<Opened, NodeError> {
    let (directory, keys, me) = (&config.directory, &config.keys, config.me());
    check_not_moved(directory)?;
    let path = directory.join(DATABASE_NAME);
    let is_new = !path.exists();
    if is_new && !new {
        return Err(NodeError::NoDatabase { path });
    }
    let checkpoints = directory.join(CHECKPOINTS_NAME);
    let held = if is_new { Held { own: Some(0), ..Held::default() } } else { look(&path, keys, me)? };
    let record = SignedSession::read(directory, keys, Some(me))?;
    let found = Found {
        held: Held { checkpoint: newest_checkpoint(&checkpoints), ..held },
        guard: read_guard(config)?,
        is_restored: path.join(RESTORED_NAME).exists(),
        is_first: is_new && record.is_none() && !ran_before(directory),
        record,
    };
    let is_alone = keys.guardians() == 1;
    let until = if is_alone { None } else { found.until(given)? };
    let store = if is_new { LiveStore::create(&path)? } else { LiveStore::open(&path)? };
    let record = found.adopted(SignedSession::new(keys, me), given, database_name(&path));
    let guard =
        Guard { until_session: found.guard.until_session.max(record.guard_until).max(until), ..found.guard };
    if let Some(until) = until {
        warn!(
            until,
            "the database is older than what this guardian signed: it makes no units up to that session"
        );
    }
    let recorder = Recorder::begin(directory, record, found.record.as_ref())?;
    Ok(Opened { store: Arc::new(store), guard, recorder: Arc::new(recorder) })
}

impl Found {
    /// Returns the session up to which no units may be made, beyond guard and record; `None` if no units were
    /// forgotten.
    fn until(&self, given: Option<GuardUntil>) -> Result<Option<u64>, NodeError> {
        let standing = self.held.standing(self.record.as_ref());
        let (at_least, why) = match (&standing, given) {
            (_, Some(GuardUntil::None)) | (Standing::Last, None) => return Ok(None),
            (Standing::Older(newest), None) => return Ok(Some(*newest)),
            (Standing::Last, Some(_)) => (0, String::new()),
            (Standing::Older(newest), Some(_)) => {
                (*newest, format!("fm-node made units in session {newest}"))
            }
            (Standing::Unknown { at_least, why }, _) => (*at_least, why.clone()),
        };
        match given {
            Some(GuardUntil::Session(given)) if given < at_least => {
                Err(NodeError::GuardTooLow { given, at_least, why })
            }
            Some(GuardUntil::Session(given)) => Ok(Some(given)),
            _ if self.is_restored || self.is_first || self.covers(at_least) => Ok(None),
            _ => Err(NodeError::GuardUnknown { at_least, why }),
        }
    }

    /// Returns whether guard and record already exclude units up to that session.
    fn covers(&self, session: u64) -> bool {
        let stated = self.record.as_ref().and_then(|record| record.guard_until);
        self.guard.until_session.max(stated).is_some_and(|until| until >= session)
    }

    /// Returns the record for the node that uses this database from now on.
    fn adopted(
        &self,
        new: SignedSession,
        given: Option<GuardUntil>,
        database: Option<String>,
    ) -> SignedSession {
        let before = self.record.clone().unwrap_or(new);
        let made = self.held.own.filter(|own| *own > 0).map(|_| self.held.open);
        let (newest, guard_until) = match given {
            Some(GuardUntil::None) => (made, None),
            Some(GuardUntil::Session(given)) => {
                (before.newest.max(made), before.guard_until.max(Some(given)))
            }
            None => (before.newest.max(made), before.guard_until),
        };
        SignedSession { newest, guard_until, database, ..before }
    }
}

/// Reads what a database holds of the session in progress.
fn look(path: &Path, keys: &SessionKeys, me: PeerId) -> Result<Held, NodeError> {
    let store = ReadStore::open(path)?;
    // A crash leaves a torn end of the newest log: its content never left this guardian.
    let lost = |kind: OmissionKind| kind.loses_rows() && kind != OmissionKind::TornLogTail;
    if let Some(omission) = store.omissions().iter().find(|omission| lost(omission.kind)) {
        return Err(NodeError::NotWhole { path: path.to_owned(), what: omission.message.clone() });
    }
    let name = database_name(path);
    let layout = match detect(&store) {
        Ok(Layout::Blocks(layout)) => layout,
        Ok(Layout::Hbbft(layout)) => {
            return Err(NodeError::OtherEra { path: path.to_owned(), era: layout.era().as_str() });
        }
        Err(DetectError::Empty) => return Ok(Held { own: Some(0), name, ..Held::default() }),
        Err(source) => return Err(NodeError::Layout { path: path.to_owned(), source }),
    };
    let stored = StoredUnits::read(Origin { rows: &store, path, layout: Layout::Blocks(layout) })?;
    let last = last_session(&store, layout)?;
    let open = last.map_or(0, |last| last.saturating_add(1));
    let checkpoints = path.with_file_name(CHECKPOINTS_NAME);
    Ok(Held {
        open,
        own: stored.count(open, keys, Some(me), None).own,
        own_items: stored.items_of(me),
        any: stored.holds_any(),
        name,
        checkpoint: None,
        copy_of: stored.copied_from(&checkpoints, last),
    })
}

fn last_session(store: &ReadStore, layout: &BlockLayout) -> Result<Option<u64>, NodeError> {
    let last = store.last_of_prefix(&[layout.history])?;
    Ok(last.and_then(|(key, _)| layout.number_of_key(&key).ok()))
}

/// Returns whether anything in a data directory shows that a guardian ran in it.
fn ran_before(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.into_iter().any(|name| {
        // The remains of a database that was being created: it never ran.
        name.starts_with(&format!("{DATABASE_NAME}.")) && name != format!("{DATABASE_NAME}.partial")
            || [CHECKPOINTS_NAME, GUARD_NAME, JOURNAL_NAME].contains(&name.as_str())
    })
}

fn read_guard(config: &NodeConfig) -> Result<Guard, NodeError> {
    let failed = |source| NodeError::Guard { path: config.directory.join(GUARD_NAME), source };
    let Some(file) = GuardFile::read(&config.directory).map_err(failed)? else { return Ok(Guard::default()) };
    file.check_federation(config.federation_id()).map_err(failed)?;
    Ok(Guard { until_session: Some(file.until_session), peer: file.peer })
}
