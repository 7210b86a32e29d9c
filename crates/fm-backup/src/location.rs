//! Where an archive is: a path or an address; and how it is opened if it is encrypted.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use age::DecryptError;
use age::x25519::{Identity, Recipient};
use fm_audit::{Medium, ReadSeek};
use fm_store::{open_regular, sync_name};

use crate::remote::FileDraft;
use crate::sealed::{AGE_START, Payload, Sealed, is_archive};
use crate::{BackupError, Draft, Remote};

/// How a secret key begins.
const SECRET_START: &str = "AGE-SECRET-KEY-";

/// Where an archive is or is to be made.
#[derive(Clone)]
pub struct Location {
    path: PathBuf,
    /// The object, unless the location is a file.
    remote: Option<Arc<dyn Remote>>,
    age_identities: Arc<Vec<Identity>>,
    /// The key that opens it if its own header is lost.
    payload: Option<Arc<Payload>>,
}

impl Location {
    /// Makes the location of an object in a store, called `name`.
    pub fn remote(name: PathBuf, remote: Arc<dyn Remote>) -> Self {
        Self { path: name, remote: Some(remote), age_identities: Arc::default(), payload: None }
    }

    /// Returns the file, or the name of the object.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the same location, with the secret keys in these texts to open it if it is encrypted.
    ///
    /// A text is what `age-keygen` writes: each key on its own line, comments after `#`.
    ///
    /// # Errors
    /// If a text holds anything else; the error does not repeat it.
    pub fn with_keys(&self, texts: &[String]) -> Result<Self, BackupError> {
        let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let age_identities = keys
            .map(|key| Identity::from_str(key).map_err(|_| BackupError::NotAKey))
            .collect::<Result<_, _>>()?;
        Ok(Self { age_identities: Arc::new(age_identities), ..self.clone() })
    }

    /// Returns the same location, opened with a key that is in no text.
    pub(crate) fn with_age_identity(self, age_identity: Identity) -> Self {
        Self { age_identities: Arc::new(vec![age_identity]), ..self }
    }

    /// Returns whether it is an object in a store.
    pub fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Returns whether it can be an archive: a file or an object, not a directory.
    pub(crate) fn is_file(&self) -> bool {
        self.is_remote() || self.path.is_file()
    }

    /// Returns whether something is there.
    ///
    /// # Errors
    /// If the store cannot be queried.
    pub fn is_there(&self) -> Result<bool, BackupError> {
        match &self.remote {
            Some(remote) => remote.is_there().map_err(BackupError::remote(&self.path)),
            None => Ok(self.path.exists()),
        }
    }

    /// Begins to write an archive there.
    pub(crate) fn create(&self) -> Result<Box<dyn Draft>, BackupError> {
        match &self.remote {
            Some(remote) => remote.create(&self.path, is_archive).map_err(BackupError::remote(&self.path)),
            None => Ok(Box::new(FileDraft::create(&self.path)?)),
        }
    }

    /// Finishes the work of a run that was killed after the archive had got its name.
    pub(crate) fn clear(&self) -> Result<(), BackupError> {
        match &self.remote {
            Some(remote) => remote.clear().map_err(BackupError::remote(&self.path)),
            None => Ok(sync_name(&self.path)?),
        }
    }

    /// Opens the stored bytes, without decryption.
    fn bytes(&self) -> io::Result<Box<dyn ReadSeek>> {
        match &self.remote {
            Some(remote) => remote.open(),
            None => Ok(Box::new(open_regular(&self.path)?)),
        }
    }

    /// Fails early, with the reason, if it is encrypted and these are not the keys.
    ///
    /// # Errors
    /// If there are no keys, the wrong ones, or the encryption's own header is damaged.
    pub fn check_keys(&self) -> Result<(), BackupError> {
        if !self.is_file() {
            return Ok(());
        }
        self.payload().map(drop)
    }

    fn is_encrypted(&self) -> io::Result<bool> {
        let mut start = Vec::new();
        self.bytes()?.take(AGE_START.len() as u64).read_to_end(&mut start)?;
        Ok(start == AGE_START)
    }

