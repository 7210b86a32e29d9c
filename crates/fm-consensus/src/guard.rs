//! The equivocation guard: which sessions a restored guardian makes no units in.
//!
//! A guardian whose restored database has forgotten units that it signed would sign others and be a forker. So whoever
//! restores names the last session in which own units may have been signed.

use fm_history::PeerId;
use serde::Deserialize;
use thiserror::Error;

/// Name of the file in the data directory.
pub const GUARD_NAME: &str = "equivocation-guard.json";
/// What the file says it is.
const FORMAT: &str = "fm-equivocation-guard";
/// The version of the file that is read.
const VERSION: u64 = 1;

/// The last session that the own guardian makes no units in, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The session.
    pub until_session: Option<u64>,
    /// The guardian that it is for, if it says so.
    pub peer: Option<PeerId>,
}

/// Why a guard's file cannot be read. The node must not start then.
#[derive(Debug, Error)]
pub enum GuardError {
    /// It is no such file.
    #[error("not an equivocation guard: {0}")]
    NotAGuard(#[from] serde_json::Error),
    /// It says that it is something else.
    #[error("not an equivocation guard, but {format:?}")]
    OtherFormat {
        /// What it says.
        format: String,
    },
    /// It is of a later version.
    #[error("an equivocation guard of version {version}, this program reads version {VERSION}")]
    Version {
        /// The version.
        version: u64,
    },
}

/// The file, as far as the node needs it.
#[derive(Deserialize)]
struct File {
    format: String,
    version: u64,
    until_session: u64,
    peer: Option<PeerId>,
}

impl Guard {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// If it is none, or of a later version.
    pub fn parse(json: &str) -> Result<Self, GuardError> {
        let File { format, version, until_session, peer } = serde_json::from_str(json)?;
        match (format.as_str(), version) {
            (FORMAT, VERSION) => Ok(Self { until_session: Some(until_session), peer }),
            (FORMAT, _) => Err(GuardError::Version { version }),
            _ => Err(GuardError::OtherFormat { format }),
        }
    }

    /// Whether the own guardian may make units in that session.
    pub fn may_create_units(self, session: u64) -> bool {
        self.until_session.is_none_or(|last| session > last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"format": "fm-equivocation-guard", "version": 1, "until_session": 7, "peer": 3,
        "federation": null, "reason": "restore", "evidence": "units of session 7"}"#;

    #[test]
    fn units_are_made_only_after_the_named_session() {
        let guard = Guard::parse(FILE).unwrap();
        assert_eq!(guard.peer, Some(3));
        assert!(!guard.may_create_units(0) && !guard.may_create_units(7) && guard.may_create_units(8));
        assert!(Guard::default().may_create_units(0));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_permission() {
        for text in ["", "{}", "7", &FILE.replace("7,", "-1,"), &FILE[..FILE.len() - 1]] {
            assert!(matches!(Guard::parse(text), Err(GuardError::NotAGuard(_))), "{text}");
        }
        let later = FILE.replace("\"version\": 1", "\"version\": 2");
        assert!(matches!(Guard::parse(&later), Err(GuardError::Version { version: 2 })));
        let other = FILE.replace("fm-equivocation-guard", "fm-restore-journal");
        assert!(matches!(Guard::parse(&other), Err(GuardError::OtherFormat { .. })));
    }
}
