//! The equivocation guard: the file that names the last session in which a guardian makes no units.
//!
//! A guardian that lost units which it signed would sign different ones in their place and thereby equivocate. Therefore
//! every program that takes a database away from a guardian writes the guard, and the node obeys it. Described in
//! `docs/formats/equivocation-guard.md`.
//!
//! Invariants: a new guard never lowers the session of an existing one; a file that this reader does not understand in
//! full is refused, never replaced and never ignored.

use std::io;
use std::path::Path;

use fm_history::PeerId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::names::GUARD_NAME;
use crate::small::{FormatError, check_format, read_small};

/// The name of the format in the file.
const FORMAT: &str = "fm-equivocation-guard";
/// The supported version of the file.
const VERSION: u64 = 1;
/// The most characters of evidence that are kept over several restores.
const MOST_EVIDENCE: usize = 2000;

/// The contents of the file. An unknown field may be one that a reader must obey.
///
/// A file that a person wrote may state the session alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardFile {
    /// `fm-equivocation-guard`.
    pub format: String,
    /// The version of the format.
    pub version: u64,
    /// The last session in which the guardian makes no units.
    pub until_session: u64,
    /// The guardian's number, if its files name it.
    pub peer: Option<PeerId>,
    /// The federation's id in hex, if its configuration names it.
    pub federation: Option<String>,
    /// The reason: `restore`, or `undo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The evidence for the session, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The last finished session of the database that was put in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_session: Option<u64>,
    /// The history root up to that session, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_root: Option<String>,
    /// The time, such as `20261121T093000Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Why a guard's file cannot be used. Then the guardian must make no units, and the file must stay.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum GuardError {
    /// The file is not a guard's file.
    #[error("not an equivocation guard: {0}")]
    NotAGuard(String),
    /// The file is of another federation.
    #[error("an equivocation guard of the federation {federation}, which is another one")]
    OtherFederation {
        /// Its id, as the file has it.
        federation: String,
    },
    /// The file exists but cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file is of a later version.
    #[error("an equivocation guard of version {version}, this program reads version {VERSION}")]
    Version { version: u64 },
}

/// What a new guard is made from.
pub struct Guarded<'a> {
    /// The last session in which the guardian may have signed units.
    pub until: u64,
    /// The guardian's number, if its files name it.
    pub peer: Option<PeerId>,
    /// The federation's id in hex, if its configuration names it.
    pub federation: Option<&'a str>,
    /// The reason: `restore`, or `undo`.
    pub reason: &'a str,
    /// The evidence for the session, in words.
    pub evidence: String,
    /// The last finished session of the database that is put in place.
    pub restored_session: u64,
    /// The history root up to that session, in hex.
    pub history_root: String,
    /// The time, such as `20261121T093000Z`.
    pub time: &'a str,
}

impl GuardFile {
    /// The version that this program reads and writes.
    pub const VERSION: u64 = VERSION;