    /// Returns the key that opens the encrypted bytes; `None` if they are not encrypted.
    pub(crate) fn payload(&self) -> Result<Option<Arc<Payload>>, BackupError> {
        if let Some(payload) = &self.payload {
            return Ok(Some(Arc::clone(payload)));
        }
        if !self.is_encrypted().map_err(|source| self.failed(source))? {
            return Ok(None);
        }
        let path = || self.path.clone();
        if self.age_identities.is_empty() {
            return Err(BackupError::Encrypted { path: path() });
        }
        let file = self.bytes().map_err(|source| self.failed(source))?;
        let payload = Payload::of(file, &self.age_identities).map_err(|error| match error {
            DecryptError::NoMatchingKeys => BackupError::WrongKey { path: path() },
            DecryptError::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => self.failed(source),
            _ => BackupError::SealDamaged { path: path() },
        })?;
        Ok(Some(Arc::new(payload)))
    }

    /// Returns the same location, opened with the key of another copy of the file, if that opens any chunk of
    /// it.
    pub(crate) fn opened_as(&self, payload: &Arc<Payload>) -> Result<Option<Self>, BackupError> {
        let file = self.bytes().map_err(|source| self.failed(source))?;
        let opens = payload.opens(file).map_err(|source| self.failed(source))?;
        Ok(opens.then(|| Self { payload: Some(Arc::clone(payload)), ..self.clone() }))
    }

    fn failed(&self, source: io::Error) -> BackupError {
        BackupError::File { path: self.path.clone(), source }
    }
}

impl Medium for Location {
    fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        match self.payload() {
            Ok(None) => self.bytes(),
            Ok(Some(payload)) => Ok(Box::new(Sealed::new(self.bytes()?, &payload)?)),
            Err(BackupError::File { source, .. }) => Err(source),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self { path, remote: None, age_identities: Arc::default(), payload: None }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

impl FromStr for Location {
    type Err = BackupError;

    /// Parses a path, which is taken literally, or `file://` and an absolute path, with `%` and two digits
    /// for a byte as in every address.
    fn from_str(text: &str) -> Result<Self, BackupError> {
        let unreachable = || BackupError::Unreachable { text: text.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(PathBuf::from(text).into()) };
        let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !is_scheme {
            return Ok(PathBuf::from(text).into());
        }
        let rest = rest.strip_prefix("localhost").unwrap_or(rest);
        if !scheme.eq_ignore_ascii_case("file") || !rest.starts_with('/') {
            return Err(unreachable());
        }
        decoded(rest).map(|path| PathBuf::from(path).into()).ok_or_else(unreachable)
    }
}

/// Parses public keys that an archive is encrypted to.
///
/// # Errors
/// If a text is not a public key. The error does not repeat a secret key in its place.
pub fn recipients(texts: &[String]) -> Result<Vec<Recipient>, BackupError> {
    let parse = |text: &String| {
        Recipient::from_str(text).map_err(|_| BackupError::NotARecipient {
            text: if text.starts_with(SECRET_START) {
                "a secret key".to_owned()
            } else {
                format!("{text:?}")
            },
        })
    };
    texts.iter().map(parse).collect()
}

/// Decodes percent signs in a text; `None` if a sign is not followed by two digits, or the result contains a
/// NUL.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        (bytes, rest) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit =
                    |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high)? << 4 | digit(low)?);
                (bytes, tail)
            }
            (b'%' | b'?' | b'#', _) => return None,
            (byte, tail) => {
                bytes.push(*byte);
                (bytes, tail)
            }
        };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<String> {
        text.parse::<Location>().ok().and_then(|location| location.path().to_str().map(str::to_owned))
    }

    #[test]
    fn paths_and_addresses() {
        for (text, wanted) in [
            ("a.fmar", Some("a.fmar")),
            ("/b/a%20.fmar", Some("/b/a%20.fmar")),
            ("file:///b/a%20c.fmar", Some("/b/a c.fmar")),
            ("FILE://localhost/b", Some("/b")),
            ("file:///%c3%a9", Some("/é")),
            ("file://elsewhere/b", None),
            ("file:///%c3", None),
            ("file:///a%0", None),
            ("file:///a%00", None),
            ("file:///a?b", None),
            ("s4://bucket/a", None),
            ("https://host/a", None),
        ] {
            assert_eq!(path(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_secret_key_is_never_repeated() {
        let secret = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ".to_owned();
        let error = recipients(std::slice::from_ref(&secret)).unwrap_err().to_string();
        assert!(error.contains("a secret key") && !error.contains(&secret[15..]), "{error}");
        let location = Location::from(PathBuf::from("x"));
        let error = location.with_keys(&[format!("# mine\n{secret}x\n")]).err().unwrap().to_string();
        assert!(!error.contains(&secret[15..]), "{error}");
        assert!(location.with_keys(&["# only a comment\n\n".to_owned()]).is_ok());
    }
}
