//! The state of a recovery in a file.
//!
//! Invariant: the file is replaced whole and synced. It holds either the state up to one session, or the
//! results; never both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fm_history::Hash;
use fm_store::{StoreError, read_regular, replace_named_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::RecoveryError;

const KIND: &str = "fm-recovery";
/// The first bytes of every such file.
const START: &[u8] = b"{\"kind\":\"fm-recovery\"";
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// The file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Text {
    kind: String,
    version: u32,
    /// The name of the keys that the sessions are proven by.
    key_set: String,
    #[serde(flatten)]
    phase: Phase,
}

/// How far a recovery is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Sessions are read.
    Reading(Snapshot),
    /// It is finished.
    Finished {
        /// The session before which it ended.
        end: u64,
        /// By the names of the modules.
        results: BTreeMap<String, Value>,
    },
}

/// The state between two sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The session before which the recovery ends.
    pub(crate) end: u64,
    /// The next session.
    pub(crate) next: u64,
    /// The root in the header of the session before it.
    pub(crate) last: Option<Hash>,
    /// The states of the modules, in hex, by their names.
    pub(crate) modules: BTreeMap<String, String>,
}

impl StateFile {
    /// Names the file; it is made when it is first written.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads the file; `None` if it does not exist.
    pub(crate) fn read(&self, key_set: &str) -> Result<Option<Phase>, RecoveryError> {
        let text = read_regular(&self.path, MAX_BYTES).map_err(|error| StoreError::io(&self.path, error))?;
        let Some(text) = text else { return Ok(None) };
        let refused =
            |reason: &str| RecoveryError::State { reason: format!("{} {reason}", self.path.display()) };
        let text: Text =
            serde_json::from_slice(&text).map_err(|_| refused("is not the state of a recovery"))?;
        if text.kind != KIND || text.version != 1 {
            return Err(refused("is not the state of a recovery, or a later version wrote it"));
        }
        if text.key_set != key_set {
            return Err(refused("is of a federation with other keys"));
        }
        if let Phase::Reading(snapshot) = &text.phase
            && (snapshot.next > snapshot.end || (snapshot.next > 0) != snapshot.last.is_some())
        {
            return Err(refused("was changed: its numbers do not fit together"));
        }
        Ok(Some(text.phase))
    }

    /// Replaces the file.
    pub(crate) fn write(&self, key_set: &str, phase: &Phase) -> Result<(), RecoveryError> {
        let (kind, key_set, phase) = (KIND.to_owned(), key_set.to_owned(), phase.clone());
        let text = serde_json::to_vec(&Text { kind, version: 1, key_set, phase });
        let text = text.map_err(|error| StoreError::io(&self.path, error.into()))?;
        Ok(replace_named_file(&self.path, START, &text)?)
    }
}
