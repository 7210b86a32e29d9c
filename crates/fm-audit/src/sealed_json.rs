//! Files that are handed to strangers: JSON of one form, with a digest over itself.
//!
//! Invariant: a file is taken only if writing what was read gives its very bytes again, so that no byte of it can
//! change unnoticed. The digest is against accidents; what a file proves is proven by signatures.

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

/// A value with its format's name and a place for the digest.
pub(crate) trait SealedJson: Serialize + DeserializeOwned {
    /// Name and version of the form.
    const FORMAT: &'static str;

    /// What the file states as its form.
    fn format(&self) -> &str;

    /// The digest in the file.
    fn digest(&mut self) -> &mut Hash;

    /// The text of the file.
    fn to_text(&mut self) -> String {
        *self.digest() = Hash::default();
        let digest = sha256(&[text(self).as_bytes()]);
        *self.digest() = digest;
        text(self)
    }

    /// Reads the text of a file.
    fn from_text(file: &str) -> Result<Self, SealedJsonError> {
        let mut value: Self = serde_json::from_str(file).map_err(|error| SealedJsonError::Form {
            format: Self::FORMAT,
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        })?;
        if value.format() != Self::FORMAT {
            let stated = value.format().to_owned();
            return Err(SealedJsonError::OtherForm { format: Self::FORMAT, stated });
        }
        let again = text(&value);
        if again != file {
            let offset = again.bytes().zip(file.bytes()).take_while(|(a, b)| a == b).count();
            return Err(SealedJsonError::NotCanonical { offset });
        }
        if value.to_text() != file {
            return Err(SealedJsonError::Digest);
        }
        Ok(value)
    }
}

fn text(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("texts, numbers and lists are JSON");
    text.push('\n');
    text
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
