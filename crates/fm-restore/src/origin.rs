//! What is restored from: a checkpoint or an archive, opened and shown to be this guardian's full state.

use std::path::Path;

use fm_audit::{ArchiveSource, Control, EpochStream, Source, check_archive, open_source};
use fm_eras::Detected;
use fm_store::Omission;

use crate::RestoreError;

/// The value of an archive's metadata `profile` that promises every row.
const FULL_PROFILE: &str = "full";

/// An opened source.
pub(crate) struct Origin {
    source: Source,
}

/// Whose state a source must be.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) federation: Option<&'a str>,
    pub(crate) peer: Option<u16>,
}

impl Origin {
    /// Opens a database or an archive; an archive's frames and identity are checked.
    pub(crate) fn open(path: &Path, control: Control<'_>) -> Result<Self, RestoreError> {
        let source = open_source(path, None, control)?;
        match &source {
            Source::Migrated(_) => return Err(RestoreError::Migrated { path: path.to_owned() }),
            Source::Archive { archive, .. } => {
                if let (None, damage) = check_archive(archive.path(), control)? {
                    let what = damage.first().map_or("it is damaged".to_owned(), ToString::to_string);
                    return Err(RestoreError::NotWhole { path: path.to_owned(), what });
                }
            }
            Source::Database { .. } => {}
        }
        let origin = Self { source };
        match origin.omissions().first() {
            Some(omission) => {
                let what = omission.message.clone();
                Err(RestoreError::NotWhole { path: path.to_owned(), what })
            }
            None => Ok(origin),
        }
    }

    fn omissions(&self) -> &[Omission] {
        if let Source::Database { store, .. } = &self.source { store.omissions() } else { &[] }
    }

    /// Its rows.
    pub(crate) fn stream(&self) -> EpochStream<'_> {
        match &self.source {
            Source::Database { store, .. } => EpochStream { rows: store, path: store.path() },
            Source::Archive { archive, .. } => EpochStream { rows: archive.as_ref(), path: archive.path() },
            Source::Migrated(dir) => EpochStream { rows: &dir.database, path: &dir.path },
        }
    }

    /// The layout of its records.
    pub(crate) fn layout(&self) -> Detected {
        match &self.source {
            Source::Database { layout, .. } | Source::Archive { layout, .. } => *layout,
            Source::Migrated(dir) => dir.layout,
        }
    }

    /// About how many bytes a database with its rows takes.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.source {
            Source::Archive { archive, .. } => {
                let summary = archive.summary();
                summary.key_bytes.saturating_add(summary.value_bytes)
            }
            Source::Database { .. } | Source::Migrated(_) => {
                let entries = std::fs::read_dir(self.stream().path).into_iter().flatten();
                entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
            }
        }
    }

    /// Refuses an archive that by its own word is not this guardian's full state.
    pub(crate) fn check_full(&self, whose: Whose<'_>) -> Result<(), RestoreError> {
        let Source::Archive { archive, .. } = &self.source else { return Ok(()) };
        let path = || archive.path().to_owned();
        match archive.metadata("profile").as_deref() {
            Some(FULL_PROFILE) => {}
            Some(profile) => {
                return Err(RestoreError::NotFull {
                    path: path(),
                    what: format!("its profile is {profile:?}"),
                });
            }
            None => {
                let what = archive.metadata("kind").map_or("it names no profile".to_owned(), |kind| {
                    format!("it names no profile, its kind is {kind:?}")
                });
                return Err(RestoreError::NotFull { path: path(), what });
            }
        }
        check_whose(archive, whose)
    }
}

fn check_whose(archive: &ArchiveSource, whose: Whose<'_>) -> Result<(), RestoreError> {
    let stated = |name: &str| archive.metadata(name).filter(|value| !value.is_empty());
    if let (Some(stated), Some(known)) = (stated("federation"), whose.federation)
        && stated != known
    {
        let path = archive.path().to_owned();
        return Err(RestoreError::OtherFederation { path, stated, known: known.to_owned() });
    }
    if let (Some(stated), Some(own)) = (stated("guardian"), whose.peer)
        && stated != own.to_string()
    {
        return Err(RestoreError::OtherGuardian { path: archive.path().to_owned(), stated, own });
    }
    Ok(())
}
