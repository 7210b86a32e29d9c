//! The sessions of a migrated database: one thread reads them, all cores process them, the results are passed
//! on in order.
//!
//! Invariant: every session from 0 on exists and decodes; otherwise the first one that does not is reported.

use fm_audit::{AuditError, ChunkSize, Control, Feed, MigratedDir, run_pipeline};
use fm_eras::{Era, session};
use fm_history::{HistoryRoot, Manifest, SessionParts};
use fm_rows::RowSource;
use rayon::prelude::*;

use crate::{MigrationError, SealError};

/// Number of sessions that a core processes at a time.
const SESSIONS_PER_CORE: usize = 512;

/// A session of the database, and the value that was attached to it when it was read.
pub(crate) struct StoredSession<A> {
    pub(crate) index: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) record: Vec<u8>,
    pub(crate) attached: A,
}

/// Sessions in order, each with its parts.
pub(crate) type SessionBatch<A> = Vec<(StoredSession<A>, SessionParts)>;

/// Processes all sessions. `attach` runs on the reading thread; `work` runs on all cores and returns a result
/// for each session of a batch; `on_result` receives the results in order.
pub(crate) fn each_session<A: Send, T: Send>(
    dir: &MigratedDir,
    control: Control<'_>,
    mut attach: impl FnMut(u64) -> Result<A, MigrationError> + Send,
    work: impl Fn(SessionBatch<A>) -> Vec<T> + Sync + Send,
    mut on_result: impl FnMut(T) -> Result<(), MigrationError>,
) -> Result<(), MigrationError> {
    let database = &dir.database;
    let read = |feed: &mut Feed<'_, StoredSession<A>, MigrationError>| {
        for (index, row) in (0..).zip(RowSource::scan_prefix(database, session::SIGNED_SESSION_OUTCOME)) {
            let (key, record) = row.map_err(|source| AuditError::rows(database.path(), source))?;
            let bytes = record.len();
            let attached = attach(index)?;
            feed.push(StoredSession { index, key, record, attached }, bytes)?;
        }
        Ok(())
    };
    let process = |chunk: Vec<StoredSession<A>>| {
        let of_a_core = chunk.len().div_ceil(rayon::current_num_threads()).max(1);
        chunk.into_par_iter().chunks(of_a_core).flat_map_iter(|sessions| batch(sessions, &work)).collect()
    };
    let most = ChunkSize::large(SESSIONS_PER_CORE * rayon::current_num_threads());
    run_pipeline(most, control, read, process, |result: Result<T, MigrationError>| on_result(result?))
}

/// Processes the sessions before the first one that does not decode, and reports that one.
fn batch<A, T>(
    sessions: Vec<StoredSession<A>>,
    work: impl Fn(SessionBatch<A>) -> Vec<T>,
) -> impl Iterator<Item = Result<T, MigrationError>> {
    let mut whole = Vec::with_capacity(sessions.len());
    let mut failed = None;
    for stored in sessions {
        match take_apart(&stored) {
            Ok(parts) => whole.push((stored, parts)),
            Err(error) => {
                failed = Some(Err(error));
                break;
            }
        }
    }
    work(whole).into_iter().map(Ok).chain(failed)
}

fn take_apart<A>(stored: &StoredSession<A>) -> Result<SessionParts, MigrationError> {
    let session = stored.index;
    let undecodable =
        |error: fm_codec::DecodeError| SealError::Undecodable { session, reason: error.to_string() };
    if session::session_of_key(&stored.key).map_err(undecodable)? != session {
        return Err(SealError::Gap { session }.into());
    }
    Ok(SessionParts::read(&stored.record).map_err(undecodable)?)
}

/// Refuses a database whose sessions differ from those in its manifest.
pub(crate) fn check_root(root: &HistoryRoot, manifest: &Manifest) -> Result<(), MigrationError> {
    if (root.sessions(), root.root()) == (manifest.sessions, manifest.history_root) {
        return Ok(());
    }
    Err(SealError::OwnRoot {
        sessions: root.sessions(),
        found: root.root(),
        stated_sessions: manifest.sessions,
        stated: manifest.history_root,
    }
    .into())
}

/// Refuses a directory whose history is already signed, or whose database is incomplete.
pub(crate) fn check_sealable(dir: &MigratedDir) -> Result<(), MigrationError> {
    let era = &dir.manifest.era;
    if Era::by_name(era).is_some_and(Era::is_modern) {
        return Err(SealError::SignedAlready { era: era.clone() }.into());
    }
    match dir.database.omissions().first() {
        Some(omission) => {
            let path = dir.database.path().to_owned();
            Err(SealError::Incomplete { path, what: omission.message.clone() }.into())
        }
        None => Ok(()),
    }
}

/// Refuses a directory of a federation other than that of the config.
pub(crate) fn check_federation(dir: &MigratedDir, known: &str) -> Result<(), MigrationError> {
    let stated = dir.manifest.federation.clone();
    if stated == known {
        return Ok(());
    }
    let (path, known) = (dir.path.clone(), known.to_owned());
    Err(SealError::OtherFederation { path, stated, known }.into())
}
