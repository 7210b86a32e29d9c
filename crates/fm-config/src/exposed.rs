//! Unencrypted secrets that every user of the system can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fm_datadir::{PASSWORD, PASSWORD_NEW, PASSWORD_OLD, PRIVATE};

use crate::error::FilesError;
use crate::files::GuardianFiles;

/// Files whose contents need no password.
const IN_CLEAR: [&str; 4] = [PRIVATE, PASSWORD, PASSWORD_NEW, PASSWORD_OLD];
const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o001;

/// Returns whether users who are neither the owner nor in the group can read a file: its mode and those of
/// all directories above it allow it.
pub fn is_exposed(file: &Path) -> bool {
    let Ok(whole) = fs::canonicalize(file) else { return false };
    let has = |path: &Path, right: u32| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & right != 0)
    };
    has(&whole, OTHERS_READ) && whole.ancestors().skip(1).all(|directory| has(directory, OTHERS_ENTER))
}

/// Returns the message about a secret file that others can read.
pub fn said_exposed(file: &Path) -> String {
    let quoted = fm_store::quoted(file);
    format!("every user of this system may read {}, which is a secret: `chmod o= {quoted}`", file.display())
}

impl GuardianFiles {
    /// Returns a sentence about secrets that others can read; `None` if there are no such secrets.
    ///
    /// # Errors
    /// If a file cannot be examined.
    pub fn exposed(&self) -> Result<Option<String>, FilesError> {
        if self.is_backup() {
            let is_open = self.bytes(PRIVATE)?.is_some() && is_exposed(self.path());
            return Ok(is_open.then(|| said_exposed(self.path())));
        }
        let paths = IN_CLEAR.iter().map(|name| self.path().join(name));
        let open: Vec<_> = paths.filter(|path| is_exposed(path)).collect();
        Ok(match open.as_slice() {
            [] => None,
            [one] => Some(said_exposed(one)),
            [first, rest @ ..] => {
                let names: Vec<_> = rest.iter().filter_map(|path| path.file_name()).collect();
                let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
                let home = fm_store::quoted(self.path());
                Some(format!(
                    "every user of this system may read {} and {}, which are secrets: `chmod o= {home}`",
                    first.display(),
                    names.join(", ")
                ))
            }
        })
    }
}
