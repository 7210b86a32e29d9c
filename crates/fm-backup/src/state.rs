//! A state of a guardian's database, in any form: a database, a checkpoint, an archive, an increment.
//!
//! Invariant: readers get the rows of the whole state, in order, each from a frame or a block that was
//! checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fm_archive::{Metadata, Summary};
use fm_audit::{
    ArchiveSource, AuditError, Control, FederationSource, Origin, Source, omission_findings, open_source,
};
use fm_eras::{Layout, detect};
use fm_history::{Finding, Hash};
use fm_rows::RowSource;
use fm_store::ReadStore;

use crate::{BackupError, Location, Overlay, Profile, Unfit, profile};

/// An opened state.
pub struct State {
    path: PathBuf,
    layout: Layout,
    kept: Kept,
}

enum Kept {
    Database(ReadStore),
    Archive(Box<ArchiveSource>),
    Increment(Box<Overlay>),
    Federation(Box<dyn RowSource + Send>),
}

impl State {
    /// Opens a database, a guardian's data directory, a checkpoint, or an archive; an increment with its
    /// base.
    ///
    /// `layout` overrides the detection.
    ///
    /// # Errors
    /// If it cannot be opened, its era cannot be determined, or `base` is not what it needs.
    pub fn open(
        path: &Path,
        base: Option<&Path>,
        layout: Option<Layout>,
        control: Control<'_>,
    ) -> Result<Self, BackupError> {
        Self::open_at(&path.into(), base.map(Location::from).as_ref(), layout, control)
    }

    /// Opens a state as [`Self::open`] does; archives may be encrypted.
    ///
    /// # Errors
    /// As for [`Self::open`], or if the keys do not open it.
    pub fn open_at(
        location: &Location,
        base: Option<&Location>,
        layout: Option<Layout>,
        control: Control<'_>,
    ) -> Result<Self, BackupError> {
        let path = location.path();
        if location.is_file() {
            return Self::open_archive(location, base, layout, control);
        }
        if base.is_some() {
            return Err(BackupError::not_fit(path, Unfit::NotAnIncrement));
        }
        let (store, layout) = match open_source(path, layout, control)? {
            Source::Database { store, layout } => (store, layout),
            // Here the new database counts, not the conversion.
            Source::Migrated(dir) => {
                let layout = layout.map_or_else(|| detect(&dir.database), Ok);
                let path = dir.database.path().to_owned();
                let failed = |source| AuditError::Detect { path, source };
                (dir.database, layout.map_err(failed)?)
            }
            Source::Archive { archive, .. } => {
                return Err(BackupError::not_fit(archive.path(), Unfit::NotADirectory));
            }
            Source::Federation(_) => return Err(BackupError::not_fit(path, Unfit::NotADirectory)),
        };
        Ok(Self { path: store.path().to_owned(), layout, kept: Kept::Database(store) })
    }

    /// Returns the part of a state that the guardians of a running federation serve: the history.
    pub fn of_federation(federation: FederationSource) -> Self {
        let FederationSource { rows, layout, name } = federation;
        Self { path: name, layout, kept: Kept::Federation(rows) }
    }

    fn open_archive(
        location: &Location,
        base: Option<&Location>,
        layout: Option<Layout>,
        control: Control<'_>,
    ) -> Result<Self, BackupError> {
        location.check_keys()?;
        let path = location.path().to_owned();
        let archive = ArchiveSource::over_stoppable(Arc::new(location.clone()), control)?;
        archive.check_is_history()?;
        let named = layout.or_else(|| archive.metadata("layout").as_deref().and_then(Layout::by_name));
        let is_increment = archive.metadata("kind").as_deref() == Some(profile::INCREMENT);
        if base.is_some() && !is_increment {
            return Err(BackupError::not_fit(&path, Unfit::NotAnIncrement));
        }
        // Neither of the two has the rows from which a layout is detected.
        if named.is_none() && (is_increment || profile::profile(&archive) == Some(Profile::Headers)) {
            return Err(BackupError::not_fit(&path, Unfit::NoLayout));
        }
        let failed = |source| AuditError::Detect { path: path.clone(), source };
        let layout = named.map_or_else(|| detect(&archive).map_err(failed), Ok)?;
        let kept = match is_increment {
            true => Kept::Increment(Box::new(Overlay::open(archive, base)?)),
            false => Kept::Archive(Box::new(archive)),
        };
        Ok(Self { path, layout, kept })
    }

    /// Returns the path of the state.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the layout of its records.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns the rows.
    pub fn rows(&self) -> &dyn RowSource {
        match &self.kept {
            Kept::Database(store) => store,
            Kept::Archive(archive) => archive.as_ref(),
            Kept::Increment(overlay) => overlay.as_ref(),
            Kept::Federation(rows) => rows.as_ref(),
        }
    }

    /// Returns the rows, with the name of the source.
    pub fn history(&self) -> Origin<'_> {
        Origin { rows: self.rows(), path: &self.path, layout: self.layout }
    }

    /// Returns findings for what of a database is not read, or was not read when it was archived.
    pub fn lacks(&self) -> Vec<Finding> {
        match &self.kept {
            Kept::Database(store) => omission_findings(store.omissions()),
            Kept::Federation(_) => Vec::new(),
            Kept::Archive(_) | Kept::Increment(_) => {
                self.archive().map(ArchiveSource::lacks).unwrap_or_default()
            }
        }
    }

    /// Returns an archive's metadata; `None` for a database.
    pub fn metadata(&self) -> Option<Metadata> {
        self.archive().map(ArchiveSource::all_metadata)
    }

    /// Returns the numbers in an archive's index; `None` for a database.
    pub fn summary(&self) -> Option<Summary> {
        self.archive().map(ArchiveSource::summary)
    }

    /// Returns the archive files that hold the state: none for a database, two for an increment.
    pub fn archives(&self) -> Vec<&Path> {
        match &self.kept {
            Kept::Database(_) | Kept::Federation(_) => Vec::new(),
            Kept::Archive(archive) => vec![archive.path()],
            Kept::Increment(overlay) => vec![overlay.increment().path(), overlay.base().path()],
        }
    }

    /// Returns which part of the state is here.
    pub fn profile(&self) -> Profile {
        match &self.kept {
            Kept::Federation(_) => Profile::History,
            _ => self.archive().and_then(profile::profile).unwrap_or(Profile::Full),
        }
    }

    /// Returns the identity of the whole state as an archive states it; `None` for a database.
    pub fn stated_identity(&self) -> Option<Hash> {
        match &self.kept {
            Kept::Database(_) | Kept::Federation(_) => None,
            Kept::Archive(archive) => Some(Hash(archive.summary().identity)),
            Kept::Increment(overlay) => overlay.state_identity(),
        }
    }

    fn archive(&self) -> Option<&ArchiveSource> {
        match &self.kept {
            Kept::Database(_) | Kept::Federation(_) => None,
            Kept::Archive(archive) => Some(archive),
            Kept::Increment(overlay) => Some(overlay.increment()),
        }
    }
}
