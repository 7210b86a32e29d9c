//! Histories of blocks and sessions: the guardians whose databases are bundled, and forged federations.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use fm_eras::block::BlockLayout;
use fm_forge::{BlockSpec, ForgedBlocks, forge_blocks};
use fm_history::Code;
use fm_rows::Row;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Run, fixture};

/// Codes of blocks and sessions; the stories of `damaged_sessions.rs` raise each.
pub const SESSION_CODES: [Code; 12] = [
    Code::SessionMissing,
    Code::SessionUndecodable,
    Code::SessionKeyMismatch,
    Code::SessionSignatureInvalid,
    Code::SessionSignerUnknown,
    Code::SessionUnsigned,
    Code::SessionSignaturesSurplus,
    Code::ItemsUnordered,
    Code::UnitsUnreadable,
    Code::PendingItemMissing,
    Code::SessionPointerWrong,
    Code::UnitsBeyondEnd,
];

/// A database of blocks or sessions, and the option that names its signers' keys.
#[derive(Clone, Debug)]
pub struct Guardian {
    /// Folder and guardian, for messages.
    pub name: String,
    /// The data directory.
    pub path: PathBuf,
    /// The option that names the keys, and its value.
    pub keys: [OsString; 2],
}

impl Guardian {
    /// Audits it.
    pub fn verify(&self) -> Run {
        self.verify_at(&self.path)
    }

    /// Audits another path with this guardian's keys.
    pub fn verify_at(&self, path: &Path) -> Run {
        let [option, value] = self.keys.clone();
        Run::of("fm-verify", &[path.into(), option, value, "--json".into()])
    }

    /// Audits it, with more options.
    pub fn verify_with(&self, more: &[&str]) -> Run {
        self.verify_for_people(&[&["--json"], more].concat())
    }

    /// Audits it and returns the output for people.
    pub fn verify_for_people(&self, more: &[&str]) -> Run {
        let mut words: Vec<OsString> = vec![self.path.clone().into()];
        words.extend(self.keys.clone());
        words.extend(more.iter().map(OsString::from));
        Run::of("fm-verify", &words)
    }

    /// Runs `check`, with more options.
    pub fn check(&self, more: &[&str]) -> Run {
        self.migrate("check", &more.iter().map(OsString::from).collect::<Vec<_>>())
    }

    /// Runs `convert`, with more options.
    pub fn convert(&self, to: &Path, more: &[&str]) -> Run {
        let more = more.iter().map(OsStr::new);
        let words: Vec<OsString> =
            [OsStr::new("--to"), to.as_os_str()].into_iter().chain(more).map(OsStr::to_owned).collect();
        self.migrate("convert", &words)
    }

    fn migrate(&self, command: &str, more: &[OsString]) -> Run {
        let mut words: Vec<OsString> = vec![command.into(), "--from".into(), self.path.clone().into()];
        words.extend(self.keys.clone());
        words.push("--json".into());
        words.extend_from_slice(more);
        Run::of("fm-migrate", &words)
    }

    /// Returns the rows of its database.
    pub fn rows(&self) -> Vec<Row> {
        let inner = self.path.join("database");
        crate::rows(if inner.is_dir() { &inner } else { &self.path })
    }
}

/// Reads a file of a folder of fixtures as JSON.
pub fn fixture_json(path: &str) -> Value {
    let text = fs::read_to_string(fixture(path)).expect("the fixture can be read");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

/// Returns the guardians of a folder of fixtures; if the folder has no configuration, a file of keys is
/// written to `home`.
pub fn guardians(folder: &str, home: &Path) -> Vec<Guardian> {
    let root = fixture(folder);
    let keys_file = keys_file(folder, home);
    let peers = (0..4).map(|peer| format!("peer-{peer}")).filter(|peer| root.join(peer).is_dir());
    let mut names: Vec<String> = peers.collect();
    if names.is_empty() {
        names.push(String::new());
    }
    let guardian = |peer: String| {
        let path = root.join(&peer);
        let keys = match &keys_file {
            Some(file) => ["--keys".into(), file.into()],
            None => ["--config".into(), path.clone().into()],
        };
        Guardian { name: format!("{folder}/{peer}"), path, keys }
    };
    names.into_iter().map(guardian).collect()
}

/// Writes the public keys that a folder without configurations states, as a file that the programs read.
fn keys_file(folder: &str, home: &Path) -> Option<PathBuf> {
    let keys: BTreeMap<String, Value> = match folder {
        "broadcast-v0.1.5" => {
            let stated = fixture_json("broadcast-v0.1.5/keys.json");
            serde_json::from_value(stated["public_keys"].clone()).expect("an object")
        }
        "synth-v0.5.0" => {
            let stated = fixture_json("synth-v0.5.0/keys.json");
            let peers = stated["peers"].as_object().expect("an object").iter();
            peers.map(|(peer, keys)| (peer.clone(), keys["public"].clone())).collect()
        }
        _ => return None,
    };
    let file = home.join(format!("keys-{folder}.json"));
    fs::write(&file, json!(keys).to_string()).expect("the keys can be written");
    Some(file)
}

/// A forged history of blocks or sessions in a directory of its own.
pub struct Sessions {
    home: TempDir,
    /// What was forged.
    pub forged: ForgedBlocks,
    /// The parameters.
    pub spec: BlockSpec,
}

impl Sessions {
    /// Forges it.
    pub fn new(spec: BlockSpec) -> Self {
        let home = tempfile::tempdir().expect("there is room for a directory");
        let forged = forge_blocks(&spec, &home.path().join("guardian")).expect("the history can be forged");
        Self { home, forged, spec }
    }

    /// Forges some sessions of a layout.
    pub fn of(layout: &'static BlockLayout, sessions: u64) -> Self {
        Self::new(BlockSpec::new(layout, sessions))
    }

    /// Returns the guardian's database, and the file with the keys.
    pub fn guardian(&self) -> Guardian {
        self.at(&self.home.path().join("guardian"))
    }

    /// Returns a database at another path, with the keys of this federation.
    pub fn at(&self, path: &Path) -> Guardian {
        let keys = self.home.path().join("guardian/keys.json");
        let keys = ["--keys".into(), keys.into()];
        Guardian { name: path.display().to_string(), path: path.to_owned(), keys }
    }

    /// Returns the database.
    pub fn database(&self) -> PathBuf {
        self.home.path().join("guardian/database")
    }

    /// Returns a path beside the guardian's directory, for anything that a test makes.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

/// Returns the layout of that name.
pub fn layout(name: &str) -> &'static BlockLayout {
    let mut all = fm_eras::broadcast::LAYOUTS.iter().chain(fm_eras::session::LAYOUTS);
    all.find(|layout| layout.name == name).unwrap_or_else(|| panic!("there is no layout {name}"))
}
