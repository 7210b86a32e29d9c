//! No archive holds a secret: the rows are searched for what the guardian's secret files hold.
//!
//! Rows are all that an archive gets; files never are. But a row holds whatever a module or a client put there. Looked
//! for: the contents of the secret files beside the database, as they are and as the bytes that their hex stands for,
//! and the marks that private keys in text begin with.
//! Invariant: a message names the file, never what is in it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::BackupError;

/// Marks of private keys in text.
const MARKS: [(&str, &str); 3] = [
    ("PRIVATE KEY-----", "a private key in PEM form"),
    ("AGE-SECRET-KEY-1", "an age secret key"),
    ("AGE-SECRET-KEY-PQ-1", "an age secret key"),
];
/// Most bytes of a secret file that are read; a guardian's has a thousand.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// A secret is told by so many of its first bytes. Nothing shorter is searched for inside a value: it would be found
/// everywhere by chance.
const HEAD: usize = 8;
/// Longest needle.
const NEEDLE: usize = 32;
/// Hex digits of a key.
const KEY_DIGITS: usize = 64;

/// What no row may hold.
pub(crate) struct Secrets {
    needles: Vec<Needle>,
    /// By the last byte of a window as long as a head: in how many bytes the next head can end, 0 if one may end here.
    steps: [usize; 256],
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    what: String,
}

impl Secrets {
    /// The secrets in a guardian's data directory; only the marks if there is none.
    pub(crate) fn of(data_dir: Option<&Path>) -> Result<Self, BackupError> {
        let mut needles: Vec<Needle> = MARKS
            .iter()
            .map(|(mark, what)| Needle {
                bytes: Zeroizing::new(mark.as_bytes().to_vec()),
                what: (*what).to_owned(),
            })
            .collect();
        if let Some(directory) = data_dir {
            let failed = |source| BackupError::File { path: directory.to_owned(), source };
            for entry in fs::read_dir(directory).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if is_secret(&name) && path.is_file() {
                    let text =
                        read(&path).map_err(|source| BackupError::File { path: path.clone(), source })?;
                    add_contents(&mut needles, &text, &name);
                }
            }
        }
        let mut steps = [HEAD; 256];
        for needle in &needles {
            for (place, byte) in needle.bytes.get(..HEAD).unwrap_or_default().iter().enumerate() {
                let step = &mut steps[usize::from(*byte)];
                *step = (*step).min(HEAD - 1 - place);
            }
        }
        Ok(Self { needles, steps })
    }

    /// Which secret a row holds, if any.
    pub(crate) fn find(&self, key: &[u8], value: &[u8]) -> Option<&str> {
        [key, value].into_iter().find_map(|bytes| self.find_in(bytes))
    }

    fn find_in(&self, bytes: &[u8]) -> Option<&str> {
        let short = self.needles.iter().find(|needle| needle.bytes.len() < HEAD && *needle.bytes == bytes);
        if let Some(needle) = short {
            return Some(&needle.what);
        }
        let mut end = HEAD - 1;
        while let Some(last) = bytes.get(end) {
            let step = self.steps[usize::from(*last)];
            if step == 0 {
                let rest = &bytes[end + 1 - HEAD..];
                let long = |needle: &&Needle| needle.bytes.len() >= HEAD && rest.starts_with(&needle.bytes);
                if let Some(needle) = self.needles.iter().find(long) {
                    return Some(&needle.what);
                }
            }
            end += step.max(1);
        }
        None
    }
}

/// Whether a file of this name in a data directory holds what nobody else may know.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = ["private", "password", "secret", "mnemonic"];
    parts.iter().any(|part| name.contains(part))
        || [".salt", ".key", ".pem"].iter().any(|end| name.ends_with(end))
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The beginning of the file, of the bytes that its hex stands for, and every run of digits as long as a key.
fn add_contents(needles: &mut Vec<Needle>, contents: &[u8], name: &str) {
    let mut add = |bytes: &[u8]| {
        if !bytes.is_empty() {
            let bytes = Zeroizing::new(bytes[..bytes.len().min(NEEDLE)].to_vec());
            needles.push(Needle { bytes, what: format!("what is in the file {name}") });
        }
    };
    add(contents.trim_ascii());
    for run in contents.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= KEY_DIGITS) {
        add(run);
        let digits = run.len() & !1;
        if let Ok(bytes) = hex::decode(&run[..digits]) {
            add(&Zeroizing::new(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(home.path().join(name), text).unwrap();
        }
        home
    }

    #[test]
    fn secrets_are_found_wherever_they_are_in_a_row() {
        let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let home = directory(&[
            ("private.json", &format!("{{\"broadcast_secret_key\": \"{key}\"}}")),
            ("password.private", "fixture\n"),
            ("private.salt", "0123456789abcdef\n"),
            ("local.json", "{\"nothing\": \"that is not public at all, really\"}"),
        ]);
        let secrets = Secrets::of(Some(home.path())).unwrap();
        let found = |value: &[u8]| secrets.find(b"key", value).map(str::to_owned);
        assert_eq!(found(b"fixture").unwrap(), "what is in the file password.private");
        assert_eq!(found(b"a fixture of the house"), None, "too short a word to say anything");
        assert_eq!(found(b"..0123456789abcdef..").unwrap(), "what is in the file private.salt");
        assert!(found(format!("x{key}").as_bytes()).is_some());
        let raw = hex::decode(key).unwrap();
        for at in 0..9 {
            let mut value = vec![7; at];
            value.extend_from_slice(&raw);
            value.push(9);
            assert!(found(&value).is_some(), "at {at}");
            assert_eq!(found(&value[..at + 31]), None);
        }
        assert!(secrets.find(&raw, b"").is_some(), "keys are searched as well");
        assert!(found(b"-----BEGIN PRIVATE KEY-----\nMC4").is_some());
        assert_eq!(found(b"{\"nothing\": \"that is not public at all, really\"}"), None);
        assert_eq!(found(b""), None);
    }

    /// Against the plain search, in texts of few different bytes, where heads overlap and nearly match.
    #[test]
    fn stepping_over_bytes_misses_nothing() {
        let mut state = 7u64;
        let mut letters = |count: usize| -> String {
            let mut letter = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if state >> 62 == 0 { 'b' } else { 'a' }
            };
            (0..count).map(|_| letter()).collect()
        };
        let words = [letters(8), letters(9), letters(11)];
        let files = ["a.key", "b.key", "c.key"].iter().zip(&words);
        let home = directory(&files.map(|(name, word)| (*name, word.as_str())).collect::<Vec<_>>());
        let secrets = Secrets::of(Some(home.path())).unwrap();
        let mut hits = 0;
        for length in 0..2_000 {
            let text = letters(length % 60);
            let is_there = words.iter().any(|word| text.contains(word.as_str()));
            assert_eq!(secrets.find(b"", text.as_bytes()).is_some(), is_there, "{text} {words:?}");
            hits += usize::from(is_there);
        }
        assert!((100..1_900).contains(&hits), "{hits}");
    }
}
