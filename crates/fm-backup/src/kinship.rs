//! Decides whether an archive is a copy of a damaged one, from what the damaged one still states.
//!
//! A truncated archive has lost its index, and with it its identity. Its header names the guardian, the
//! federation and the history; its whole frames hold records. A copy agrees with all of that. Invariant:
//! nothing is taken from an archive that differs in any of it, and nothing at all if the damaged archive
//! states nothing.

use std::io::BufReader;
use std::path::Path;

use fm_archive::{ArchiveReader, Metadata, Remains, remains, salvage};
use fm_audit::{Control, Medium, ReadSeek};

use crate::{BackupError, Location, Unfit};

/// Entries that differ between two exports of the same records.
const OF_THE_EXPORT: [&str; 3] = ["checked", "omissions", "tool"];
/// A damaged archive, with what still identifies it.
pub(crate) struct Kin<'a> {
    broken: &'a Location,
    remains: Remains,
}

impl<'a> Kin<'a> {
    /// Reads what still identifies a damaged archive.
    ///
    /// # Errors
    /// If the archive cannot be read, or states nothing about itself.
    pub(crate) fn of(broken: &'a Location) -> Result<Self, BackupError> {
        let path = broken.path();
        let file = broken.open().map_err(|source| BackupError::File { path: path.to_owned(), source })?;
        let remains = remains(file).map_err(BackupError::archive(path))?;
        if remains.metadata.is_none() && remains.identity.is_none() {
            return Err(BackupError::not_fit(path, Unfit::Nameless));
        }
        Ok(Self { broken, remains })
    }

    /// Refuses an archive with a sound index that is not a copy of the damaged one.
    pub(crate) fn check(
        &self,
        path: &Path,
        reader: &mut ArchiveReader<Box<dyn ReadSeek>>,
        control: Control<'_>,
    ) -> Result<(), BackupError> {
        let refuse = |why| Err(BackupError::not_fit(path, why));
        let broken = self.broken.path().display().to_string();
        let Some(metadata) = &self.remains.metadata else {
            return match self.remains.identity {
                Some(identity) if identity == reader.summary().identity => Ok(()),
                _ => refuse(Unfit::OtherIndex { broken }),
            };
        };
        if let Some((name, own, other)) = difference(metadata, reader.metadata()) {
            let [name, found, wanted] = [name, other, own].map(str::to_owned);
            return refuse(Unfit::OtherHeader { name, found, wanted, broken });
        }
        match self.contradiction(reader, control)? {
            Some(key) => refuse(Unfit::OtherRecord { broken, key }),
            None => Ok(()),
        }
    }

    /// Returns the first key at which whole frames of the damaged archive and the other one differ.
    fn contradiction(
        &self,
        reader: &mut ArchiveReader<Box<dyn ReadSeek>>,
        control: Control<'_>,
    ) -> Result<Option<Vec<u8>>, BackupError> {
        let failed = |source| BackupError::File { path: self.broken.path().to_owned(), source };
        let Ok(whole) = salvage(BufReader::new(self.broken.open().map_err(failed)?)) else { return Ok(None) };
        let mut others = reader.range(&[]);
        for record in whole {
            control.check()?;
            // Damage on either side proves nothing.
            let Ok((key, value)) = record else { return Ok(None) };
            match others.next() {
                Some(Ok((other_key, other))) if key == other_key && value == other => {}
                Some(Err(_)) => return Ok(None),
                Some(Ok(_)) | None => return Ok(Some(key)),
            }
        }
        Ok(None)
    }
}

/// Returns the first entry in which two headers of the same archive cannot differ: its name, and both values.
fn difference<'a>(own: &'a Metadata, other: &'a Metadata) -> Option<(&'a str, &'a str, &'a str)> {
    let binds = |name: &str| !OF_THE_EXPORT.contains(&name);
    let value = |metadata: &'a Metadata, name: &str| metadata.get(name).unwrap_or("nothing");
    // A difference in these entries says most.
    let first = ["guardian", "federation", "kind", "profile", "last"];
    let names = first.into_iter().chain(own.iter().chain(other.iter()).map(|(name, _)| name));
    names
        .filter(|name| binds(name) && own.get(name) != other.get(name))
        .map(|name| (name, value(own, name), value(other, name)))
        .next()
}
