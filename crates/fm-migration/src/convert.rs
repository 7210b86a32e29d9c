//! The conversion: plan, write, read back, publish.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use fm_archive::{ArchiveError, ArchiveWriter, Options};
use fm_audit::{
    AuditError, Control, MANIFEST_NAME, ManifestFacts, MigratedDir, Observer, Origin, PROVENANCE_NAME,
    SourceRequest, audit_migrated, carried_from, carried_row, manifest, manifest_differences, old_sessions,
    provenance_metadata, state_identity,
};
use fm_datadir::DATABASE_NAME;
use fm_eras::session;
use fm_history::{ConvertedSession, Finding, Hash, Manifest, Severity};
use fm_store::{PartialDir, StoreError, StoreWriter, directory_of};

use crate::plan::Judge;
use crate::{ConversionPlan, MigrationError, PlanOptions, plan};

/// The source and the target of a conversion.
pub struct Conversion<'a> {
    /// The rows of the old database.
    pub origin: Origin<'a>,
    /// The options: keys, end of the history, and target version.
    pub options: PlanOptions<'a>,
    /// Federation id of the original, in hex.
    pub federation: &'a str,
    /// The guardians' keys that will sign the new sessions, by peer, in hex; empty if not known.
    pub session_keys: &'a BTreeMap<String, String>,
    /// The directory to create.
    pub target: &'a Path,
    /// Version of the tool, for the manifest.
    pub tool_version: &'a str,
}

