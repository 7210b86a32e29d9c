//! The equivocation guard: the session up to which this guardian makes no units.
//!
//! A guardian that forgot the units it signed would sign others in their place: it would fork. Invariant: a
//! restore never lowers the session of an existing guard. A guard that another version or a person wrote is
//! refused, not replaced.

use std::path::Path;

use fm_datadir::GUARD_NAME;
use serde::{Deserialize, Serialize};

use crate::RestoreError;
use crate::small_file::{format_of, read_small};

const FORMAT: &str = "fm-equivocation-guard";
const VERSION: u64 = 1;

/// The content of the file. Described in `docs/formats/equivocation-guard.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// `fm-equivocation-guard`.
    pub format: String,
    /// Version of the format.
    pub version: u64,
    /// The last session in which the guardian makes no units.
    pub until_session: u64,
    /// The guardian's number, if its files name it.
    pub peer: Option<u16>,
    /// Id of the federation in hex, if its config names it.
    pub federation: Option<String>,
    /// The reason: `restore`, or `undo`.
    pub reason: String,
    /// The evidence for the session, in words.
    pub evidence: String,
    /// The last finished session of the database that was put in place.
    pub restored_session: u64,
    /// The history root up to that session, in hex.
    pub history_root: String,
    /// The time, such as `20261121T093000Z`.
    pub time: String,
}

/// The input for a guard.
pub(crate) struct Guarded<'a> {
    pub(crate) until: u64,
    pub(crate) peer: Option<u16>,
    pub(crate) federation: Option<&'a str>,
    pub(crate) reason: &'a str,
    pub(crate) evidence: String,
    pub(crate) restored_session: u64,
    pub(crate) history_root: String,
    pub(crate) time: &'a str,
}

impl Guard {
    /// Reads the guard of a data directory, if there is one.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not a guard, or has a newer version.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, RestoreError> {
        let path = data_dir.join(GUARD_NAME);
        let Some(text) = read_small(&path)? else { return Ok(None) };
        Self::parse(&text, &path).map(Some)
    }

    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, RestoreError> {
        format_of(text, FORMAT, VERSION, path)?;
        serde_json::from_str(text)
            .map_err(|error| RestoreError::NotOurs { path: path.to_owned(), what: error.to_string() })
    }

    /// Returns a guard for the current restore, no lower than the existing one.
    pub(crate) fn new(guarded: Guarded<'_>, existing: Option<&Self>) -> Self {
        let kept = existing.filter(|guard| guard.until_session > guarded.until);
        let evidence = match kept {
            Some(guard) => format!("{}; kept from {}: {}", guarded.evidence, guard.time, guard.evidence),
            None => guarded.evidence,
        };
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            until_session: kept.map_or(guarded.until, |guard| guard.until_session),
            peer: guarded.peer,
            federation: guarded.federation.map(str::to_owned),
            reason: guarded.reason.to_owned(),
            evidence: evidence.chars().take(MOST_EVIDENCE).collect(),
            restored_session: guarded.restored_session,
            history_root: guarded.history_root,
            time: guarded.time.to_owned(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a guard has only text keys");
        text + "\n"
    }
}

/// The most characters of evidence that are kept over several restores.
const MOST_EVIDENCE: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

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
    fn it_is_never_lowered() {
        let first = Guard::new(guarded(9), None);
        let lower = Guard::new(guarded(4), Some(&first));
        assert_eq!(lower.until_session, 9);
        assert_eq!(lower.evidence, "units of 4; kept from 20261121T093000Z: units of 9");
        assert_eq!(Guard::new(guarded(12), Some(&lower)).until_session, 12);
        let mut guard = lower;
        for _ in 0..1000 {
            guard = Guard::new(guarded(4), Some(&guard));
        }
        assert!(guard.text().len() < 4000 && guard.until_session == 9);
    }

    #[test]
    fn what_is_no_guard_is_refused() {
        let path = Path::new("guard");
        let text = Guard::new(guarded(9), None).text();
        assert_eq!(Guard::parse(&text, path).unwrap().until_session, 9);
        let newer = Guard::parse(&text.replace("\"version\": 1", "\"version\": 2"), path);
        assert!(matches!(newer, Err(RestoreError::Newer { version: 2, .. })));
        for (from, to) in [
            ("fm-equivocation-guard", "fm-equivocation"),
            ("\"until_session\": 9", "\"until_session\": -1"),
            ("\"until_session\": 9,", ""),
            ("\"reason\"", "\"reasons\""),
            ("{", ""),
        ] {
            let bad = Guard::parse(&text.replacen(from, to, 1), path);
            assert!(matches!(bad, Err(RestoreError::NotOurs { .. })), "{from}: {bad:?}");
        }
    }
}