    /// Reads the guard of a data directory, if there is one.
    ///
    /// # Errors
    /// If something exists under its name that is not such a file, including a link that leads nowhere, or the file is of
    /// a later version.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, GuardError> {
        let text = read_small(&data_dir.join(GUARD_NAME)).map_err(GuardError::Io)?;
        text.map(|text| Self::parse(&text)).transpose()
    }

    /// Parses the text of the file.
    ///
    /// # Errors
    /// If it is not such a file, or is of a later version.
    pub fn parse(text: &str) -> Result<Self, GuardError> {
        check_format(text, FORMAT, VERSION).map_err(|error| match error {
            FormatError::Other(what) => GuardError::NotAGuard(what),
            FormatError::Newer(version) => GuardError::Version { version },
        })?;
        serde_json::from_str(text).map_err(|error| GuardError::NotAGuard(error.to_string()))
    }

    /// Checks that the guard is not of another federation; a guard that names no federation may be of this one.
    ///
    /// # Errors
    /// If it names another federation.
    pub fn check_federation(&self, federation: [u8; 32]) -> Result<(), GuardError> {
        match &self.federation {
            Some(stated) if !stated.eq_ignore_ascii_case(&hex::encode(federation)) => {
                Err(GuardError::OtherFederation { federation: stated.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Returns the guard to write, no lower than the existing one.
    pub fn new(guarded: Guarded<'_>, existing: Option<&Self>) -> Self {
        let kept = existing.filter(|guard| guard.until_session > guarded.until);
        let evidence = match kept {
            Some(guard) => format!(
                "{}; kept from {}: {}",
                guarded.evidence,
                guard.time.as_deref().unwrap_or("an unknown time"),
                guard.evidence()
            ),
            None => guarded.evidence,
        };
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            until_session: kept.map_or(guarded.until, |guard| guard.until_session),
            peer: guarded.peer,
            federation: guarded.federation.map(str::to_owned),
            reason: Some(guarded.reason.to_owned()),
            evidence: Some(evidence.chars().take(MOST_EVIDENCE).collect()),
            restored_session: Some(guarded.restored_session),
            history_root: Some(guarded.history_root),
            time: Some(guarded.time.to_owned()),
        }
    }

    /// Returns the evidence for the session, in words.
    pub fn evidence(&self) -> &str {
        self.evidence.as_deref().unwrap_or("a guard that states no evidence")
    }

    /// Returns the text of the file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a guard has only text keys") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_HAND: &str = r#"{"format": "fm-equivocation-guard", "version": 1, "until_session": 7}"#;

    fn guarded(until: u64) -> Guarded<'static> {
        Guarded {
            until,
            peer: Some(1),
            federation: None,
            reason: "restore",
            evidence: format!("units of {until}"),
            restored_session: 3,
            history_root: "00".to_owned(),
            time: "20261121T093000Z",
        }
    }

    #[test]
    fn the_session_is_never_lowered() {
        let first = GuardFile::new(guarded(9), None);
        let lower = GuardFile::new(guarded(4), Some(&first));
        assert_eq!(lower.until_session, 9);
        let evidence = lower.evidence.clone();
        assert_eq!(evidence.as_deref(), Some("units of 4; kept from 20261121T093000Z: units of 9"));
        assert_eq!(GuardFile::new(guarded(12), Some(&lower)).until_session, 12);
        let mut guard = lower;
        for _ in 0..1000 {
            guard = GuardFile::new(guarded(4), Some(&guard));
        }
        assert!(guard.text().len() < 4000 && guard.until_session == 9);
        let by_hand = GuardFile::parse(BY_HAND).unwrap();
        assert_eq!(GuardFile::new(guarded(4), Some(&by_hand)).until_session, 7);
    }

    #[test]
    fn a_file_that_is_not_understood_in_full_is_refused() {
        let text = GuardFile::new(guarded(9), None).text();
        assert_eq!(GuardFile::parse(&text).unwrap().text(), text);
        assert_eq!(GuardFile::parse(BY_HAND).unwrap().until_session, 7);
        let newer = GuardFile::parse(&text.replace("\"version\": 1", "\"version\": 2"));
        assert!(matches!(newer, Err(GuardError::Version { version: 2 })));
        for (from, to) in [
            ("fm-equivocation-guard", "fm-restore-journal"),
            ("\"until_session\": 9", "\"until_session\": -1"),
            ("\"until_session\": 9,", ""),
            ("\"reason\"", "\"reasons\""),
            ("\"peer\"", "\"from_session\": 9, \"peer\""),
            ("\"peer\": 1", "\"peer\": 1, \"peer\": 2"),
            ("{", ""),
        ] {
            let bad = GuardFile::parse(&text.replacen(from, to, 1));
            assert!(matches!(bad, Err(GuardError::NotAGuard(_))), "{from}: {bad:?}");
        }
        for bad in ["", "{}", "7", &BY_HAND[..BY_HAND.len() - 1]] {
            assert!(matches!(GuardFile::parse(bad), Err(GuardError::NotAGuard(_))), "{bad}");
        }
    }

    #[test]
    fn a_guard_of_another_federation_is_refused() {
        let of = |federation: &str| {
            let text = BY_HAND.replace('}', &format!(", \"federation\": {federation}}}"));
            GuardFile::parse(&text).unwrap()
        };
        let own = format!("\"{}\"", "aB".repeat(32));
        of("null").check_federation([0xAB; 32]).unwrap();
        of(&own).check_federation([0xAB; 32]).unwrap();
        for (federation, id) in [(own.as_str(), [0xAC; 32]), ("\"\"", [0xAB; 32])] {
            let refused = of(federation).check_federation(id);
            assert!(matches!(refused, Err(GuardError::OtherFederation { .. })), "{federation}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_a_missing_guard() {
        let home = tempfile::tempdir().unwrap();
        assert!(GuardFile::read(home.path()).unwrap().is_none());
        std::os::unix::fs::symlink(home.path().join("gone"), home.path().join(GUARD_NAME)).unwrap();
        assert!(matches!(GuardFile::read(home.path()), Err(GuardError::Io(_))));
    }
}
