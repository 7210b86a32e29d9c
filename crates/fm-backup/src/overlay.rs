//! An increment over the archive that it builds on: both together are one state.
//!
//! A record of an increment has the key of the row; its value is `01` and the row's new value, or `00` alone
//! if the row is gone. Invariant: rows that the increment does not name are those of the base.

use std::sync::Arc;

use fm_audit::ArchiveSource;
use fm_history::Hash;
use fm_rows::{Joined, RowSource, Rows, SourceError, merge_join};

use crate::profile::{self, hash_of};
use crate::{BackupError, Location, Profile, Unfit};

/// The first byte of a record's value if the row is gone; nothing follows.
const REMOVED: u8 = 0;
/// The first byte of a record's value if the row is new or changed; its value follows.
const PUT: u8 = 1;

/// An increment and its base.
pub struct Overlay {
    base: ArchiveSource,
    increment: ArchiveSource,
}

impl Overlay {
    /// Puts an increment over its base.
    ///
    /// # Errors
    /// If the base is missing, or is not the one that the increment names.
    pub(crate) fn open(increment: ArchiveSource, base: Option<&Location>) -> Result<Self, BackupError> {
        let path = increment.path().to_owned();
        let since = increment.metadata(profile::SINCE).unwrap_or_default();
        let Some(base) = base else { return Err(BackupError::NeedsBase { path, since }) };
        let base = open_base(base)?;
        let found = Hash(base.summary().identity);
        if found.to_string() != since {
            return Err(BackupError::OtherBase { path, base: base.path().to_owned(), found, since });
        }
        Ok(Self { base, increment })
    }

    pub(crate) fn increment(&self) -> &ArchiveSource {
        &self.increment
    }

    pub(crate) fn base(&self) -> &ArchiveSource {
        &self.base
    }

    pub(crate) fn state_identity(&self) -> Option<Hash> {
        self.increment.metadata(profile::STATE_IDENTITY).as_deref().and_then(hash_of)
    }
}

/// Opens an archive that increments can build on: a whole state.
pub(crate) fn open_base(location: &Location) -> Result<ArchiveSource, BackupError> {
    location.check_keys()?;
    let base = ArchiveSource::over(Arc::new(location.clone()))?;
    let is_whole = profile::profile(&base) == Some(Profile::Full)
        && base.metadata("kind").as_deref() == Some(profile::CHECKPOINT);
    if !is_whole {
        return Err(BackupError::not_fit(location.path(), Unfit::NotABase));
    }
    Ok(base)
}

/// Returns the record of an increment for a row that is new or changed.
pub(crate) fn put(value: &[u8]) -> Vec<u8> {
    [&[PUT], value].concat()
}

/// Returns the record of an increment for a row that is gone.
pub(crate) fn removed() -> Vec<u8> {
    vec![REMOVED]
}

/// Decodes a record of an increment: the row's value, or `None` if the row is gone.
fn change(record: Vec<u8>) -> Result<Option<Vec<u8>>, SourceError> {
    match record.split_first() {
        Some((&PUT, value)) => Ok(Some(value.to_vec())),
        Some((&REMOVED, [])) => Ok(None),
        _ => Err("a record of the increment is neither a row nor the mark of a removed one".into()),
    }
}

impl RowSource for Overlay {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        let joined = merge_join(self.base.scan_range(from, to), self.increment.scan_range(from, to));
        Box::new(joined.filter_map(|joined| {
            joined
                .and_then(|joined| match joined {
                    Joined::Left(row) => Ok(Some(row)),
                    Joined::Right((key, record)) | Joined::Both { key, right: record, .. } => {
                        Ok(change(record)?.map(|value| (key, value)))
                    }
                })
                .transpose()
        }))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        match self.increment.get(key)? {
            Some(record) => change(record),
            None => self.base.get(key),
        }
    }
}
