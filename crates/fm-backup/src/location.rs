//! Where an archive is: a path, or an address that stands for one.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::BackupError;

/// Where an archive is or shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    path: PathBuf,
}

impl Location {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self { path }
    }
}

impl FromStr for Location {
    type Err = BackupError;

    /// A path as it is; `file://` and an absolute path, with `%` and two digits for a byte, as in every address.
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

/// The text behind the percent signs; none if a sign is not followed by two digits, or a NUL comes out.
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
}
