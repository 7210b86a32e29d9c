//! A guardian's configuration files, in a directory or in a backup.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fm_crypto::{BACKUP_FILES, BackupTar, ConsensusConfig};
use fm_datadir::{CONSENSUS, LOCAL};
use fm_store::open_regular;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::FilesError;

/// The largest file that is read: several hundred times the size of a guardian's files.
pub(crate) const MOST_BYTES: u64 = 4 << 20;
/// The largest backup that is read.
const MOST_OF_TAR: u64 = 16 << 20;
/// The directory where servers of v0.3 and v0.4 make their keys.
/// Source: fedimint-server 0.4.0, src/config/io.rs.
const STAGING: &str = "cfg_staging";
/// How files encrypted with age begin, in both of its forms.
const AGE_STARTS: [&[u8]; 2] = [b"age-encryption.org/v1", b"-----BEGIN AGE ENCRYPTED FILE-----"];
/// The number of bytes that distinguish a backup from other files.
const HEAD_BYTES: u64 = 512;

/// A guardian's configuration files.
pub struct GuardianFiles {
    path: PathBuf,
    backup: Option<BackupTar>,
}

impl GuardianFiles {
    /// Opens the files of a data directory, which are read on demand, or of a backup, which is read
    /// completely.
    ///
    /// # Errors
    /// If there is neither, or the backup is not a guardian's.
    pub fn open(path: &Path) -> Result<Self, FilesError> {
        let failed = |source| FilesError::Read { path: path.to_owned(), source };
        if fs::metadata(path).map_err(failed)?.is_dir() {
            return Ok(Self { path: path.to_owned(), backup: None });
        }
        let file = open_regular(path).map_err(failed)?;
        let bytes = bounded(file, MOST_OF_TAR).map_err(failed)?;
        if is_age(&bytes) {
            return Err(FilesError::Encrypted { path: path.to_owned() });
        }
        if !is_tar(&bytes) {
            return Err(FilesError::NeitherOne { path: path.to_owned() });
        }
        if bytes.len() as u64 > MOST_OF_TAR {
            return Err(FilesError::TooLong { place: path.display().to_string(), most: MOST_OF_TAR });
        }
        let backup =
            BackupTar::parse(&bytes).map_err(|source| FilesError::Tar { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), backup: Some(backup) })
    }

    /// Makes the files of a backup that was read elsewhere; messages call it `path`.
    pub fn of_backup(path: PathBuf, backup: BackupTar) -> Self {
        Self { path, backup: Some(backup) }
    }

    /// Returns the backup, if the files are in one.
    pub fn backup(&self) -> Option<&BackupTar> {
        self.backup.as_ref()
    }

    /// Returns whether a path is a directory or a file that is meant to be a backup; false for any other
    /// file.
    pub fn is_one(path: &Path) -> bool {
        path.is_dir() || Self::is_backup_file(path)
    }

    /// Returns whether a file is meant to be a backup, complete or not.
    pub fn is_backup_file(path: &Path) -> bool {
        let head = open_regular(path).and_then(|file| bounded(file, HEAD_BYTES));
        head.is_ok_and(|head| is_tar(&head))
    }

    /// Returns whether a file is encrypted with age, like a configuration written by `fm-checkpoint export`.
    pub fn is_encrypted_file(path: &Path) -> bool {
        let head = open_regular(path).and_then(|file| bounded(file, HEAD_BYTES));
        head.is_ok_and(|head| is_age(&head))
    }

    /// Returns the path of the files.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the files are in a backup.
    pub fn is_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Returns the name of a file in messages.
    pub fn place(&self, name: &str) -> String {
        match &self.backup {
            None => self.path.join(name).display().to_string(),
            Some(_) => format!("{name} in {}", self.path.display()),
        }
    }

    /// Returns a file's bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be read, or is larger than any valid one.
    pub fn bytes(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FilesError> {
        if let Some(backup) = &self.backup {
            return Ok(backup.get(name).map(|contents| Zeroizing::new(contents.to_vec())));
        }
        let path = self.path.join(name);
        let bytes = match open_regular(&path).and_then(|file| bounded(file, MOST_BYTES)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FilesError::Read { path, source }),
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(FilesError::TooLong { place: self.place(name), most: MOST_BYTES });
        }
        Ok(Some(bytes))
    }

    /// Returns a file's text; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`GuardianFiles::bytes`], or if the file is not text.
    pub fn text(&self, name: &str) -> Result<Option<Zeroizing<String>>, FilesError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
            Err(_) => Err(FilesError::NotText { place: self.place(name) }),
        }
    }

    /// Returns the text of a required file.
    ///
    /// # Errors
    /// As [`GuardianFiles::text`], or if the file does not exist.
    pub fn needed(&self, name: &str) -> Result<Zeroizing<String>, FilesError> {
        let missing =
            || FilesError::Read { path: self.path.join(name), source: io::ErrorKind::NotFound.into() };
        self.text(name)?.ok_or_else(missing)
    }

    /// Returns the configuration that all guardians share.
    ///
    /// # Errors
    /// If the file does not exist, or is not such a configuration.
    pub fn consensus(&self) -> Result<ConsensusConfig, FilesError> {
        let text = self.needed(CONSENSUS)?;
        ConsensusConfig::parse(&text)
            .map_err(|source| FilesError::Consensus { place: self.place(CONSENSUS), source })
    }

    /// Returns the guardian's own number.
    ///
    /// # Errors
    /// If `local.json` does not exist, or does not have the number.
    pub fn own_peer(&self) -> Result<u16, FilesError> {
        let text = self.needed(LOCAL)?;
        let wrong = |what| FilesError::Local { place: self.place(LOCAL), what };
        let local: Value = serde_json::from_str(&text).map_err(|_| wrong("it is not JSON"))?;
        let local = local.as_object().ok_or_else(|| wrong("it is not an object"))?;
        let own_peer =
            local.get("identity").ok_or_else(|| wrong("it has no identity, the guardian's number"))?;
        let number = own_peer.as_u64().and_then(|number| u16::try_from(number).ok());
        number.ok_or_else(|| wrong("its identity is not a number from 0 to 65535"))
    }

    /// Returns the beginning of a file, up to the size of a guardian's files; `None` if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn beginning(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FilesError> {
        if self.backup.is_some() {
            return self.bytes(name);
        }
        let path = self.path.join(name);
        match open_regular(&path).and_then(|file| bounded(file, MOST_BYTES)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError::Read { path, source }),
        }
    }

    /// Returns the names of the files that hold secrets, including those that a server of v0.3 or v0.4 left
    /// where it made its keys.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn secret_names(&self) -> Result<Vec<String>, FilesError> {
        let Some(backup) = &self.backup else {
            let mut names = names_in(&self.path, is_secret_name)?;
            let staging = self.path.join(STAGING);
            if staging.is_dir() {
                let staged = names_in(&staging, is_secret_name)?;
                names.extend(staged.into_iter().map(|name| format!("{STAGING}/{name}")));
            }
            return Ok(names);
        };
        let names = backup.files().map(|(name, _)| name).filter(|name| is_secret_name(name));
        Ok(names.map(str::to_owned).collect())
    }
}

