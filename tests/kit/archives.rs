//! Reads and changes archives from outside.

use std::fs;
use std::path::Path;

use fm_archive::{ArchiveReader, ArchiveWriter, Metadata, Options};
use fm_rows::Row;

/// Returns all records of an archive.
pub fn records_of(archive: &Path) -> Vec<Row> {
    let mut reader = ArchiveReader::open_path(archive).expect("the archive can be opened");
    reader.range(&[]).collect::<Result<_, _>>().expect("the records can be read")
}

/// Returns the value of a name in an archive's metadata.
pub fn metadata_of(archive: &Path, name: &str) -> Option<String> {
    let reader = ArchiveReader::open_path(archive).expect("the archive can be opened");
    reader.metadata().get(name).map(str::to_owned)
}

/// Writes a copy of an archive with other metadata, other records or other frames, whole in itself.
pub fn rewritten(
    from: &Path,
    to: &Path,
    frame_target: usize,
    edit: impl FnOnce(&mut Metadata),
    change: impl FnMut(Row) -> Option<Row>,
) {
    let reader = ArchiveReader::open_path(from).expect("the archive can be opened");
    let mut metadata = reader.metadata().clone();
    edit(&mut metadata);
    let options = Options { frame_target, ..Options::default() };
    let mut writer = ArchiveWriter::create(to, &metadata, options).expect("an archive can be made");
    for (key, value) in records_of(from).into_iter().filter_map(change) {
        writer.push(&key, &value).expect("the archive can be written");
    }
    writer.finish().expect("the archive can be written");
}

/// Writes a copy of a file with the bits of `mask` changed in the byte at `at`.
pub fn flipped(from: &Path, to: &Path, at: u64, mask: u8) {
    let mut bytes = fs::read(from).expect("the file can be read");
    bytes[usize::try_from(at).expect("small")] ^= mask;
    fs::write(to, bytes).expect("the file can be written");
}
