//! The files of a migrated directory: nothing torn, nothing missing, nothing foreign.

use std::fs;
use std::path::Path;

use fm_history::{Code, Finding, Place};
use fm_store::{OmissionKind, PARTIAL_MARKER, is_file_of_rocksdb};

use crate::error::AuditError;
use crate::report::Report;
use crate::source::{DATABASE_NAME, MANIFEST_NAME, MigratedDir, PROVENANCE_NAME, code_of};

/// What a conversion writes. A marker is left if it is killed behind its very last step but one.
const ENTRIES: [&str; 4] = [DATABASE_NAME, PROVENANCE_NAME, MANIFEST_NAME, PARTIAL_MARKER];

/// What a guardian has in its data directory beside the conversion's.
const GUARDIAN_ENTRIES: [&str; 15] = [
    "client.json",
    "consensus.json",
    // The lock that servers from v0.5 on hold.
    "database.db.lock",
    "db_checkpoints",
    "equivocation-guard.json",
    "equivocation-guard.json.new",
    "invite-code",
    LOCAL_NAME,
    "log",
    "password.private",
    "private.encrypt",
    // Of v0.13, which encrypts nothing.
    "private.json",
    "private.salt",
    "signed-session.json",
    "signed-session.json.new",
];
/// Where restores write down what they do: a directory.
const JOURNAL_NAME: &str = "restore-journal";
/// What follows `database` in the names of databases that restores moved aside or did not finish.
const KEPT_DATABASES: [&str; 3] = [".broken-", ".undone-", ".restore-"];
/// The file by which a restored database is known.
const RESTORED_NAME: &str = ".fm-restore";
/// The file that makes it a guardian's.
const LOCAL_NAME: &str = "local.json";

/// Whether a guardian, its node or a restore makes an entry of that name in its data directory.
fn is_of_guardian(name: &str, is_file: bool) -> bool {
    let is_kept = |rest: &str| KEPT_DATABASES.iter().any(|start| rest.starts_with(start));
    let failure = name.strip_prefix("consensus-failure-").and_then(|rest| rest.strip_suffix(".json"));
    GUARDIAN_ENTRIES.contains(&name)
        || !is_file && (name == JOURNAL_NAME || name.strip_prefix(DATABASE_NAME).is_some_and(is_kept))
        || is_file && failure.is_some_and(|session| session.parse::<u64>().is_ok())
}

impl MigratedDir {
    /// Whether it became the data directory of a guardian, whose database goes on.
    pub fn is_in_use(&self) -> bool {
        self.path.join(LOCAL_NAME).exists()
    }
}

/// Checks what lies in the directory, and tells what its manifest says of the files of the original.
pub(crate) fn check_directory(dir: &MigratedDir, report: &Report<'_>) -> Result<(), AuditError> {
    // What we write holds nothing in a log: there is no crash that would explain a torn one.
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
        |name, is_file| ENTRIES.contains(&name) || is_in_use && is_of_guardian(name, is_file),
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

/// Tells each entry of a directory that is not known, in the order of their names.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_honest_servers_have_in_their_directory_is_known() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        for guardian in ["session-v0.5.0/peer-0", "session-v0.13.0/peer-0"] {
            for entry in fs::read_dir(fixtures.join(guardian)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let is_known = ENTRIES.contains(&name.as_str()) || GUARDIAN_ENTRIES.contains(&name.as_str());
                assert!(is_known, "{guardian} has {name}");
            }
        }
    }
}