impl GuardianFiles {
    /// Returns the backups in a data directory.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn backups_beside(&self) -> Result<Vec<Self>, FilesError> {
        if self.backup.is_some() {
            return Ok(Vec::new());
        }
        let names = names_in(&self.path, |name| name.to_ascii_lowercase().ends_with(".tar"))?;
        // A file that is not a guardian's backup holds nothing that is known here.
        Ok(names.iter().filter_map(|name| Self::open(&self.path.join(name)).ok()).collect())
    }
}

fn names_in(directory: &Path, is_meant: impl Fn(&str) -> bool) -> Result<Vec<String>, FilesError> {
    let failed = |source| FilesError::Read { path: directory.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_meant(&name) && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Returns whether a file of this name in a data directory holds secrets, judged by its name.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = ["private", "password", "secret", "mnemonic"];
    parts.iter().any(|part| name.contains(part))
        || [".salt", ".key", ".pem"].iter().any(|end| name.ends_with(end))
}

/// Returns whether a file that begins like this is encrypted with age.
fn is_age(head: &[u8]) -> bool {
    AGE_STARTS.iter().any(|start| head.starts_with(start))
}

/// Returns whether a file that begins like this is meant to be a backup, complete or truncated: by the mark
/// in its first header, or because that begins with the name of a file in a backup.
fn is_tar(head: &[u8]) -> bool {
    let begins = |name: &&str| {
        let (name, length) = (name.as_bytes(), head.len().min(name.len()));
        head[..length] == name[..length] && head.get(name.len()).is_none_or(|next| *next == 0)
    };
    let is_marked = head.get(257..262).is_some_and(|mark| mark == b"ustar");
    is_marked || (!head.is_empty() && BACKUP_FILES.iter().any(begins))
}

/// Reads at most one byte more than `most`.
fn bounded(file: File, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = file.metadata()?.len().min(most);
    // The buffer does not move while it grows, so that no copy of a secret remains in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 2));
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
