//! The decision whether a directory without a write-ahead log is a checkpoint whose log was empty, or a
//! database that lost its log.
//!
//! RocksDB leaves an empty log out of a checkpoint, so the files alone do not distinguish the two. Servers
//! make a checkpoint right after a session and name it after that session. At that time no item and no unit
//! of the next session is stored. A lost log would have held more sessions, items or units. If the name and
//! the rows agree, nothing is lost.

use fm_datadir::session_in_name;
use fm_eras::Layout;
use fm_eras::block::BlockLayout;
use fm_store::{OmissionKind, ReadStore};

use crate::error::AuditError;

/// Reads the rows of a database whose files do not show whether it lost its log, and records the decision in
/// the store.
///
/// # Errors
/// If the database cannot be read.
pub fn settle_log(store: &mut ReadStore, layout: Layout) -> Result<(), AuditError> {
    let unknown = store.omissions().iter().find(|omission| omission.kind == OmissionKind::UnknownLog);
    let Some(files) = unknown.map(|omission| omission.message.clone()) else { return Ok(()) };
    let [mut speaks_for, mut speaks_against] = [Vec::new(), Vec::new()];
    match layout {
        Layout::Hbbft(_) => speaks_against.push("servers of this era made no checkpoints".to_owned()),
        Layout::Blocks(layout) => {
            let last = last_session(store, layout)?;
            let (fits, text) = name_of(store, last);
            if fits { &mut speaks_for } else { &mut speaks_against }.push(text);
            let (is_closed, text) = open_session(store, layout)?;
            if is_closed { &mut speaks_for } else { &mut speaks_against }.push(text.to_owned());
        }
    }
    let mut message = files;
    if !speaks_for.is_empty() {
        message = format!("{message}; {}", speaks_for.join("; "));
    }
    let kind = if speaks_against.is_empty() { OmissionKind::EmptyLog } else { OmissionKind::UnknownLog };
    if !speaks_against.is_empty() {
        message =
            format!("{message}; but for a database that lost its log speaks: {}", speaks_against.join("; "));
    }
    store.settle_log(kind, message);
    Ok(())
}

fn last_session(store: &ReadStore, layout: &BlockLayout) -> Result<Option<u64>, AuditError> {
    let last = store.last_of_prefix(&[layout.history])?;
    Ok(last.and_then(|(key, _)| layout.number_of_key(&key).ok()))
}

/// Returns whether the directory, or a link to it, is named after its last session, and the reason in words.
fn name_of(store: &ReadStore, last: Option<u64>) -> (bool, String) {
    let real = store.path().canonicalize().ok();
    let paths = [Some(store.path()), real.as_deref()];
    let names = paths.into_iter().flatten().filter_map(|path| path.file_name()?.to_str());
    let named = names.filter_map(session_in_name).collect::<Vec<_>>();
    match last {
        Some(last) if named.contains(&last) => (true, format!("its name is its last session, {last}")),
        Some(last) => (false, format!("its name does not say its last session, {last}")),
        None => (false, "it holds no session".to_owned()),
    }
}

/// Returns whether nothing of an open session is stored, and the reason in words.
fn open_session(store: &ReadStore, layout: &BlockLayout) -> Result<(bool, &'static str), AuditError> {
    for prefix in layout.pending.into_iter().chain([layout.units]) {
        if store.scan_prefix(&[prefix]).next().transpose()?.is_some() {
            return Ok((false, "items or units of an open session are stored"));
        }
    }
    Ok((true, "no item and no unit of an open session is stored"))
}
