//! A record outside the node's database: the newest session in which its guardian made units, and in which
//! database.
//!
//! A database can be restored from a copy that is older than what the guardian signed, and such a copy looks
//! complete. This file reveals it. Described in `docs/formats/equivocation-guard.md`.
//!
//! Invariants: the session is lowered only at the user's request; it is on the disk before the first unit of
//! the session leaves the guardian, and only after that unit is in the database: so a database without that
//! unit is an older one.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use fm_crypto::SessionKeys;
use fm_history::PeerId;
use fm_store::{StoreError, replace_file};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::small::{FormatError, check_format, read_small};

/// The name of the file in the data directory.
pub const SIGNED_NAME: &str = "signed-session.json";
const FORMAT: &str = "fm-signed-session";
const VERSION: u64 = 1;
/// The name of the file in which RocksDB keeps a database's id; a checkpoint has no such file.
const IDENTITY: &str = "IDENTITY";
/// The most bytes of it that are read.
const MOST_IDENTITY: u64 = 1 << 16;

/// The contents of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedSession {
    /// `fm-signed-session`.
    pub format: String,
    /// The version of the format.
    pub version: u64,
    /// The SHA-256 of the guardians' keys as signatures cover it, in hex: it identifies the federation.
    pub federation: String,
    /// The guardian.
    pub peer: PeerId,
    /// The newest session in which it made units; `None` if no node made any while this file existed.
    pub newest: Option<u64>,
    /// RocksDB's id of the database that the node works on.
    pub database: Option<String>,
    /// The last session in which the node makes no units, as the user set it.
    pub guard_until: Option<u64>,
}

/// Why the file cannot be used. Then no program may make units.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum SignedError {
    /// It cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not such a file.
    #[error("{} is not a record of a guardian's newest session: {what}", path.display())]
    NotOne { path: PathBuf, what: String },
    /// It is of a later version.
    #[error("{} is of version {version} of its format, this program reads version {VERSION}", path.display())]
    Version { path: PathBuf, version: u64 },
    /// It belongs to another guardian or another federation.
    #[error("{} is the record of guardian {peer} of {}", path.display(), if *same { "this federation" } else { "another federation" })]
    Other { path: PathBuf, peer: PeerId, same: bool },
}

impl SignedSession {
    /// Creates a record of a guardian that has not made units yet.
    pub fn new(keys: &SessionKeys, peer: PeerId) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            federation: federation(keys),
            peer,
            newest: None,
            database: None,
            guard_until: None,
        }
    }

    /// Reads the record of a data directory, if there is one; an unknown guardian is not compared.
    ///
    /// # Errors
    /// If it cannot be read, is of a later version, or belongs to another guardian.
    pub fn read(
        data_dir: &Path,
        keys: &SessionKeys,
        peer: Option<PeerId>,
    ) -> Result<Option<Self>, SignedError> {
        let path = data_dir.join(SIGNED_NAME);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let record = parse(&text, &path)?;
        let same = record.federation == federation(keys);
        if !same || peer.is_some_and(|peer| peer != record.peer) {
            return Err(SignedError::Other { path, peer: record.peer, same });
        }
        Ok(Some(record))
    }

    /// Writes the record into a data directory, and syncs it.
    ///
    /// # Errors
    /// If it cannot be written; the old one is then unchanged.
    pub fn write(&self, data_dir: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(self).expect("a record has only text keys") + "\n";
        replace_file(&data_dir.join(SIGNED_NAME), text.as_bytes())
    }
}

fn federation(keys: &SessionKeys) -> String {
    hex::encode(keys.tag().unwrap_or_default())
}

fn parse(text: &str, path: &Path) -> Result<SignedSession, SignedError> {
    let not_one = |what: String| SignedError::NotOne { path: path.to_owned(), what };
    check_format(text, FORMAT, VERSION).map_err(|error| match error {
        FormatError::Other(what) => not_one(what),
        FormatError::Newer(version) => SignedError::Version { path: path.to_owned(), version },
    })?;
    serde_json::from_str(text).map_err(|error| not_one(error.to_string()))
}

fn read_text(path: &Path) -> Result<Option<String>, SignedError> {
    read_small(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => SignedError::NotOne { path: path.to_owned(), what: error.to_string() },
        _ => StoreError::io(path, error).into(),
    })
}

