//! The equivocation guard: which sessions a restored guardian makes no units in.
//!
//! A guardian whose restored database has forgotten units that it signed would sign others and be a forker. So whoever
//! restores names the last session in which own units may have been signed.

use serde::Deserialize;
use thiserror::Error;

/// The version of the file that is read.
const VERSION: u64 = 1;

/// The last session that the own guardian makes no units in, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The session.
    pub last_session: Option<u64>,
}

/// Why a guard's file cannot be read. The node must not start then.
#[derive(Debug, Error)]
pub enum GuardError {
    /// It is no such file.
    #[error("not an equivocation guard")]
    NotAGuard(#[from] serde_json::Error),
    /// It is of a later version.
    #[error("an equivocation guard of version {version}, this program reads version {VERSION}")]
    Version {
        /// The version.
        version: u64,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
struct File {
    version: u64,
    last_session: u64,
}

impl Guard {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// If it is none, or of a later version.
    pub fn parse(json: &str) -> Result<Self, GuardError> {
        let File { version, last_session } = serde_json::from_str(json)?;
        if version == VERSION {
            Ok(Self { last_session: Some(last_session) })
        } else {
            Err(GuardError::Version { version })
        }
    }

    /// Whether the own guardian may make units in that session.
    pub fn may_create_units(self, session: u64) -> bool {
        self.last_session.is_none_or(|last| session > last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_made_only_after_the_named_session() {
        let guard = Guard::parse(r#"{"version": 1, "last_session": 7, "reason": "restored"}"#).unwrap();
        assert!(!guard.may_create_units(0) && !guard.may_create_units(7) && guard.may_create_units(8));
        assert!(Guard::default().may_create_units(0));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_permission() {
        for text in ["", "{}", "7", r#"{"version": 1}"#, r#"{"version": 1, "last_session": -1}"#] {
            assert!(matches!(Guard::parse(text), Err(GuardError::NotAGuard(_))), "{text}");
        }
        let later = r#"{"version": 2, "last_session": 7}"#;
        assert!(matches!(Guard::parse(later), Err(GuardError::Version { version: 2 })));
    }
}
