//! The file that says up to where a federation was followed.
//!
//! Invariant: the file is replaced whole and synced; what it says was audited under the keys that it names.

use std::path::{Path, PathBuf};

use fm_cli::{Exit, Failure};
use fm_history::{Hash, HistoryRoot, SessionLeaf};
use fm_store::{StoreError, read_regular, replace_named_file};
use serde::{Deserialize, Serialize};

const KIND: &str = "fm-verify follow";
/// The first bytes of every such file.
const START: &[u8] = b"{\"kind\":\"fm-verify follow\"";
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Up to where a federation was audited.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) sessions: u64,
    pub(super) items: u64,
    pub(super) root: HistoryRoot,
}

#[derive(Serialize, Deserialize)]
struct Text {
    kind: String,
    version: u32,
    key_set: String,
    sessions: u64,
    items: u64,
    /// The roots of the complete subtrees of the history root, largest first.
    peaks: Vec<Hash>,
    history_root: Hash,
}

pub(super) struct StateFile {
    path: PathBuf,
    key_set: String,
    state: State,
}

impl State {
    pub(super) fn push(&mut self, leaf: SessionLeaf) {
        self.root.push(leaf);
        self.sessions += 1;
        self.items += leaf.items;
    }
}

impl StateFile {
    /// Reads the file, if it exists. It must be of these keys.
    pub(super) fn open(path: &Path, key_set: &str) -> Result<Self, Failure> {
        let state = match read_regular(path, MAX_BYTES) {
            Ok(Some(text)) => resumed(path, &text, key_set)?,
            Ok(None) => State { sessions: 0, items: 0, root: HistoryRoot::new() },
            Err(error) => return Err(Failure::file("read", path, &error)),
        };
        Ok(Self { path: path.to_owned(), key_set: key_set.to_owned(), state })
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Replaces the file.
    pub(super) fn replace(&self, state: &State) -> Result<(), StoreError> {
        let text = Text {
            kind: KIND.to_owned(),
            version: 1,
            key_set: self.key_set.clone(),
            sessions: state.sessions,
            items: state.items,
            peaks: state.root.peaks().to_vec(),
            history_root: state.root.root(),
        };
        let text = serde_json::to_vec(&text).map_err(|error| StoreError::io(&self.path, error.into()))?;
        replace_named_file(&self.path, START, &text)
    }
}

fn resumed(path: &Path, text: &[u8], key_set: &str) -> Result<State, Failure> {
    let refused = |what: &str| {
        Failure::new(Exit::Usage, format!("{} {what}", path.display()))
            .hint("name another file with --state; the sessions are then audited from the first one")
    };
    let text: Text = serde_json::from_slice(text).map_err(|_| refused("is not a state file of --follow"))?;
    if text.kind != KIND || text.version != 1 {
        return Err(refused("is not a state file of --follow, or a later version wrote it"));
    }
    if text.key_set != key_set {
        return Err(refused("is of a federation with other keys"));
    }
    let root = HistoryRoot::resume(text.sessions, text.peaks).filter(|root| root.root() == text.history_root);
    let root = root.ok_or_else(|| refused("was changed: its history root is not that of its parts"))?;
    Ok(State { sessions: text.sessions, items: text.items, root })
}

#[cfg(test)]
mod tests {
    use fm_history::SessionHeader;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let file = StateFile::open(&path, "keys").unwrap();
        let mut state = file.state().clone();
        for index in 0..13 {
            state.push(SessionLeaf { items: index, header: SessionHeader { index, root: Hash([7; 32]) } });
            file.replace(&state).unwrap();
            let again = StateFile::open(&path, "keys").unwrap().state().clone();
            assert_eq!((again.sessions, again.items), (state.sessions, state.items));
            assert_eq!(again.root.root(), state.root.root());
        }
        assert!(StateFile::open(&path, "other keys").is_err());
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(StateFile::open(&path, "keys").is_err(), "{length}");
        }
        let text = String::from_utf8(whole).unwrap();
        for (from, to) in
            [("\"sessions\":13", "\"sessions\":12"), ("0707", "0808"), ("\"version\":1", "\"version\":2")]
        {
            if text.contains(from) {
                std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
                assert!(StateFile::open(&path, "keys").is_err(), "{from}");
            }
        }
    }
}
