//! The outcome of a session in progress, as `units --out` writes it: it is made from rows, and checked by
//! making it again.
//!
//! Invariant: everything that the archive states about its outcome follows from its rows of accepted items,
//! or is a fault. Nothing in the archive shows that any guardian accepted these items.

use fm_archive::Metadata;
use fm_audit::{ArchiveSource, AuditError, Control};
use fm_codec::{Dialect, Writer};
use fm_eras::Layout;
use fm_eras::block::BlockLayout;
use fm_history::{Hash, SessionHeader, merkle_root, sha256};
use fm_rows::RowSource;

/// The classification that the archive states for its outcome.
pub const PENDING_CLASSIFICATION: &str = "unauthenticated";

/// A record, key and value.
type Record = (Vec<u8>, Vec<u8>);

/// Returns the outcome of the session with these accepted items, whose values are as stored, without
/// signatures; and its header.
pub fn unsigned_outcome(layout: &BlockLayout, session: u64, accepted: &[Record]) -> (Record, SessionHeader) {
    let (mut key, mut outcome) = (Writer::new(Dialect::MODERN), Writer::new(Dialect::MODERN));
    key.u8(layout.history);
    key.u64(session);
    outcome.list(accepted.iter(), |outcome, (_, item)| outcome.raw(item));
    // No signature.
    outcome.count(0);
    let leaves = accepted.iter().map(|(_, item)| sha256(&[item])).collect();
    let header = SessionHeader { index: session, root: merkle_root(leaves).root };
    ((key.into_bytes(), outcome.into_bytes()), header)
}

/// The result of checking such an archive.
#[derive(Clone, Debug, Default)]
pub struct PendingOutcome {
    /// The session in progress.
    pub session: u64,
    /// Number of its accepted items.
    pub items: u64,
    /// Number of rows of units besides them.
    pub units: u64,
    /// The root over the items.
    pub header_root: Hash,
    /// Statements of the archive that do not follow from its rows.
    pub faults: Vec<String>,
}

/// Returns whether an archive holds the outcome of a session in progress.
pub fn is_pending_outcome(archive: &ArchiveSource) -> bool {
    archive.check_is_history().is_err()
}

/// Makes the outcome again from the rows, and compares it with the stored one.
///
/// # Errors
/// If the archive cannot be read, or the job was interrupted.
pub fn check_pending_outcome(
    archive: &ArchiveSource,
    control: Control<'_>,
) -> Result<PendingOutcome, AuditError> {
    let stated = archive.all_metadata();
    let mut found = PendingOutcome::default();
    let layout = stated.get("layout").and_then(Layout::by_name);
    let (Some(Layout::Blocks(layout)), Some(session)) = (layout, number(&stated, "session")) else {
        found.faults.push("it does not name its layout and session".to_owned());
        return Ok(found);
    };
    let (mut accepted, mut others) = (Vec::new(), Vec::new());
    for row in archive.scan_range(&[], None) {
        let (key, value) = row.map_err(|source| AuditError::rows(archive.path(), source))?;
        control.check()?;
        match key.first() {
            first if first.is_some() && first == layout.pending.as_ref() => accepted.push((key, value)),
            Some(first) if *first == layout.units => found.units += 1,
            _ => others.push((key, value)),
        }
    }
    let (outcome, header) = unsigned_outcome(layout, session, &accepted);
    (found.session, found.items, found.header_root) = (session, accepted.len() as u64, header.root);
    if others != [outcome] {
        found
            .faults
            .push("its outcome is not that of its accepted items, or there are other records".to_owned());
    }
    let made = [
        ("classification", PENDING_CLASSIFICATION.to_owned()),
        ("header", hex::encode(header.to_bytes())),
        ("items", accepted.len().to_string()),
        ("era", layout.era.to_string()),
    ];
    for (name, value) in made.iter().filter(|(name, value)| stated.get(name) != Some(value)) {
        let said = stated.get(name).unwrap_or("nothing");
        found.faults.push(format!("{name} is {said:?} and should be {value:?}"));
    }
    Ok(found)
}

fn number(stated: &Metadata, name: &str) -> Option<u64> {
    stated.get(name)?.parse().ok()
}
