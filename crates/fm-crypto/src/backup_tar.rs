//! A guardian's backup: the tar that servers of v0.3 and later let their operator download. It holds the
//! configuration and no database.
//!
//! Until v0.11 its files are `local.json`, `consensus.json`, `private.salt` and `private.encrypt`; from v0.12
//! on `local.json`, `consensus.json` and `private.json`, with the private keys unencrypted. Modes and dates
//! in it have no meaning (some versions write mode 000 and the year 1970).
//!
//! Invariants: a truncated tar is refused, even if it ends between two files; a name that no server writes is
//! refused, so that no part of a tar becomes part of a path; the contents are overwritten when they are
//! dropped, and are never part of a message.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The names of the files in it. Source: fedimint-server 0.5.0 and 0.13.0, src/consensus/api.rs.
pub const BACKUP_FILES: [&str; 5] =
    ["consensus.json", "local.json", "private.json", "private.encrypt", "private.salt"];
/// The size of the blocks that headers and contents consist of.
const BLOCK: usize = 512;
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
/// The first part of a long name; no name here is long.
const PREFIX: std::ops::Range<usize> = 345..500;

/// The files of a backup, by name.
#[derive(Clone)]
pub struct BackupTar {
    files: BTreeMap<&'static str, Zeroizing<Vec<u8>>>,
}

/// Why a file is not a guardian's backup.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupTarError {
    /// It does not begin like a tar.
    #[error("it is not a tar")]
    NotATar,
    /// It ends too early.
    #[error("it is cut short, after {bytes} bytes")]
    CutShort { bytes: usize },
    /// The header of a file in it is damaged.
    #[error("it is damaged at byte {at}: {what}")]
    Damaged {
        /// The offset of the header.
        at: usize,
        what: &'static str,
    },
    /// It holds something that no server puts into a backup.
    #[error("it holds {name:?}, which is not part of a guardian's backup")]
    Foreign { name: String },
    /// A file occurs twice.
    #[error("it holds {name} twice")]
    Twice { name: &'static str },
    /// A file is missing.
    #[error("it holds no {name}")]
    Missing { name: &'static str },
}

impl BackupTar {
    /// Parses the bytes of a tar.
    ///
    /// # Errors
    /// If it is not a whole backup of a guardian; see [`BackupTarError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupTarError> {
        let mut files = BTreeMap::new();
        let mut at = 0;
        loop {
            let cut_short = BackupTarError::CutShort { bytes: bytes.len() };
            let header = bytes.get(at..at + BLOCK).ok_or(if bytes.is_empty() {
                BackupTarError::NotATar
            } else {
                cut_short.clone()
            })?;
            if header.iter().all(|byte| *byte == 0) {
                check_end(bytes, at)?;
                break;
            }
            let (name, size) = read_header(header, at)?;
            let start = at + BLOCK;
            let padded = size.div_ceil(BLOCK).checked_mul(BLOCK).and_then(|padded| start.checked_add(padded));
            let end = padded.filter(|end| *end <= bytes.len()).ok_or(cut_short)?;
            let contents = Zeroizing::new(bytes[start..start + size].to_vec());
            if files.insert(name, contents).is_some() {
                return Err(BackupTarError::Twice { name });
            }
            at = end;
        }
        Self::of(files)
    }

    /// Makes the backup with these files.
    ///
    /// # Errors
    /// If one is missing.
    fn of(files: BTreeMap<&'static str, Zeroizing<Vec<u8>>>) -> Result<Self, BackupTarError> {
        let has = |name| files.contains_key(name);
        let encrypted = has("private.encrypt") && has("private.salt");
        let missing = if !has("consensus.json") {
            "consensus.json"
        } else if !has("local.json") {
            "local.json"
        } else if has("private.json") || encrypted {
            return Ok(Self { files });
        } else if has("private.encrypt") {
            "private.salt"
        } else if has("private.salt") {
            "private.encrypt"
        } else {
            "private.json and no private.encrypt"
        };
        Err(BackupTarError::Missing { name: missing })
    }

    /// Makes a backup from files; leaves out those whose names do not belong in a backup.
    ///
    /// # Errors
    /// If one is missing.
    pub fn from_files(
        files: impl IntoIterator<Item = (String, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, BackupTarError> {
        let known = |name: String| BACKUP_FILES.into_iter().find(|known| *known == name);
        Self::of(files.into_iter().filter_map(|(name, contents)| Some((known(name)?, contents))).collect())
    }

    /// Returns the contents of a file, if it exists.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|contents| contents.as_slice())
    }

    /// Returns all files, by name.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter().map(|(name, contents)| (*name, contents.as_slice()))
    }

    /// Returns whether the private keys in it are unencrypted.
    pub fn is_in_clear(&self) -> bool {
        self.get("private.json").is_some()
    }

    /// Returns the bytes of a tar that a server accepts as a backup.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::new());
        for (name, contents) in self.files() {
            bytes.extend_from_slice(&header(name, contents.len()));
            bytes.extend_from_slice(contents);
            let padded = bytes.len().div_ceil(BLOCK) * BLOCK;
            bytes.resize(padded, 0);
        }
        let length = bytes.len() + 2 * BLOCK;
        bytes.resize(length, 0);
        bytes
    }
}

/// Returns name and size of a file from its header.
fn read_header(header: &[u8], at: usize) -> Result<(&'static str, usize), BackupTarError> {
    let damaged = |what| BackupTarError::Damaged { at, what };
    let stated = octal(&header[CHECKSUM]);
    if stated != Some(checksum(header)) {
        return Err(if at == 0 {
            BackupTarError::NotATar
        } else {
            damaged("the checksum of a header is wrong")
        });
    }
    let name = header[NAME].split(|byte| *byte == 0).next().unwrap_or_default();
    let known = BACKUP_FILES.into_iter().find(|known| known.as_bytes() == name);
    let is_file = matches!(header[KIND], 0 | b'0');
    // The old GNU form keeps other data where POSIX has the first part of a long name; a server's header has
    // neither.
    let name =
        known.filter(|_| is_file && header[PREFIX].iter().all(|byte| *byte == 0)).ok_or_else(|| {
            BackupTarError::Foreign { name: String::from_utf8_lossy(name).chars().take(100).collect() }
        })?;
    let size = octal(&header[SIZE]).and_then(|size| usize::try_from(size).ok());
    Ok((name, size.ok_or_else(|| damaged("the size of a file is not a number"))?))
}

/// Checks the end of a tar: two empty blocks; some programs write more of them.
fn check_end(bytes: &[u8], at: usize) -> Result<(), BackupTarError> {
    let rest = &bytes[at..];
    if rest.len() < 2 * BLOCK {
        return Err(BackupTarError::CutShort { bytes: bytes.len() });
    }
    match rest.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(more) => Err(BackupTarError::Damaged { at: at + more, what: "something comes after the end" }),
    }
}

/// Parses octal digits, with blanks before and blanks or zeros after them.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    let is_number = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    is_number.then(|| u64::from_str_radix(text, 8).ok())?
}

/// Returns the sum of a header's bytes, counting those of the sum itself as blanks.
fn checksum(header: &[u8]) -> u64 {
    let own = u64::from(b' ') * 8;
    let others = header.iter().enumerate().filter(|(at, _)| !CHECKSUM.contains(at));
    own + others.map(|(_, byte)| u64::from(*byte)).sum::<u64>()
}

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(NAME.start, name);
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(SIZE.start, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(KIND, "0");
    put(257, "ustar  \0");
    let sum = checksum(&header);
    header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
