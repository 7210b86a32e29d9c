//! Opens all sources that a history can be read from.

use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fm_archive::{ArchiveError, ArchiveReader, Metadata};
use fm_crypto::{Keys, SessionKeys, parse_keys_file};
use fm_datadir::DATABASE_NAME;
use fm_eras::{Layout, detect};
use fm_history::{Finding, Hash, Manifest};
use fm_rows::{OnRow, RowSource, Rows, SourceError};
use fm_store::{ReadStore, directories_around, open_regular};

use super::archive_check::Stoppable;
use super::log::settle_log;
use super::medium::{Medium, ReadSeek};
use super::omissions::{omission_findings, stated_omissions};
use crate::control::Control;
use crate::error::AuditError;

/// Name of the provenance archive in a migrated directory.
pub const PROVENANCE_NAME: &str = "provenance.fmar";
/// Name of the manifest in a migrated directory.
pub const MANIFEST_NAME: &str = "manifest.json";
/// The `kind` of an archive of the outcome of a session in progress.
pub const PENDING_KIND: &str = "pending session outcome";
/// The largest manifest that is read. Conversions write manifests of one or two thousand bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// An opened source.
pub enum Source {
    /// A guardian's database of any era.
    Database {
        /// The database.
        store: ReadStore,
        /// Its layout.
        layout: Layout,
    },
    /// An archive of such a database.
    Archive {
        /// The archive.
        archive: Box<ArchiveSource>,
        /// The layout of its records.
        layout: Layout,
    },
    /// The directory that a conversion wrote.
    Migrated(Box<MigratedDir>),
    /// A running federation.
    Federation(FederationSource),
}

/// The finished sessions that the guardians of a running federation serve.
pub struct FederationSource {
    /// The sessions, and nothing else.
    pub rows: Box<dyn RowSource + Send>,
    /// The layout of their records.
    pub layout: Layout,
    /// The address or the invite code by which the user named the federation, for errors.
    pub name: PathBuf,
}

/// An opened directory that a conversion wrote.
pub struct MigratedDir {
    /// The directory.
    pub path: PathBuf,
    /// The new database.
    pub database: ReadStore,
    /// The old records.
    pub provenance: ArchiveSource,
    /// Layout of the old records.
    pub layout: Layout,
    /// The manifest.
    pub manifest: Manifest,
}

impl Source {
    /// Returns what is not read of a database, or was not read when it was archived. For a migrated directory
    /// its own audit reports this.
    pub fn lacks(&self) -> Vec<Finding> {
        match self {
            Self::Database { store, .. } => omission_findings(store.omissions()),
            Self::Archive { archive, .. } => archive.lacks(),
            Self::Migrated(_) | Self::Federation(_) => Vec::new(),
        }
    }
}

/// Opens a database, a guardian's data directory, an archive, or a migrated directory.
///
/// `layout` overrides the detection.
///
/// # Errors
/// If the source cannot be opened or read, its era cannot be detected, or the job was interrupted.
pub fn open_source(path: &Path, layout: Option<Layout>, control: Control<'_>) -> Result<Source, AuditError> {
    if path.is_file() {
        let archive = Box::new(ArchiveSource::open(path)?);
        archive.check_is_state()?;
        // An archive of only the history lacks some of the rows that identify a layout.
        let named = archive.metadata("layout").filter(|_| archive.is_history_only());
        let layout = layout.or_else(|| Layout::by_name(named.as_deref()?));
        let layout = layout_of(archive.as_ref(), path, layout, control)?;
        return Ok(Source::Archive { archive, layout });
    }
    if path.join(MANIFEST_NAME).exists() || path.join(PROVENANCE_NAME).exists() {
        return MigratedDir::open(path, control).map(|migrated| Source::Migrated(Box::new(migrated)));
    }
    let inner = path.join(DATABASE_NAME);
    let is_data_directory = !path.join("CURRENT").exists() && inner.is_dir();
    // What lies beside the database of a migrated directory proves it; this holds only for that one path.
    if let Ok(real) = path.canonicalize()
        && let Some(home) = directories_around(path, 1).find(|directory| {
            directory.join(PROVENANCE_NAME).exists()
                && directory.join(DATABASE_NAME).canonicalize().is_ok_and(|database| database == real)
        })
    {
        return MigratedDir::open(&home, control).map(|migrated| Source::Migrated(Box::new(migrated)));
    }
    let mut store = ReadStore::open(if is_data_directory { &inner } else { path })?;
    let layout =
        layout_of(&store, path, layout, control).map_err(|error| match (error, store.omissions()) {
            (AuditError::Detect { path, source }, omissions @ [_, ..]) => {
                let reasons: Vec<&str> = omissions.iter().map(|omission| omission.message.as_str()).collect();
                AuditError::DetectIncomplete { path, reason: reasons.join("; "), source }
            }
            (error, _) => error,
        })?;
    settle_log(&mut store, layout)?;
    Ok(Source::Database { store, layout })
}

