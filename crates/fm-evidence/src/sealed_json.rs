//! Files that are handed to strangers: JSON of one form, with a digest over itself.
//!
//! Invariant: a file is taken only if writing what was read gives its very bytes again, so that no byte of it can
//! change unnoticed. The digest is against accidents; what a file proves is proven by signatures.

use std::io;

use fm_history::{Hash, sha256};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a file is not one of ours.
#[derive(Debug, Error)]
pub enum SealedJsonError {
    /// It is no JSON of this form.
    #[error("it is not of the form {format}, at line {line}, column {column}: {reason}")]
    Form {
        /// The form.
        format: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the JSON reader says.
        reason: String,
    },
    /// It is of another kind or version.
    #[error("it states the form {stated:?}, and this version reads {format:?}")]
    OtherForm {
        /// The form.
        format: &'static str,
        /// What the file states.
        stated: String,
    },
    /// Its digest is that of other content.
    #[error("its digest is that of other content: something in it was changed, or the digest itself")]
    Digest,
    /// The same content is written differently.
    #[error("byte {offset} is not as this form is written")]
    NotCanonical {
        /// The first byte that differs.
        offset: usize,
    },
}

/// What stands behind the digest, the last field of every form.
const END: &str = "\"\n}\n";
/// The place of a digest while it is computed.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A value with its format's name, and a digest as its last field.
pub(crate) trait SealedJson: Serialize + DeserializeOwned {
    /// Name and version of the form.
    const FORMAT: &'static str;

    /// What the file states as its form.
    fn format(&self) -> &str;

    /// The digest in the file.
    fn digest(&self) -> Hash;

    /// The text of the file, with the digest that it should have.
    fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("texts, numbers and lists are JSON");
        text.push('\n');
        let at = text.len() - END.len() - NO_DIGEST.len();
        let digest = digest_of(&text).to_string();
        text.replace_range(at..at + NO_DIGEST.len(), &digest);
        text
    }

    /// Reads the text of a file.
    fn from_text(file: &str) -> Result<Self, SealedJsonError> {
        let value: Self = serde_json::from_str(file).map_err(|error| SealedJsonError::Form {
            format: Self::FORMAT,
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        })?;
        if value.format() != Self::FORMAT {
            let stated = value.format().to_owned();
            return Err(SealedJsonError::OtherForm { format: Self::FORMAT, stated });
        }
        // Compared as it is written: a file may be large, and needs no second copy.
        let mut again = Comparison { file: file.as_bytes(), at: 0 };
        let is_written = serde_json::to_writer_pretty(&mut again, &value).is_ok();
        if !is_written || again.file.get(again.at..) != Some(b"\n") {
            return Err(SealedJsonError::NotCanonical { offset: again.at });
        }
        if digest_of(file) != value.digest() {
            return Err(SealedJsonError::Digest);
        }
        Ok(value)
    }
}

/// The digest of a text, over zeros in its own place.
fn digest_of(text: &str) -> Hash {
    let end = text.len() - END.len();
    let (before, behind) = (&text[..end - NO_DIGEST.len()], &text[end..]);
    sha256(&[before.as_bytes(), NO_DIGEST.as_bytes(), behind.as_bytes()])
}

/// Takes what is written as long as it is what the file has.
struct Comparison<'a> {
    file: &'a [u8],
    at: usize,
}

impl io::Write for Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let same = self.file[self.at..].iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.at += same;
        if same == bytes.len() { Ok(same) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes as lower-case hex.
pub(crate) mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Bytes as lower-case hex, or null.
pub(crate) mod hex_option {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&hex::encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| hex::decode(text).map_err(de::Error::custom)).transpose()
    }
}
