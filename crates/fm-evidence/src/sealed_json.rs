//! Files for remote parties: JSON of a fixed form, with a digest over itself.
//!
//! Invariant: a file is accepted only if writing what was read yields exactly its bytes, so that no byte of
//! it can change unnoticed. The digest protects against accidents; the signatures prove what the file proves.

use std::io;

use fm_history::{Hash, sha256};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a file is not of the expected form.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum SealedJsonError {
    /// The file is not JSON of this form.
    #[error("it is not of the form {format}, at line {line}, column {column}: {reason}")]
    Form {
        format: &'static str,
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of a line.
        column: usize,
        /// What the JSON reader says.
        reason: String,
    },
    /// The file is of another kind or version.
    #[error("it states the form {stated:?}, and this version reads {format:?}")]
    OtherForm { format: &'static str, stated: String },
    /// Its digest does not match its content.
    #[error("its digest is that of other content: something in it was changed, or the digest itself")]
    Digest,
    /// The content is not written in the canonical way.
    #[error("byte {offset} is not as this form is written")]
    NotCanonical {
        /// The first byte that differs.
        offset: usize,
    },
}

/// The text after the digest, which is the last field of every form.
const END: &str = "\"\n}\n";
/// The placeholder for the digest while it is computed.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A value with the name of its format, and a digest as its last field.
pub(crate) trait SealedJson: Serialize + DeserializeOwned {
    /// Name and version of the form.
    const FORMAT: &'static str;

    /// Returns the form that the file states.
    fn format(&self) -> &str;

    /// Returns the digest in the file.
    fn digest(&self) -> Hash;

    /// Returns the text of the file with the correct digest.
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
        // The output is compared while it is written, because the file may be large: this needs no second
        // copy.
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

/// Returns the digest of a text, with zeros in place of the digest itself.
fn digest_of(text: &str) -> Hash {
    let end = text.len() - END.len();
    let (before, behind) = (&text[..end - NO_DIGEST.len()], &text[end..]);
    sha256(&[before.as_bytes(), NO_DIGEST.as_bytes(), behind.as_bytes()])
}

/// A writer that accepts bytes only while they equal those of the file.
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