fn layout_of(
    rows: &dyn RowSource,
    path: &Path,
    layout: Option<Layout>,
    control: Control<'_>,
) -> Result<Layout, AuditError> {
    if let Some(layout) = layout {
        return Ok(layout);
    }
    let detected = detect(&Watched { rows, control });
    control.check()?;
    detected.map_err(|source| AuditError::Detect { path: path.to_owned(), source })
}

/// Rows that end with an error after the job was interrupted: a detection may have to read all of them.
struct Watched<'a> {
    rows: &'a dyn RowSource,
    control: Control<'a>,
}

impl RowSource for Watched<'_> {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        Box::new(self.rows.scan_range(from, to).map(|row| self.control.check().map_err(Into::into).and(row)))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        self.control.check()?;
        self.rows.get(key)
    }
}

impl MigratedDir {
    /// Opens a migrated directory. All of its parts must exist.
    ///
    /// # Errors
    /// If a part is missing or cannot be read, or the job was interrupted.
    pub fn open(path: &Path, control: Control<'_>) -> Result<Self, AuditError> {
        let part = |name: &'static str| {
            let file = path.join(name);
            if file.exists() {
                Ok(file)
            } else {
                Err(AuditError::PartMissing { path: path.to_owned(), part: name })
            }
        };
        let manifest_path = part(MANIFEST_NAME)?;
        let text = read_manifest(&manifest_path)
            .map_err(|source| AuditError::File { path: manifest_path.clone(), source })?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|source| AuditError::Manifest { path: manifest_path, source })?;
        let provenance = ArchiveSource::open(&part(PROVENANCE_NAME)?)?;
        let database = ReadStore::open(&part(DATABASE_NAME)?)?;
        // Not from the manifest, which anyone can edit: the archive's checksums cover its own metadata.
        let named = provenance.metadata("layout").as_deref().and_then(Layout::by_name);
        let layout = layout_of(&provenance, path, named, control)?;
        Ok(Self { path: path.to_owned(), database, provenance, layout, manifest })
    }
}

