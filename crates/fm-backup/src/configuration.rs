//! A guardian's configuration beside an archive: reads the backup tar of its server, and writes it encrypted.
//!
//! An archive holds only rows. Invariants: a configuration is never written unencrypted, because it holds
//! private keys; a tar that is not a whole backup is refused before anything is made from it.

use std::io::Read;
use std::path::Path;

use age::Encryptor;
use age::x25519::Recipient;
use fm_audit::Medium;
use fm_config::{FilesError, GuardianFiles};
use fm_crypto::{BACKUP_FILES, BackupTar};
use fm_store::StoreError;
use zeroize::Zeroizing;

use crate::{BackupError, Location, Unfit};

/// The largest backup that is read: the backup of the largest possible federation has a tenth of it.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a backup; it may be encrypted to a key of the location.
///
/// # Errors
/// If the backup cannot be read or decrypted, or is not a whole backup of a guardian.
pub fn read_backup(location: &Location) -> Result<BackupTar, BackupError> {
    location.check_keys()?;
    let failed = |source| BackupError::File { path: location.path().to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    let file = location.open().map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(BackupError::not_fit(location.path(), Unfit::TooLarge { most: MOST_BYTES }));
    }
    BackupTar::parse(&bytes)
        .map_err(|source| FilesError::Tar { path: location.path().to_owned(), source }.into())
}

/// Returns the configuration of a guardian from the directories of its files; a file is taken from the first
/// directory that has it.
///
/// # Errors
/// If a file cannot be read or is missing.
pub fn configuration(directories: &[&Path]) -> Result<BackupTar, BackupError> {
    let places = directories.iter().map(|directory| GuardianFiles::open(directory));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let mut files = Vec::new();
    for name in BACKUP_FILES {
        for place in &places {
            if let Some(contents) = place.bytes(name)? {
                files.push((name.to_owned(), contents));
                break;
            }
        }
    }
    let path = directories.first().copied().unwrap_or(Path::new("")).to_owned();
    BackupTar::from_files(files).map_err(|source| FilesError::Tar { path, source }.into())
}

/// Writes a configuration that only the recipients can read. The file gets its name when all of it is on the
/// disk.
///
/// # Errors
/// If there are no recipients, the name is taken, or the file cannot be written.
pub fn write_configuration(
    tar: &BackupTar,
    target: &Location,
    recipients: &[Recipient],
) -> Result<(), BackupError> {
    if recipients.is_empty() {
        return Err(BackupError::InClear { path: target.path().to_owned() });
    }
    if target.is_there()? {
        return Err(StoreError::AlreadyExists { path: target.path().to_owned() }.into());
    }
    let failed = |source| BackupError::from(StoreError::io(target.path(), source));
    let all = recipients.iter().map(|recipient| recipient as _);
    let encryptor =
        Encryptor::with_recipients(all).map_err(|error| failed(std::io::Error::other(error.to_string())))?;
    let mut sink = encryptor.wrap_output(target.create()?).map_err(failed)?;
    std::io::Write::write_all(&mut sink, &tar.to_bytes()).map_err(failed)?;
    let mut draft = sink.finish().map_err(failed)?;
    draft.complete()?;
    draft.publish().map(drop)
}
