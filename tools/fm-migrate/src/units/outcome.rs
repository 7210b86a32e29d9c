//! `units --out`: the open session's accepted items as an unsigned outcome, with what it was made from.

use std::fs;
use std::path::Path;

use fm_archive::{ArchiveError, ArchiveWriter, Metadata, Options};
use fm_audit::PENDING_KIND;
use fm_audit::StoredUnits;
use fm_cli::{Exit, Failure};
use fm_codec::Writer;
use fm_migration::{PENDING_CLASSIFICATION, unsigned_outcome};
use fm_store::sync_name;

use super::Session;
use super::replayed::Replayed;

/// Writes the archive: the accepted items and units as stored, and the outcome between them.
pub(super) fn write(
    path: &Path,
    sessions: &[Session<'_>],
    replays: &[Replayed<'_>],
    databases: &[StoredUnits],
) -> Result<(), Failure> {
    let ([session], [replayed], [stored]) = (sessions, replays, databases) else {
        if let [stored] = databases
            && super::is_open_without_units(stored)
        {
            let message = format!(
                "{} holds no unit of session {}: nothing says in which order its items are to be",
                stored.path.display(),
                stored.open
            );
            return Err(Failure::new(Exit::Usage, message).hint(
                "a guardian who is alone signs each session itself: nobody else's outcome is awaited",
            ));
        }
        let message = "--out writes the outcome of one database with units of a session in progress";
        return Err(Failure::new(Exit::Usage, message).hint("name one database that has them"));
    };
    if !replayed.findings.is_empty() {
        let message = "nothing was written: the accepted items are not those that the units order";
        return Err(Failure::new(Exit::Findings, message));
    }
    let io = |error| Failure::file("write", path, &error);
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // A run that was killed left this file.
    if partial.is_file() {
        fs::remove_file(partial).map_err(io)?;
    }
    let records = records(session, stored);
    let failed = |error: ArchiveError| Failure::from_error(Exit::CannotLook, &error);
    let metadata = metadata(session, replayed, stored);
    let written = ArchiveWriter::create(partial, &metadata, Options::default()).and_then(|mut writer| {
        records.iter().try_for_each(|(key, value)| writer.push(key, value))?;
        writer.finish()
    });
    let (file, _) = written.map_err(failed)?;
    file.sync_all().map_err(io)?;
    fs::rename(partial, path).map_err(io)?;
    Ok(sync_name(path)?)
}

/// Returns the rows of accepted items, the outcome under the session's key, and the rows of units, in the
/// order of their keys.
fn records(session: &Session<'_>, stored: &StoredUnits) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = stored.accepted.clone();
    let (outcome, _) = unsigned_outcome(stored.layout, session.dag.session, &stored.accepted);
    records.push(outcome);
    for (_, backup) in &stored.backups {
        for row in &backup.rows {
            let mut value = Writer::new(stored.layout.dialect);
            value.bytes(&backup.stream[row.range.clone()]);
            records.push((row.key.clone(), value.into_bytes()));
        }
    }
    records.sort();
    records
}

fn metadata(session: &Session<'_>, replayed: &Replayed<'_>, stored: &StoredUnits) -> Metadata {
    let (_, header) = unsigned_outcome(stored.layout, session.dag.session, &stored.accepted);
    let behind: usize = replayed.databases.iter().map(|(_, _, compared)| compared.behind).sum();
    let signatures = if session.is_pinned { "verified" } else { "unchecked" };
    let entries = [
        ("kind", PENDING_KIND.to_owned()),
        ("classification", PENDING_CLASSIFICATION.to_owned()),
        ("session", session.dag.session.to_string()),
        ("header", hex::encode(header.to_bytes())),
        ("items", stored.accepted.len().to_string()),
        ("ordered_behind", behind.to_string()),
        ("unit_form", session.dag.form.name.to_owned()),
        ("unit_signatures", signatures.to_owned()),
        ("ordered_by", replayed.order.library.to_owned()),
        ("era", stored.layout.era.to_string()),
        ("layout", stored.layout.name.to_owned()),
        ("tool", concat!("fm-migrate ", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    entries.into_iter().collect()
}