/// Returns RocksDB's id of a database; `None` if it was never opened for writing, like a checkpoint.
pub fn database_name(database: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(database.join(IDENTITY)).ok()?.take(MOST_IDENTITY).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What a readable database holds of the session in progress, and what is beside it.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The session in progress.
    pub open: u64,
    /// The number of the guardian's own units in it; `None` if it is not known which guardian it is.
    pub own: Option<u64>,
    /// The number of its accepted items that the guardian proposed: it made units for them.
    pub own_items: u64,
    /// Whether the database holds any unit or accepted item of that session.
    pub any: bool,
    /// RocksDB's id of the database.
    pub name: Option<String>,
    /// The last session of the newest checkpoint beside it.
    pub checkpoint: Option<u64>,
    /// The checkpoint beside it that holds the same of the session in progress.
    pub copy_of: Option<String>,
}

/// Whether a database is the one that ran last, as far as can be determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing contradicts it: what it holds of the session in progress is what the guardian signed.
    Last,
    /// It is older: according to the node's record, the guardian made units up to this session.
    Older(u64),
    /// It is not known.
    Unknown {
        /// The least session up to which the guardian may have made units.
        at_least: u64,
        /// Why it is not known.
        why: String,
    },
}

impl Held {
    /// Judges the database by its contents and the node's record.
    pub fn standing(&self, record: Option<&SignedSession>) -> Standing {
        let newest = record.and_then(|record| record.newest);
        let newer = self.checkpoint.filter(|last| *last >= self.open);
        let at_least = newest.unwrap_or(0).max(newer.map_or(self.open, |last| last.saturating_add(1)));
        let unknown = |why: String| Standing::Unknown { at_least, why };
        let forgotten = |newest: &u64| *newest > self.open || (*newest == self.open && self.own == Some(0));
        if let Some(newest) = newest.filter(forgotten) {
            return match newer.filter(|last| *last > newest) {
                None => Standing::Older(newest),
                Some(last) => unknown(format!(
                    "fm-node recorded session {newest} as the last in which it made units, and there is a checkpoint of \
                     session {last}, which fm-node did not make"
                )),
            };
        }
        if self.own == Some(0) && self.own_items > 0 {
            return unknown(format!(
                "the database holds {} accepted item(s) of session {} that this guardian proposed, and none of its units: \
                 rows are lost",
                self.own_items, self.open
            ));
        }
        let is_same = |record: &SignedSession| record.database.is_some() && record.database == self.name;
        if record.is_some_and(is_same) {
            return Standing::Last;
        }
        if let Some(last) = newer {
            return unknown(format!(
                "session {} is the open one of the database, and there is a newer state beside it, of session {last}",
                self.open
            ));
        }
        match &self.copy_of {
            _ if !self.any => unknown(format!(
                "the database holds no unit and no accepted item of session {}, so it may be a copy from before that session",
                self.open
            )),
            Some(name) => unknown(format!(
                "the database holds the same of session {} as the checkpoint {name}, so it may be a copy of it",
                self.open
            )),
            None => Standing::Last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SessionKeys {
        let keys = (1u8..5).map(|secret| {
            let key = fm_crypto::SigningKey::from_bytes([secret; 32]).unwrap();
            (PeerId::from(secret) - 1, hex::encode(key.public_key()))
        });
        let keys: std::collections::BTreeMap<PeerId, fm_crypto::BroadcastKey> =
            keys.map(|(peer, key)| (peer, hex::decode(key).unwrap().try_into().unwrap())).collect();
        SessionKeys::new(&keys).unwrap()
    }

    fn record(newest: Option<u64>, database: &str) -> SignedSession {
        SignedSession { newest, database: Some(database.to_owned()), ..SignedSession::new(&keys(), 1) }
    }

    fn held(own: Option<u64>, any: bool) -> Held {
        let name = Some("a".to_owned());
        Held { open: 26, own, own_items: 0, any, name, checkpoint: Some(25), copy_of: None }
    }

    #[test]
    fn a_record_is_read_back_and_is_one_guardians() {
        let home = tempfile::tempdir().unwrap();
        let (keys, path) = (keys(), home.path());
        assert_eq!(SignedSession::read(path, &keys, Some(1)).unwrap(), None);
        let written = record(Some(7), "a");
        written.write(path).unwrap();
        assert_eq!(SignedSession::read(path, &keys, Some(1)).unwrap(), Some(written.clone()));
        assert_eq!(SignedSession::read(path, &keys, None).unwrap(), Some(written));
        let other = SignedSession::read(path, &keys, Some(2));
        assert!(matches!(other, Err(SignedError::Other { peer: 1, same: true, .. })), "{other:?}");
        let text = std::fs::read_to_string(path.join(SIGNED_NAME)).unwrap();
        for (from, to) in [
            ("fm-signed-session", "fm-signed"),
            ("\"newest\": 7", "\"newest\": -7"),
            ("\"peer\"", "\"pear\""),
            ("\"version\": 1", "\"version\": 0"),
            ("{", ""),
        ] {
            std::fs::write(path.join(SIGNED_NAME), text.replacen(from, to, 1)).unwrap();
            let read = SignedSession::read(path, &keys, Some(1));
            assert!(matches!(read, Err(SignedError::NotOne { .. })), "{from}: {read:?}");
        }
        std::fs::write(path.join(SIGNED_NAME), text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        let read = SignedSession::read(path, &keys, Some(1));
        assert!(matches!(read, Err(SignedError::Version { version: 2, .. })), "{read:?}");
    }

    #[test]
    fn units_of_the_open_session_speak_for_a_database() {
        assert_eq!(held(Some(3), true).standing(None), Standing::Last);
        assert_eq!(held(Some(0), true).standing(None), Standing::Last);
        assert_eq!(held(None, true).standing(None), Standing::Last);
        assert_eq!(held(Some(3), true).standing(Some(&record(Some(26), "b"))), Standing::Last);
        let newer = Held { checkpoint: Some(26), ..held(Some(3), true) };
        assert!(matches!(newer.standing(None), Standing::Unknown { at_least: 27, .. }));
        // What the guardian proposed was in units that it made.
        let proposed = |own| Held { own_items: 4, ..held(own, true) };
        assert_eq!(proposed(Some(3)).standing(None), Standing::Last);
        for record in [None, Some(&record(Some(25), "a"))] {
            let standing = proposed(Some(0)).standing(record);
            assert!(matches!(standing, Standing::Unknown { at_least: 26, .. }), "{standing:?}");
        }
        assert_eq!(proposed(Some(0)).standing(Some(&record(Some(26), "a"))), Standing::Older(26));
    }

    #[test]
    fn an_empty_open_session_says_nothing() {
        let silent = held(Some(0), false);
        assert!(matches!(silent.standing(None), Standing::Unknown { at_least: 26, .. }));
        // The node worked on this same database, and made units up to the previous session.
        assert_eq!(silent.standing(Some(&record(Some(25), "a"))), Standing::Last);
        assert_eq!(silent.standing(Some(&record(None, "a"))), Standing::Last);
        let other = silent.standing(Some(&record(Some(25), "b")));
        assert!(matches!(other, Standing::Unknown { at_least: 26, .. }), "{other:?}");
        let nameless = Held { name: None, ..silent };
        let unnamed = SignedSession { database: None, ..record(Some(25), "") };
        assert!(matches!(nameless.standing(Some(&unnamed)), Standing::Unknown { .. }));
    }

    #[test]
    fn what_the_record_has_and_the_database_has_not_was_forgotten() {
        assert_eq!(held(Some(0), false).standing(Some(&record(Some(26), "a"))), Standing::Older(26));
        assert_eq!(held(Some(3), true).standing(Some(&record(Some(31), "a"))), Standing::Older(31));
        // Another program ran after the node.
        let later = Held { checkpoint: Some(40), ..held(Some(3), true) };
        let standing = later.standing(Some(&record(Some(31), "a")));
        assert!(matches!(standing, Standing::Unknown { at_least: 41, .. }), "{standing:?}");
    }

    #[test]
    fn the_copy_of_a_checkpoint_says_nothing() {
        let copy = Held { copy_of: Some("26-now".to_owned()), ..held(Some(3), true) };
        assert!(matches!(copy.standing(None), Standing::Unknown { at_least: 26, .. }));
        assert_eq!(copy.standing(Some(&record(Some(26), "a"))), Standing::Last);
    }
}
