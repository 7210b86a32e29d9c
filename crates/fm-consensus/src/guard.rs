//! The equivocation guard: the sessions in which a restored guardian makes no units.
//!
//! A guardian whose restored database lacks units that it signed would sign different ones and thereby
//! equivocate. Therefore the operator who restores it names the last session in which it may have signed
//! units.

use std::io::{self, Read};
use std::path::Path;

use fm_history::PeerId;
use fm_store::open_regular;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

/// The name of the format in the file.
const FORMAT: &str = "fm-equivocation-guard";
/// The supported version of the file.
const VERSION: u64 = 1;

/// The longest file that is read; valid files have a few thousand bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The last session in which this guardian makes no units, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The session.
    pub until_session: Option<u64>,
    /// The guardian that the guard is for, if the file names it.
    pub peer: Option<PeerId>,
}

/// Why a guard's file cannot be read. Then the node must not start.
#[derive(Debug, Error)]
pub enum GuardError {
    /// The file is not a guard's file.
    #[error("not an equivocation guard: {0}")]
    NotAGuard(#[from] serde_json::Error),
    /// The file names another format.
    #[error("not an equivocation guard, but {format:?}")]
    OtherFormat {
        /// The format that it names.
        format: String,
    },
    /// The file is of another federation.
    #[error("an equivocation guard of the federation {federation}, which is another one")]
    OtherFederation {
        /// The federation's id, as the file has it.
        federation: String,
    },
    /// The file exists but cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file is of a later version.
    #[error("an equivocation guard of version {version}, this program reads version {VERSION}")]
    Version {
        /// The version.
        version: u64,
    },
}

/// The contents of the file; an unknown field may be one that this program must obey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    until_session: u64,
    peer: Option<PeerId>,
    federation: Option<String>,
    #[serde(rename = "reason")]
    _reason: Option<IgnoredAny>,
    #[serde(rename = "evidence")]
    _evidence: Option<IgnoredAny>,
    #[serde(rename = "restored_session")]
    _restored_session: Option<IgnoredAny>,
    #[serde(rename = "history_root")]
    _history_root: Option<IgnoredAny>,
    #[serde(rename = "time")]
    _time: Option<IgnoredAny>,
}

impl Guard {
    /// Reads the file of a guardian of this federation, if there is one.
    ///
    /// # Errors
    /// If something exists at the path that is not such a file, including a link that leads nowhere, or the
    /// file is of a later version or of another federation.
    pub fn read(path: &Path, federation: [u8; 32]) -> Result<Self, GuardError> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            metadata => metadata.map_err(GuardError::Io)?,
        };
        let mut text = String::new();
        let file = open_regular(path).map_err(GuardError::Io)?;
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(GuardError::Io)?;
        Self::parse_of(&text, federation)
    }

    /// Parses the text of the file of a guardian of this federation.
    ///
    /// # Errors
    /// If it is not such a file, or is of a later version or of another federation.
    pub fn parse_of(json: &str, federation: [u8; 32]) -> Result<Self, GuardError> {
        let (guard, stated) = parse(json)?;
        let own = hex::encode(federation);
        match stated {
            Some(stated) if !stated.eq_ignore_ascii_case(&own) => {
                Err(GuardError::OtherFederation { federation: stated })
            }
            _ => Ok(guard),
        }
    }

    /// Parses the text of the file, of any federation.
    ///
    /// # Errors
    /// If it is not such a file, or is of a later version.
    pub fn parse(json: &str) -> Result<Self, GuardError> {
        Ok(parse(json)?.0)
    }

    /// Returns whether this guardian may make units in that session.
    pub fn may_create_units(self, session: u64) -> bool {
        self.until_session.is_none_or(|last| session > last)
    }
}

/// Returns the guard, and the federation that it names.
fn parse(json: &str) -> Result<(Guard, Option<String>), GuardError> {
    let File { format, version, until_session, peer, federation, .. } = serde_json::from_str(json)?;
    match (format.as_str(), version) {
        (FORMAT, VERSION) => Ok((Guard { until_session: Some(until_session), peer }, federation)),
        (FORMAT, _) => Err(GuardError::Version { version }),
        _ => Err(GuardError::OtherFormat { format }),
    }
}

#[cfg(test)]
mod tests {
    use fm_datadir::GUARD_NAME;

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
    #[test]
    fn a_guard_of_another_federation_or_with_unknown_fields_is_none() {
        let of = |federation: &str| FILE.replace("null", &format!("\"{federation}\"")).replace("7,", "0,");
        let own = "aB".repeat(32);
        assert_eq!(Guard::parse_of(FILE, [0xAB; 32]).unwrap().until_session, Some(7));
        assert_eq!(Guard::parse_of(&of(&own), [0xAB; 32]).unwrap().until_session, Some(0));
        let other = Guard::parse_of(&of(&own), [0xAC; 32]);
        assert!(matches!(other, Err(GuardError::OtherFederation { federation }) if federation == own));
        assert!(matches!(Guard::parse_of(&of(""), [0xAB; 32]), Err(GuardError::OtherFederation { .. })));
        let more = FILE.replace("\"peer\"", "\"from_session\": 9, \"peer\"");
        assert!(matches!(Guard::parse(&more), Err(GuardError::NotAGuard(_))));
    }

    /// What exists and cannot be read is never treated as missing.
    #[test]
    fn a_link_that_leads_nowhere_and_a_pipe_are_not_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(GUARD_NAME);
        assert_eq!(Guard::read(&path, [0; 32]).unwrap(), Guard::default());
        std::os::unix::fs::symlink(home.path().join("gone"), &path).unwrap();
        assert!(matches!(Guard::read(&path, [0; 32]), Err(GuardError::Io(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(matches!(Guard::read(&path, [0; 32]), Err(GuardError::Io(_))));
    }
}
