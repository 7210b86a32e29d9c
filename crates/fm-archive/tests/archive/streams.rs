//! Sinks and sources that fail: their error is passed on, and no result claims to be whole.

use std::error::Error;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use fm_archive::{ArchiveError, ArchiveReader, ArchiveWriter, Fault, Region};

use crate::{archive, metadata, options, records, verdict};

/// A disk with room for this many bytes.
struct SmallDisk {
    room: usize,
}

impl Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room);
        self.room -= count;
        if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(room: usize) -> Result<(), ArchiveError> {
    let mut writer = ArchiveWriter::new(SmallDisk { room }, &metadata(), options(3, 0, 100))?;
    for (key, value) in records(200) {
        if let Err(error) = writer.push(&key, &value) {
            assert!(matches!(writer.push(b"z", b""), Err(ArchiveError::GivenUp)));
            assert!(matches!(writer.finish(), Err(ArchiveError::GivenUp)));
            return Err(error);
        }
    }
    writer.finish().map(|_| ())
}

#[test]
fn full_disk_comes_through() {
    let whole = archive(&records(200), options(3, 0, 100)).0.len();
    write(whole).unwrap();
    for room in (0..whole).step_by(13).chain([whole - 1]) {
        let error = write(room).unwrap_err();
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    }
}

/// A disk with a range that cannot be read.
struct BadSector {
    disk: Cursor<Vec<u8>>,
    bad: Range<u64>,
}

impl Read for BadSector {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let at = self.disk.position();
        if self.bad.contains(&at) {
            return Err(io::Error::other("bad sector"));
        }
        let until = if at < self.bad.start { self.bad.start - at } else { u64::MAX };
        let count = bytes.len().min(usize::try_from(until).unwrap_or(usize::MAX));
        self.disk.read(&mut bytes[..count])
    }
}

impl Seek for BadSector {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.disk.seek(to)
    }
}

#[test]
fn bad_sector_is_the_damage_of_its_frame() {
    let (bytes, summary) = archive(&records(300), options(3, 0, 200));
    let frames = ArchiveReader::open(Cursor::new(&bytes)).unwrap().frames().to_vec();
    let bad = frames[3].offset + 5..frames[3].offset + 6;
    let report = fm_archive::verify(BadSector { disk: Cursor::new(bytes), bad }, &mut |_, _| {}).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damage[0].region, Region::Frame(3));
    assert!(matches!(report.damage[0].fault, Fault::Unreadable { .. }));
    assert_eq!(report.readable.frames, summary.frames - 1);
}

#[test]
fn files_are_created_once_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.fmar");
    let mut writer = ArchiveWriter::create(&path, &metadata(), options(3, 0, 100)).unwrap();
    writer.push(b"key", b"value").unwrap();
    let (_, summary) = writer.finish().unwrap();
    let mut reader = ArchiveReader::open_path(&path).unwrap();
    assert_eq!(reader.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(verdict(&std::fs::read(&path).unwrap()).unwrap(), summary);
    let report = fm_archive::verify(File::open(&path).unwrap(), &mut |_, _| {}).unwrap();
    assert!(report.is_sound());
    let error = ArchiveWriter::create(&path, &metadata(), options(3, 0, 100)).err().unwrap();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
    assert!(ArchiveReader::open_path(folder.path().join("two.fmar")).is_err());
}

#[test]
fn writer_that_never_finished_leaves_a_truncated_archive() {
    let mut bytes = Vec::new();
    let mut writer = ArchiveWriter::new(&mut bytes, &metadata(), options(3, 1, 100)).unwrap();
    for (key, value) in records(50) {
        writer.push(&key, &value).unwrap();
    }
    drop(writer);
    assert!(matches!(verdict(&bytes), Err(ArchiveError::Truncated { records, .. }) if records > 0));
}
