//! The fixtures, and forged federations.

use std::fs;
use std::path::{Path, PathBuf};

use fm_forge::{ForgeSpec, Forged, forge};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The damaged copies of the real history, all damaged at epoch 160.
pub const DAMAGED: [&str; 4] =
    ["bad-a-swapped-signature", "bad-b-item-byte", "bad-c1-last-hash", "bad-d-missing-epoch"];

/// Returns a path below `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path);
    assert!(path.exists(), "the fixture {} is missing", path.display());
    path
}

/// Returns a data directory of the real v0.1.5 federation.
pub fn hbbft(name: &str) -> PathBuf {
    fixture("hbbft-v0.1.5").join(name)
}

/// Returns what the code of v0.1.5 says of one of its databases.
pub fn truth(name: &str) -> Value {
    let text = fs::read_to_string(hbbft(name).join("truth.json")).expect("the fixture has a truth.json");
    serde_json::from_str(&text).expect("truth.json is JSON")
}

/// Returns the upstream snapshots, by name.
pub fn snapshots() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(fixture("upstream-snapshots")).expect("the snapshots can be listed");
    let mut snapshots: Vec<_> = entries
        .map(|entry| entry.expect("the snapshots can be listed").path())
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path))
        .collect();
    snapshots.sort();
    snapshots
}

/// Returns a keys file for the epoch keys of a truth.json or of a forge.
pub fn keys_of(coefficients: &[[u8; 48]]) -> String {
    let keys: Vec<String> = coefficients.iter().map(hex::encode).collect();
    json!({ "epoch_pk_set": keys }).to_string()
}

/// A forged federation in a directory of its own.
pub struct Federation {
    home: TempDir,
    /// What was forged.
    pub forged: Forged,
    /// The parameters.
    pub spec: ForgeSpec,
}

impl Federation {
    /// Forges it.
    pub fn new(spec: ForgeSpec) -> Self {
        let home = tempfile::tempdir().expect("there is room for a directory");
        let forged = forge(&spec, &home.path().join("guardian")).expect("the history can be forged");
        Self { home, forged, spec }
    }

    /// Forges a small federation with all kinds of items: signed and covered epochs, and a tip.
    pub fn small(epochs: u64) -> Self {
        let spec =
            ForgeSpec { epochs, items_per_epoch: 6, body_bytes: 24, gap_every: 7, ..ForgeSpec::default() };
        Self::new(spec)
    }

    /// Returns the guardian's data directory, with `database` and `consensus.json`.
    pub fn guardian(&self) -> PathBuf {
        self.home.path().join("guardian")
    }

    /// Returns its database.
    pub fn database(&self) -> PathBuf {
        self.guardian().join("database")
    }

    /// Returns the file with the keys.
    pub fn config(&self) -> PathBuf {
        self.guardian().join("consensus.json")
    }

    /// Returns a path beside the guardian's directory, for anything that a test makes.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}
