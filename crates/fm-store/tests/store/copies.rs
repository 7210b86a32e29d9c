//! Copies of the fixtures, to be damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fm_rows::Row;
use fm_store::{Omission, ReadStore, StoreError};
use tempfile::TempDir;

/// All of its rows are in the write-ahead log.
pub(crate) const IN_LOG: &str = "hbbft-v0.1.5/peer-0/database";
/// Its rows are in a table file and in the write-ahead log.
pub(crate) const IN_BOTH: &str = "hbbft-v0.1.5/peer-3/database";
/// Its log is the one that its list of files asks for.
pub(crate) const CHECKPOINTED: &str = "session-v0.5.0/peer-0/database";
/// A handful of rows, all in one batch of the write-ahead log.
pub(crate) const SMALL: &str = "upstream-snapshots/global-v0-f712cee69";

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// A writable copy of a fixture.
pub(crate) struct Copy {
    _dir: TempDir,
    pub(crate) path: PathBuf,
}

impl Copy {
    pub(crate) fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("database");
        fs::create_dir(&path).unwrap();
        for entry in fs::read_dir(fixture(name)).unwrap() {
            let entry = entry.unwrap();
            // Written, not copied: the fixtures' own files may be read-only.
            fs::write(path.join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
        }
        Self { _dir: dir, path }
    }

    /// Returns the one file whose name starts with `start` and ends with `end`.
    pub(crate) fn file(&self, start: &str, end: &str) -> PathBuf {
        let mut found = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(start) && name.ends_with(end)
        });
        let file = found.next().unwrap();
        assert_eq!(found.next(), None);
        file
    }

    pub(crate) fn read(&self) -> Result<(Vec<Row>, Vec<Omission>), StoreError> {
        read(&self.path)
    }
}

/// Returns all rows, and the reported omissions.
pub(crate) fn read(path: &Path) -> Result<(Vec<Row>, Vec<Omission>), StoreError> {
    let store = ReadStore::open(path)?;
    let rows = store.scan().collect::<Result<_, _>>()?;
    Ok((rows, store.omissions().to_vec()))
}

/// Returns names, contents and times of all files below a directory.
pub(crate) fn files(path: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|file| {
            let time = fs::metadata(&file).unwrap().modified().unwrap();
            (file.clone(), (fs::read(&file).unwrap(), time))
        })
        .collect()
}
