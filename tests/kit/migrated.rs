//! Migrated directories: made, read, and tampered with.

use std::fs::{self, File};
use std::path::Path;

use fm_archive::{ArchiveReader, ArchiveWriter, Metadata, Options};
use fm_forge::damage;
use fm_history::Code;
use fm_rows::Row;
use serde_json::Value;

use crate::migrate;

/// The name of the archive in a migrated directory.
const ARCHIVE: &str = "provenance.fmar";

/// Codes that only the result of a conversion can raise; the stories of `tampered.rs` raise each.
pub const MIGRATED_CODES: [Code; 11] = [
    Code::SessionMissing,
    Code::SessionExtra,
    Code::SessionDiffersFromRule,
    Code::SessionsUnsealed,
    Code::HistoryRootMismatch,
    Code::ManifestMismatch,
    Code::ProvenanceDamaged,
    Code::CarriedRecordDiffers,
    Code::CarriedRecordMissing,
    Code::ForeignRecord,
    Code::SessionIndexDiffers,
];

/// Converts a guardian's directory with the configuration in it, and returns the verdict.
#[track_caller]
pub fn converted(guardian: &Path, target: &Path) -> Value {
    let run =
        migrate!("convert", "--from", guardian, "--config", guardian, "--to", target, "--json").exits(0);
    assert_eq!(run.stderr, "");
    run.verdict()
}

/// Returns the manifest in a migrated directory.
pub fn manifest(directory: &Path) -> Value {
    let text = fs::read_to_string(directory.join("manifest.json")).expect("there is a manifest");
    serde_json::from_str(&text).expect("the manifest is JSON")
}

/// Returns the history root of a manifest or a verdict, which must have the right form.
#[track_caller]
pub fn root(value: &Value) -> String {
    let root = value["history_root"].as_str().unwrap_or_default().to_owned();
    assert!(root.len() == 64 && root.chars().all(|c| c.is_ascii_hexdigit()), "no history root: {value}");
    root
}

/// Edits the manifest of a migrated directory.
pub fn edit_manifest(directory: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = manifest(directory);
    edit(&mut value);
    fs::write(directory.join("manifest.json"), format!("{value:#}\n")).expect("the manifest can be written");
}

/// Replaces the database in a migrated directory with a changed copy.
pub fn rewrite_database(directory: &Path, change: impl FnMut(&[u8], &[u8]) -> Option<Row>, added: &[Row]) {
    let (database, other) = (directory.join("database"), directory.join("database.new"));
    damage::rewrite_and_add(&database, &other, change, added).expect("the database can be rewritten");
    fs::remove_dir_all(&database).expect("the database can be removed");
    fs::rename(&other, &database).expect("the database can be renamed");
}

/// Replaces the archive in a migrated directory with a changed copy, well-formed again; returns its identity.
pub fn rewrite_archive(directory: &Path, change: impl FnMut(&[u8], &[u8]) -> Option<Row>) -> String {
    let archive = ArchiveReader::open_path(directory.join(ARCHIVE)).expect("the archive can be opened");
    let metadata = archive.metadata().clone();
    replace_archive(directory, archive, &metadata, change)
}

/// Replaces the archive in a migrated directory with a copy with other metadata: `edit` returns the value of
/// each entry, or none to drop it.
pub fn restate_archive(
    directory: &Path,
    mut edit: impl FnMut(&str, &str) -> Option<String>,
    added: Option<(&str, &str)>,
) {
    let archive = ArchiveReader::open_path(directory.join(ARCHIVE)).expect("the archive can be opened");
    let entries = archive.metadata().iter().filter_map(|(name, value)| Some((name, edit(name, value)?)));
    let added = added.map(|(name, value)| (name, value.to_owned()));
    let metadata: Metadata = entries.chain(added).collect();
    replace_archive(directory, archive, &metadata, |key, value| Some((key.to_vec(), value.to_vec())));
}

fn replace_archive(
    directory: &Path,
    mut reader: ArchiveReader<File>,
    metadata: &Metadata,
    mut change: impl FnMut(&[u8], &[u8]) -> Option<Row>,
) -> String {
    let other = directory.join("provenance.new");
    let mut writer: ArchiveWriter<File> =
        ArchiveWriter::create(&other, metadata, Options::default()).expect("an archive can be made");
    for record in reader.range(&[]) {
        let (key, value) = record.expect("the archive can be read");
        if let Some((key, value)) = change(&key, &value) {
            writer.push(&key, &value).expect("the archive can be written");
        }
    }
    let (_, summary) = writer.finish().expect("the archive can be written");
    fs::rename(&other, directory.join(ARCHIVE)).expect("the archive can be renamed");
    hex::encode(summary.identity)
}
