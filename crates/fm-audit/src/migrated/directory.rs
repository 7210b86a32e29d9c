//! The check of the files of a migrated directory: none may be torn, missing or foreign.

use std::fs;
use std::path::Path;

use fm_datadir::{DATABASE_NAME, LOCAL, RESTORED_NAME, is_known_entry};
use fm_history::{Code, Finding, Place};
use fm_store::{OmissionKind, PARTIAL_MARKER, is_file_of_rocksdb};

use crate::error::AuditError;
use crate::report::Report;
use crate::source::{MANIFEST_NAME, MigratedDir, PROVENANCE_NAME, code_of};

/// The entries that a conversion writes. The marker stays if the conversion is killed just before its last
/// step.
const ENTRIES: [&str; 4] = [DATABASE_NAME, PROVENANCE_NAME, MANIFEST_NAME, PARTIAL_MARKER];

impl MigratedDir {
    /// Returns whether a guardian uses the directory as its data directory, so that its database has grown
    /// since.
    pub fn is_in_use(&self) -> bool {
        self.path.join(LOCAL).exists()
    }
}

/// Checks the entries of the directory, and reports what its manifest states about the files of the original.
pub(crate) fn check_directory(dir: &MigratedDir, report: &Report<'_>) -> Result<(), AuditError> {
    // A conversion leaves nothing in a log, so no crash explains a torn log.
    let is_in_use = dir.is_in_use();
    for omission in dir.database.omissions() {
        let code = if is_in_use { code_of(omission.kind) } else { Code::DatabaseIncomplete };
        report.add(Finding::new(code, Place::everywhere(), &*omission.message));
    }
    for word in &dir.manifest.source_omissions {
        report.add(source_omission(word));
    }
    tell_foreign(
        &dir.path,
        "the migrated directory",
        |name, is_file| ENTRIES.contains(&name) || is_in_use && is_known_entry(name, is_file),
        report,
    )?;
    let database = dir.path.join(DATABASE_NAME);
    let is_known = |name: &str| is_file_of_rocksdb(name) || is_in_use && name == RESTORED_NAME;
    tell_foreign(&database, "the new database", |name, is_file| is_file && is_known(name), report)
}

fn source_omission(word: &str) -> Finding {
    let losses = OmissionKind::ALL.into_iter().filter(|kind| kind.loses_rows());
    if losses.map(code_of).any(|code| code.as_str() == word) {
        let message = format!("the old database was not whole when it was converted: {word}");
        return Finding::new(Code::SourceIncomplete, Place::everywhere(), message);
    }
    let message = format!("source_omissions has {word:?}, which no conversion writes");
    Finding::new(Code::ManifestMismatch, Place::everywhere(), message)
}

/// Reports each unknown entry of a directory, in order of names.
fn tell_foreign(
    directory: &Path,
    called: &str,
    is_known: impl Fn(&str, bool) -> bool,
    report: &Report<'_>,
) -> Result<(), AuditError> {
    let failed = |source| AuditError::File { path: directory.to_owned(), source };
    let mut foreign = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_known(&name, entry.path().is_file()) {
            foreign.push(name);
        }
    }
    foreign.sort();
    for name in foreign {
        let message = format!("{name:?} in {called} is of no conversion, and nothing of it was looked at");
        report.add(Finding::new(Code::UnexpectedFile, Place::everywhere(), message));
    }
    Ok(())
}