impl MigratedDir {
    /// Returns the guardians' session keys as the manifest states them; `None` if it states no keys.
    ///
    /// # Errors
    /// If they are not valid keys.
    pub fn session_keys(&self) -> Result<Option<SessionKeys>, String> {
        if self.manifest.session_keys.is_empty() {
            return Ok(None);
        }
        let text = serde_json::json!(self.manifest.session_keys).to_string();
        match parse_keys_file(&text) {
            Ok(Keys::Broadcast(keys)) => SessionKeys::new(&keys).map(Some).map_err(|error| error.to_string()),
            Ok(_) => Err("they are keys of another kind".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Refuses an archive that is not the one that the manifest in its directory names. Without a manifest there
/// is nothing to compare it with.
///
/// # Errors
/// If it is another archive, or the manifest cannot be read.
pub fn check_identity(archive: &ArchiveSource, dir: &Path) -> Result<(), AuditError> {
    let path = dir.join(MANIFEST_NAME);
    if !path.exists() {
        return Ok(());
    }
    let text = read_manifest(&path).map_err(|source| AuditError::File { path: path.clone(), source })?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|source| AuditError::Manifest { path, source })?;
    let found = Hash(archive.summary().identity);
    if found == manifest.provenance {
        return Ok(());
    }
    Err(AuditError::OtherArchive { path: archive.path().to_owned(), found, stated: manifest.provenance })
}

/// Reads the text of a manifest; a file that is much larger than any manifest is not read.
fn read_manifest(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_regular(path)?.take(MAX_MANIFEST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_MANIFEST_BYTES {
        return Err(io::Error::other(format!(
            "it has more than {MAX_MANIFEST_BYTES} bytes, which no manifest has"
        )));
    }
    Ok(text)
}

/// An archive as a source of rows.
pub struct ArchiveSource {
    medium: Arc<dyn Medium>,
    reader: Mutex<Reader>,
}

type Reader = ArchiveReader<Box<dyn ReadSeek>>;

impl ArchiveSource {
    /// Opens an archive file. Its frames are checked as they are read.
    ///
    /// # Errors
    /// If the archive cannot be opened.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        Self::over(Arc::new(path.to_owned()))
    }

    /// Opens an archive on any medium.
    ///
    /// # Errors
    /// If the archive cannot be opened.
    pub fn over(medium: Arc<dyn Medium>) -> Result<Self, AuditError> {
        let failed = |source| AuditError::Archive { path: medium.path().to_owned(), source };
        let reader = open_reader(medium.as_ref(), |file| file).map_err(failed)?;
        Ok(Self { medium, reader: Mutex::new(reader) })
    }

    /// Opens an archive as [`Self::over`] does, for a job that can be stopped: if the archive has no end, all
    /// of it is read.
    ///
    /// # Errors
    /// If the archive cannot be opened, or the job was interrupted.
    pub fn over_stoppable(medium: Arc<dyn Medium>, control: Control<'_>) -> Result<Self, AuditError> {
        let failed = |source| AuditError::Archive { path: medium.path().to_owned(), source };
        let reader = open_reader(medium.as_ref(), |file| Stoppable { file, control });
        control.check()?;
        let reader = Mutex::new(reader.map_err(failed)?.with_source(|stoppable| stoppable.file));
        Ok(Self { medium, reader })
    }

    /// Returns the path of the archive.
    pub fn path(&self) -> &Path {
        self.medium.path()
    }

    /// Returns a value of the archive's metadata.
    pub fn metadata(&self, name: &str) -> Option<String> {
        self.lock().metadata().get(name).map(str::to_owned)
    }

    /// Returns all metadata of the archive.
    pub fn all_metadata(&self) -> Metadata {
        self.lock().metadata().clone()
    }

    /// Returns what was missing from the database that the archive was made of, as the archive states it.
    pub fn lacks(&self) -> Vec<Finding> {
        stated_omissions(&self.metadata("omissions").unwrap_or_default())
    }

    /// Returns whether the archive states that it holds only the records of a history.
    pub fn is_history_only(&self) -> bool {
        self.metadata("profile").as_deref() == Some("history")
    }

    /// Refuses an archive whose records are not the rows of a database, according to its header.
    fn check_is_state(&self) -> Result<(), AuditError> {
        let is = |name: &str, wanted: &str| self.metadata(name).as_deref() == Some(wanted);
        let path = || self.path().to_owned();
        if is("kind", "increment") {
            return Err(AuditError::Increment {
                path: path(),
                since: self.metadata("since").unwrap_or_default(),
            });
        }
        if is("profile", "headers") {
            return Err(AuditError::Headers { path: path() });
        }
        self.check_is_history()
    }

    /// Refuses an archive of the outcome of a session in progress. Only its header shows this: its records
    /// look like those of a history.
    ///
    /// # Errors
    /// If the archive holds the outcome of a session in progress.
    pub fn check_is_history(&self) -> Result<(), AuditError> {
        match self.metadata("kind").as_deref() {
            Some(PENDING_KIND) => Err(AuditError::Pending { path: self.path().to_owned() }),
            _ => Ok(()),
        }
    }

    /// Returns the summary that the archive states of its contents.
    pub fn summary(&self) -> fm_archive::Summary {
        self.lock().summary().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reader> {
        // The reader holds only a cache: a panic in the middle of a read leaves nothing inconsistent.
        self.reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn open_reader<R: Read + Seek>(
    medium: &dyn Medium,
    through: impl FnOnce(Box<dyn ReadSeek>) -> R,
) -> Result<ArchiveReader<R>, ArchiveError> {
    let failed = |source| ArchiveError::Io { doing: "opening the archive", source };
    ArchiveReader::open(through(medium.open().map_err(failed)?))
}

impl RowSource for ArchiveSource {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        match open_reader(self.medium.as_ref(), |file| file) {
            Ok(reader) => Box::new(reader.into_range(from, to).map(|row| row.map_err(Into::into))),
            Err(error) => Box::new(std::iter::once(Err(error.into()))),
        }
    }

    fn visit(&self, from: &[u8], to: Option<&[u8]>, on: OnRow<'_>) -> Result<(), SourceError> {
        Ok(open_reader(self.medium.as_ref(), |file| file)?.into_range(from, to).visit(on)?)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.lock().get(key)?)
    }
}