/// Converts a history. Returns its manifest, and whether the target already existed.
///
/// # Errors
/// If [`plan()`] fails, the target is another conversion or cannot be written, the target does not read back
/// as written, or the job was interrupted.
pub fn convert(
    conversion: &Conversion<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(Manifest, bool), MigrationError> {
    let plan = plan(conversion.origin, conversion.options, control, on_finding)?;
    if conversion.target.exists() {
        return existing(conversion, &plan, control).map(|manifest| (manifest, true));
    }
    let partial = PartialDir::create(conversion.target)?;
    let manifest = write(conversion, &plan, partial.path(), control)?;
    prove(partial.path(), &manifest, control)?;
    partial.publish()?;
    Ok((manifest, false))
}

/// Accepts an existing target if it is what this conversion would write: complete, and from exactly this
/// source.
fn existing(
    conversion: &Conversion<'_>,
    plan: &ConversionPlan,
    control: Control<'_>,
) -> Result<Manifest, MigrationError> {
    let path = conversion.target;
    let other = |difference: String| MigrationError::OtherTarget { path: path.to_owned(), difference };
    let dir = MigratedDir::open(path, control).map_err(|error| match error {
        AuditError::PartMissing { part, .. } => other(format!("it has no {part}")),
        AuditError::Interrupted => AuditError::Interrupted.into(),
        error => other(error.to_string()),
    })?;
    // Guardians have equal histories, but each has its own records outside it.
    let expected = expected_manifest(
        conversion,
        plan,
        state_identity(conversion.origin.rows, conversion.origin.path, control)?,
    );
    let stated = Manifest { tool_version: expected.tool_version.clone(), ..dir.manifest.clone() };
    if let Some((name, expected, stated)) = manifest_differences(&expected, &stated).into_iter().next() {
        return Err(other(format!("{name} in its manifest is {stated}, here it is {expected}")));
    }
    match first_error(&dir, control)? {
        None => {
            PartialDir::settle(path)?;
            Ok(stated)
        }
        Some(first) => Err(other(first)),
    }
}

fn expected_manifest(conversion: &Conversion<'_>, plan: &ConversionPlan, provenance: Hash) -> Manifest {
    // Findings of severity "info" lose no rows, so the result lacks nothing because of them.
    let omissions = conversion.options.omissions.iter().filter(|finding| finding.severity != Severity::Info);
    let source_omissions: Vec<String> = omissions.map(|finding| finding.code.to_string()).collect();
    manifest(&ManifestFacts {
        layout: &plan.layout,
        federation: conversion.federation,
        session_keys: conversion.session_keys,
        anchor: &plan.anchor,
        rows: &plan.audit.rows,
        last_stored: plan.last_stored,
        source_omissions: &source_omissions,
        provenance,
        target_version: &conversion.options.target_version.unwrap_or(session::NEWEST).to_string(),
        tool_version: conversion.tool_version,
    })
}

fn write(
    conversion: &Conversion<'_>,
    plan: &ConversionPlan,
    directory: &Path,
    control: Control<'_>,
) -> Result<Manifest, MigrationError> {
    // The metadata of the archive do not depend on its identity.
    let mut manifest = expected_manifest(conversion, plan, Hash::default());
    manifest.provenance =
        write_provenance(conversion, plan, &manifest, &directory.join(PROVENANCE_NAME), control)?;
    write_database(conversion, plan, &directory.join(DATABASE_NAME), control)?;
    write_manifest(&manifest, &directory.join(MANIFEST_NAME))?;
    Ok(manifest)
}

/// Copies every old record into the archive; returns the archive's identity.
fn write_provenance(
    conversion: &Conversion<'_>,
    plan: &ConversionPlan,
    manifest: &Manifest,
    path: &Path,
    control: Control<'_>,
) -> Result<Hash, MigrationError> {
    let metadata = provenance_metadata(manifest);
    let failed = |source| archive_error(path, source);
    let mut writer = ArchiveWriter::create(path, &metadata, Options::default()).map_err(failed)?;
    control.progress.begin("provenance archive", "records", Some(plan.audit.rows.values().sum()));
    for row in conversion.origin.rows.scan_range(&[], None) {
        let (key, value) = row.map_err(|source| AuditError::rows(conversion.origin.path, source))?;
        writer.push(&key, &value).map_err(failed)?;
        control.check()?;
        control.progress.advance(1);
    }
    let (file, summary) = writer.finish().map_err(failed)?;
    file.sync_all().map_err(|source| StoreError::io(path, source))?;
    control.progress.end();
    Ok(Hash(summary.identity))
}

/// Returns the error for an archive that cannot be written. A full disk is reported as such wherever it
/// occurs.
pub(crate) fn archive_error(path: &Path, source: ArchiveError) -> MigrationError {
    match source {
        ArchiveError::Io { source, .. } => StoreError::io(path, source).into(),
        source => MigrationError::WriteArchive { path: path.to_owned(), source },
    }
}

fn write_database(
    conversion: &Conversion<'_>,
    plan: &ConversionPlan,
    path: &Path,
    control: Control<'_>,
) -> Result<(), MigrationError> {
    let mut writer = StoreWriter::create(path)?;
    let (origin, last) = (Origin { layout: plan.layout, ..conversion.origin }, plan.anchor.last);
    write_carried(origin, Part::BeforeSessions, &mut writer, control)?;
    control.progress.begin("sessions", "sessions", Some(plan.last_stored.saturating_add(1)));
    let last_hash = write_sessions(origin, &mut writer, control, last)?;
    control.progress.end();
    if last_hash != Some(plan.anchor.last_hash) {
        let what = format!("number {last} has another hash than when it was proven; the source changes");
        return Err(MigrationError::ReadBack { what });
    }
    writer.end_run()?;
    write_carried(origin, Part::AfterSessions, &mut writer, control)?;
    writer.finish()?;
    Ok(())
}

/// Writes the sessions and their index; returns the hash of the content of the last one.
fn write_sessions(
    origin: Origin<'_>,
    writer: &mut StoreWriter,
    control: Control<'_>,
    last: u64,
) -> Result<Option<Hash>, MigrationError> {
    let mut last_hash = None;
    old_sessions(origin, control, &mut |old| {
        let Some(converted) = old.converted.filter(|_| old.index <= last) else { return Ok(()) };
        last_hash = Some(old.hash);
        write_session(writer, old.index, converted).map_err(MigrationError::from)
    })?;
    Ok(last_hash)
}

fn write_session(
    writer: &mut StoreWriter,
    index: u64,
    converted: &ConvertedSession,
) -> Result<(), StoreError> {
    writer.push_sorted(&session::session_key(index), &converted.record)?;
    for transaction in &converted.transactions {
        writer.put(&session::transaction_key(&transaction.txid), &transaction.index_value)?;
    }
    Ok(())
}

/// The two parts of the rows that are carried over.
#[derive(Clone, Copy)]
enum Part {
    BeforeSessions,
    AfterSessions,
}

/// Copies the records that have a place in the new schema, in key order, as a separate sorted run.
fn write_carried(
    origin: Origin<'_>,
    part: Part,
    writer: &mut StoreWriter,
    control: Control<'_>,
) -> Result<(), MigrationError> {
    let (sessions, after) = ([session::SIGNED_SESSION_OUTCOME], [session::SIGNED_SESSION_OUTCOME + 1]);
    let from = carried_from(&origin.layout);
    let rows = match part {
        Part::BeforeSessions if from > sessions => return Ok(()),
        Part::BeforeSessions => origin.rows.scan_range(&from, Some(&sessions)),
        Part::AfterSessions => origin.rows.scan_range(&from.max(after), None),
    };
    control.progress.begin("carried records", "records", None);
    for row in rows {
        let (key, value) = row.map_err(|source| origin.unreadable(source))?;
        if let Some((key, value)) = carried_row(&key, &value, &origin.layout) {
            writer.push_sorted(&key, &value)?;
        }
        control.check()?;
        control.progress.advance(1);
    }
    control.progress.end();
    writer.end_run()?;
    Ok(())
}

fn write_manifest(manifest: &Manifest, path: &PathBuf) -> Result<(), MigrationError> {
    let mut text = serde_json::to_vec_pretty(manifest).expect("a manifest has only text keys");
    text.push(b'\n');
    let mut file = File::create_new(path).map_err(|source| StoreError::io(path, source))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(|source| StoreError::io(path, source))?;
    Ok(())
}

/// Reads everything back from the disk and compares it with the source's own rows.
///
/// It does not check signatures again: it shows that the records that carry them are the ones that were
/// audited.
fn prove(directory: &Path, manifest: &Manifest, control: Control<'_>) -> Result<(), MigrationError> {
    let dir = MigratedDir::open(directory, control)?;
    if let Some(what) = first_error(&dir, control)? {
        return Err(MigrationError::ReadBack { what });
    }
    if dir.manifest != *manifest {
        let what = "the manifest reads back as another one".to_owned();
        return Err(MigrationError::ReadBack { what });
    }
    Ok(())
}

/// Returns the first error in a migrated directory, including its archive and manifest; it does not check
/// signatures.
fn first_error(dir: &MigratedDir, control: Control<'_>) -> Result<Option<String>, MigrationError> {
    let mut judge = Judge::new(Some(dir.manifest.last));
    let observer = &mut |finding: Finding| judge.take(&finding);
    audit_migrated(dir, SourceRequest::default(), control, Observer::of_findings(observer))?;
    Ok(judge.first.map(|finding| finding.to_string()))
}

/// Converts without verifying, archiving or reading back anything, for benchmarks of the conversion alone.
///
/// # Errors
/// If the source cannot be read, the target cannot be written, or the job was interrupted.
pub fn raw_convert(conversion: &Conversion<'_>, control: Control<'_>) -> Result<(), MigrationError> {
    let directory = directory_of(conversion.target);
    fs::create_dir_all(directory).map_err(|source| StoreError::io(directory, source))?;
    let origin = conversion.origin;
    let mut writer = StoreWriter::create(conversion.target)?;
    write_carried(origin, Part::BeforeSessions, &mut writer, control)?;
    write_sessions(origin, &mut writer, control, u64::MAX)?;
    writer.end_run()?;
    write_carried(origin, Part::AfterSessions, &mut writer, control)?;
    writer.finish()?;
    Ok(())
}
