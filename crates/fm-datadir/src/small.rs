//! Small JSON files beside the database: read with a bound, and recognised by their format and version.
//!
//! Invariant: a file that exists and cannot be read is never treated as missing.

use std::io::{self, ErrorKind};
use std::path::Path;

use fm_store::read_regular;
use serde::Deserialize;

/// The largest file that is read; the files have a few thousand bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Returns the text of a small file; `None` if nothing exists at the path.
///
/// # Errors
/// If the file cannot be read, is a link that leads nowhere or not a regular file (`InvalidInput`), is too large or not
/// text (`InvalidData`).
pub fn read_small(path: &Path) -> io::Result<Option<String>> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "it is not text");
    let bytes = read_regular(path, MOST_BYTES)?;
    bytes.map(String::from_utf8).transpose().map_err(not_text)
}

/// Why a text is not one of a format and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The text is of no version of the format; the reason in words.
    Other(String),
    /// The text is of this later version.
    Newer(u64),
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

/// Checks that a JSON text states this format and version.
///
/// # Errors
/// If it states another one, or is not a JSON object that states one.
pub fn check_format(text: &str, format: &str, version: u64) -> Result<(), FormatError> {
    let head: Head = serde_json::from_str(text).map_err(|error| FormatError::Other(error.to_string()))?;
    match (head.format == format, head.version) {
        (true, found) if found == version => Ok(()),
        (true, found) if found > version => Err(FormatError::Newer(found)),
        (true, found) => Err(FormatError::Other(format!("there is no version {found} of its format"))),
        (false, _) => Err(FormatError::Other(format!("its format is {:?}", head.format))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_and_cannot_be_read_is_not_missing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("small.json");
        assert_eq!(read_small(&path).unwrap(), None);
        std::os::unix::fs::symlink(home.path().join("gone"), &path).unwrap();
        assert!(read_small(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(read_small(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read_small(&path).is_err());
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, [0xFF]).unwrap();
        assert_eq!(read_small(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        assert_eq!(read_small(&path).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn formats_and_versions_are_distinguished() {
        let text =
            |format: &str, version: &str| format!(r#"{{"format":"{format}","version":{version},"x":1}}"#);
        assert_eq!(check_format(&text("a", "2"), "a", 2), Ok(()));
        assert_eq!(check_format(&text("a", "3"), "a", 2), Err(FormatError::Newer(3)));
        for bad in
            [text("a", "1"), text("a", "-2"), text("b", "2"), text("b", "3"), "{}".into(), String::new()]
        {
            assert!(matches!(check_format(&bad, "a", 2), Err(FormatError::Other(_))), "{bad}");
        }
    }
}
