//! Small JSON files of a data directory, with the path in every refusal.

use std::io::ErrorKind;
use std::path::Path;

use fm_datadir::{FormatError, GUARD_NAME, GuardError, GuardFile};
use fm_store::StoreError;

use crate::RestoreError;

fn not_ours(path: &Path, what: String) -> RestoreError {
    RestoreError::NotOurs { path: path.to_owned(), what }
}

fn unreadable(path: &Path, error: std::io::Error) -> RestoreError {
    match error.kind() {
        ErrorKind::InvalidData => not_ours(path, error.to_string()),
        _ => StoreError::io(path, error).into(),
    }
}

/// Returns the text of a file; `None` if there is no file.
pub(crate) fn read_small(path: &Path) -> Result<Option<String>, RestoreError> {
    fm_datadir::read_small(path).map_err(|error| unreadable(path, error))
}

/// Refuses a text that does not have this format, or has a newer version of it.
pub(crate) fn format_of(text: &str, format: &str, version: u64, path: &Path) -> Result<(), RestoreError> {
    fm_datadir::check_format(text, format, version).map_err(|error| match error {
        FormatError::Other(what) => not_ours(path, what),
        FormatError::Newer(found) => {
            RestoreError::Newer { path: path.to_owned(), version: found, known: version }
        }
    })
}

/// Reads the guard of a data directory, if there is one.
///
/// # Errors
/// If the file cannot be read, is not a guard, or has a newer version.
pub fn read_guard(data_dir: &Path) -> Result<Option<GuardFile>, RestoreError> {
    let path = data_dir.join(GUARD_NAME);
    read_small(&path)?.map(|text| parse_guard(&text, &path)).transpose()
}

/// Parses the text of a guard.
pub(crate) fn parse_guard(text: &str, path: &Path) -> Result<GuardFile, RestoreError> {
    GuardFile::parse(text).map_err(|error| match error {
        GuardError::Version { version } => {
            RestoreError::Newer { path: path.to_owned(), version, known: GuardFile::VERSION }
        }
        GuardError::Io(error) => unreadable(path, error),
        GuardError::NotAGuard(what) => not_ours(path, what),
        error @ GuardError::OtherFederation { .. } => not_ours(path, error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_guard_is_named_with_its_path() {
        let path = Path::new("guard");
        let text = r#"{"format": "fm-equivocation-guard", "version": 1, "until_session": 7}"#;
        assert_eq!(parse_guard(text, path).unwrap().until_session, 7);
        let newer = parse_guard(&text.replace("\"version\": 1", "\"version\": 2"), path);
        assert!(matches!(newer, Err(RestoreError::Newer { version: 2, known: 1, .. })));
        let bad = parse_guard(&text.replace("until", "from"), path);
        assert!(matches!(bad, Err(RestoreError::NotOurs { path: named, .. }) if named == path));
    }
}
