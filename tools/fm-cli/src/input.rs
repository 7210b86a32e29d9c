//! Files that the user hands over as text.

use std::io::Read;
use std::path::Path;

use fm_store::open_regular;

use crate::{Exit, Failure};

/// Reads a text of at most `most` bytes; a longer file is not `what`.
///
/// # Errors
/// If the file cannot be read, is longer, or is not text.
pub fn read_file(path: &Path, most: u64, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    open_regular(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::file("read", path, &error))?;
    if bytes.len() as u64 > most {
        let message = format!("{} has more than {most} bytes: it is not {what}", path.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::new(Exit::Usage, format!("{} is not {what}: it is not even text", path.display()))
    })
}
