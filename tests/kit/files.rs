//! Directories and databases, seen from outside.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_rows::Row;
use fm_store::ReadStore;
use sha2::{Digest, Sha256};

/// Returns every file and directory below a directory, by relative path, sorted.
pub fn file_list(directory: &Path) -> Vec<PathBuf> {
    fn visit(base: &Path, directory: &Path, list: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("the directory can be read") {
            let path = entry.expect("the directory can be read").path();
            list.push(path.strip_prefix(base).expect("it is below").to_owned());
            if path.is_dir() {
                visit(base, &path, list);
            }
        }
    }
    let mut list = Vec::new();
    visit(directory, directory, &mut list);
    list.sort();
    list
}

/// Returns a digest of a directory: the names, bytes and modification times of its files.
pub fn digest(directory: &Path) -> String {
    let mut hasher = Sha256::new();
    for relative in file_list(directory) {
        let path = directory.join(&relative);
        let metadata = fs::metadata(&path).expect("the file can be looked at");
        let changed = metadata.modified().expect("the file has a time");
        let bytes =
            if metadata.is_dir() { Vec::new() } else { fs::read(&path).expect("the file can be read") };
        hasher.update(format!("{relative:?} {} {changed:?} ", bytes.len()));
        hasher.update(bytes);
    }
    hex::encode(hasher.finalize())
}

/// Copies a directory to a path that does not exist.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the directory can be made");
    for relative in file_list(from) {
        let (from, to) = (from.join(&relative), to.join(&relative));
        if from.is_dir() {
            fs::create_dir_all(&to).expect("the directory can be made");
        } else {
            fs::copy(&from, &to).expect("the file can be copied");
        }
    }
}

/// Returns all rows of a database.
pub fn rows(database: &Path) -> Vec<Row> {
    let store = ReadStore::open(database).expect("the database can be opened");
    store.scan().collect::<Result<_, _>>().expect("the rows can be read")
}

/// Returns the rows of a database whose keys begin with a byte.
pub fn rows_under(database: &Path, prefix: u8) -> Vec<Row> {
    let store = ReadStore::open(database).expect("the database can be opened");
    store.scan_prefix(&[prefix]).collect::<Result<_, _>>().expect("the rows can be read")
}

/// Returns the path of the unfinished work for a target.
pub fn partial_of(target: &Path) -> PathBuf {
    let mut name = OsString::from(target);
    name.push(".partial");
    PathBuf::from(name)
}
