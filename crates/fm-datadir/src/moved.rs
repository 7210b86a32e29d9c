//! The marker of a guardian that was moved to another place: while the file exists, nothing runs in its data
//! directory.
//!
//! `fm-checkpoint move` writes it before it takes the database and the private keys away, and removes it as
//! the last step of undoing the move. Described in `docs/formats/moved.md`.
//!
//! Invariant: a marker that cannot be read still counts as a marker.

use std::path::{Path, PathBuf};

use fm_history::PeerId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::small::{FormatError, check_format, read_small};

/// The name of the file in the data directory.
pub const MOVED_NAME: &str = "moved.json";
const FORMAT: &str = "fm-moved";
const VERSION: u64 = 1;

/// How far a move has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MovedStep {
    /// The database and the private keys are being moved away.
    Sealing,
    /// They have been moved away; the archive does not exist yet.
    Sealed,
    /// The archive is written and read back: the guardian can start at another place.
    Moved,
    /// The database and the private keys are being put back.
    Undoing,
}

impl MovedStep {
    /// Returns its name in the file and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sealing => "sealing",
            Self::Sealed => "sealed",
            Self::Moved => "moved",
            Self::Undoing => "undoing",
        }
    }
}

/// The contents of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// `fm-moved`.
    pub format: String,
    /// The version of the format.
    pub version: u64,
    /// The last completed step.
    pub step: MovedStep,
    /// When the move began, such as `20261121T093000Z`.
    pub began: String,
    /// The guardian.
    pub peer: PeerId,
    /// The federation's id in hex, if its configuration states it.
    pub federation: Option<String>,
    /// The path of the archive, as given on the command line.
    pub archive: PathBuf,
    /// The last session in which the guardian must not make units at the new place; `None` if nothing was
    /// forgotten.
    pub guard_until: Option<u64>,
    /// The newest session in which it made units, as the node recorded it.
    pub signed: Option<u64>,
    /// The last finished session, once the archive exists.
    pub last: Option<u64>,
    /// The history root up to that session, in hex.
    pub history_root: Option<String>,
    /// The identity of the archive's rows, in hex.
    pub identity: Option<String>,
}

/// The guardian of a data directory runs at another place, or is being moved there.
#[derive(Debug, Error)]
#[error("the guardian of {} was moved away ({what})", path.display())]
pub struct MovedAway {
    /// The data directory.
    pub path: PathBuf,
    /// The contents of the marker.
    pub what: String,
}

impl Moved {
    /// Makes the marker of a move that begins.
    pub fn beginning(began: String, peer: PeerId, archive: PathBuf) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            step: MovedStep::Sealing,
            began,
            peer,
            federation: None,
            archive,
            guard_until: None,
            signed: None,
            last: None,
            history_root: None,
            identity: None,
        }
    }

    /// Reads the marker of a data directory, if there is one.
    ///
    /// # Errors
    /// If something exists at its path that cannot be read as a marker; returns the reason in words.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, String> {
        let path = data_dir.join(MOVED_NAME);
        let Some(text) = read_small(&path).map_err(|error| error.to_string())? else { return Ok(None) };
        match check_format(&text, FORMAT, VERSION) {
            Ok(()) => serde_json::from_str(&text).map(Some).map_err(|error| error.to_string()),
            Err(FormatError::Other(what)) => Err(what),
            Err(FormatError::Newer(version)) => {
                Err(format!("it is of version {version} of its format, this program reads {VERSION}"))
            }
        }
    }

    /// Returns the text of the file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a marker has only text keys") + "\n"
    }
}

/// Refuses a data directory whose guardian was moved away.
///
/// # Errors
/// If there is a marker, readable or not.
pub fn check_not_moved(data_dir: &Path) -> Result<(), MovedAway> {
    let what = match Moved::read(data_dir) {
        Ok(None) => return Ok(()),
        Ok(Some(moved)) => format!("{MOVED_NAME}: {}, {}", moved.step.name(), moved.began),
        Err(error) => format!("{MOVED_NAME} is there and cannot be read: {error}"),
    };
    Err(MovedAway { path: data_dir.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_that_cannot_be_read_is_a_marker() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(MOVED_NAME);
        check_not_moved(home.path()).unwrap();
        let moved = Moved::beginning("20261121T093000Z".to_owned(), 3, "a.fmar".into());
        std::fs::write(&path, moved.text()).unwrap();
        assert_eq!(Moved::read(home.path()).unwrap(), Some(moved.clone()));
        assert!(check_not_moved(home.path()).unwrap_err().to_string().contains("sealing, 20261121T093000Z"));
        let text = moved.text();
        let wrong = [
            String::new(),
            "7".to_owned(),
            text.replace("fm-moved", "fm-mover"),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("\"peer\": 3", "\"peer\": -3"),
            text.replace("\"peer\"", "\"more\": 1, \"peer\""),
            text.replace("sealing", "sealing?"),
            text[..text.len() - 3].to_owned(),
        ];
        for text in wrong {
            std::fs::write(&path, &text).unwrap();
            assert!(Moved::read(home.path()).is_err(), "{text}");
            assert!(check_not_moved(home.path()).is_err(), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(home.path().join("gone"), &path).unwrap();
        assert!(check_not_moved(home.path()).is_err(), "a link that leads nowhere");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(check_not_moved(home.path()).is_err(), "a directory");
    }
}
