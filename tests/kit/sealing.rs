//! Attesting and sealing: the commands with a guardian's key, and attestations that no honest guardian makes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use fm_archive::{ArchiveReader, ArchiveWriter, Metadata, Options};
use fm_forge::broadcast_secret;
use fm_rows::Row;

use crate::{Federation, Run, binary, command, partial_of};

/// Attests with the key in a guardian's directory and a password.
pub fn attest(dir: &Path, guardian: &Path, out: &Path, password: &str) -> Run {
    let mut command = command(binary("fm-migrate"));
    command.env("FM_PASSWORD", password).arg("attest").arg("--dir").arg(dir).arg("--config").arg(guardian);
    let output = command.arg("--out").arg(out).arg("--json").output().expect("the program can be started");
    Run::from_output(format!("fm-migrate attest {}", dir.display()), output)
}

/// Seals with the keys of a config; the last line of the output is JSON.
pub fn seal(dir: &Path, config: &Path, files: &[impl AsRef<OsStr>]) -> Run {
    let mut command = command(binary("fm-migrate"));
    command.arg("seal").arg("--dir").arg(dir).arg("--config").arg(config).arg("--json");
    let output = command.args(files).output().expect("the program can be started");
    Run::from_output(format!("fm-migrate seal {}", dir.display()), output)
}

impl Federation {
    /// Makes a file with the key that a guardian signs sessions with.
    pub fn key_file(&self, peer: u16) -> PathBuf {
        let path = self.beside(&format!("key-{peer}"));
        fs::write(&path, broadcast_secret(self.spec.seed, peer)).expect("the key can be written");
        path
    }

    /// Makes a guardian's attestation of a migrated directory.
    #[track_caller]
    pub fn attestation(&self, dir: &Path, peer: u16, name: &str) -> PathBuf {
        let (out, key) = (self.beside(name), self.key_file(peer));
        crate::migrate!("attest", "--dir", dir, "--config", self.config(), "--key-file", key, "--out", out)
            .exits(0);
        assert!(!partial_of(&out).exists());
        out
    }
}

/// Writes a changed copy of an attestation, well-formed again: `edit` returns the value of each entry of the
/// metadata.
pub fn forge_attestation(
    from: &Path,
    to: &Path,
    edit: impl Fn(&str, &str) -> String,
    mut change: impl FnMut(&[u8], &[u8]) -> Option<Row>,
) {
    let mut reader = ArchiveReader::open_path(from).expect("the attestation can be opened");
    let metadata: Metadata =
        reader.metadata().iter().map(|(name, value)| (name, edit(name, value))).collect();
    let mut writer =
        ArchiveWriter::create(to, &metadata, Options::default()).expect("an archive can be made");
    for record in reader.range(&[]) {
        let (key, value) = record.expect("the attestation can be read");
        if let Some((key, value)) = change(&key, &value) {
            writer.push(&key, &value).expect("the archive can be written");
        }
    }
    writer.finish().expect("the archive can be written");
}
