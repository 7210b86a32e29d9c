//! Small JSON files: read with a size limit, and identified by format and version.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use fm_store::StoreError;
use serde_json::Value;

use crate::RestoreError;

/// Largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Returns the text of a file; `None` if there is no file.
pub(crate) fn read_small(path: &Path) -> Result<Option<String>, RestoreError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::io(path, source).into()),
        Ok(_) => {}
    }
    let not_ours = |what: &str| RestoreError::NotOurs { path: path.to_owned(), what: what.to_owned() };
    if bytes.len() as u64 > MOST_BYTES {
        return Err(not_ours("it has more bytes than any that these tools write"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| not_ours("it is not text"))
}

/// Refuses a text that does not have this format, or has a newer version of it.
pub(crate) fn format_of(text: &str, format: &str, version: u64, path: &Path) -> Result<(), RestoreError> {
    let not_ours = |what: String| RestoreError::NotOurs { path: path.to_owned(), what };
    let value: Value = serde_json::from_str(text).map_err(|error| not_ours(error.to_string()))?;
    if value.get("format").and_then(Value::as_str) != Some(format) {
        return Err(not_ours(format!("its format is not {format:?}")));
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(found) if found == version => Ok(()),
        Some(found) if found > version => {
            Err(RestoreError::Newer { path: path.to_owned(), version: found, known: version })
        }
        _ => Err(not_ours("it has no version of this format".to_owned())),
    }
}
