//! The contents of a guardian's private file: the text of `private.json`, or the decrypted text of
//! `private.encrypt`.
//!
//! Invariants: a message names the field, never its contents; what was read is overwritten when it is
//! dropped.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::private::parse_secret_key;
use crate::strict_json::Strict;
use crate::{NotASecretKey, SigningKey};

/// The number of bytes of an iroh secret key. Source: iroh-base 0.35.0, src/key.rs.
const IROH_BYTES: usize = 32;

/// A guardian's secrets.
pub struct PrivateConfig {
    /// The password of its interface; in the file until v0.11.
    pub api_auth: Option<Zeroizing<String>>,
    /// The key of its certificate, in DER; since v0.7 only if guardians reach each other over TLS.
    pub tls_key: Option<Zeroizing<Vec<u8>>>,
    /// The key under which clients reach it over iroh.
    pub iroh_api_key: Option<Zeroizing<[u8; IROH_BYTES]>>,
    /// The key under which other guardians reach it over iroh.
    pub iroh_p2p_key: Option<Zeroizing<[u8; IROH_BYTES]>>,
    /// The kind of each module for which it has secrets.
    pub modules: BTreeMap<u16, String>,
    /// The key that signs sessions, in hex.
    pub secret: Zeroizing<String>,
}

/// Why a text is not a private configuration.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivateFieldError {
    /// The text is not JSON.
    #[error("it is not JSON, at line {line}, column {column}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of a line.
        column: usize,
    },
    /// It is JSON, but not an object.
    #[error("it is not an object, as a private configuration is")]
    NotAnObject,
    /// A field that every version has is missing.
    #[error("it has no {field}")]
    Missing { field: &'static str },
    /// A field has a value of another type.
    #[error("{field} is not {expected}")]
    Field {
        /// The field's path.
        field: String,
        expected: &'static str,
    },
    /// The key is not a key of the curve.
    #[error("broadcast_secret_key is not a secret key of secp256k1")]
    Key,
}

impl PrivateConfig {
    /// Parses the text of a private file of any version.
    ///
    /// # Errors
    /// If it is not JSON, a field that every version has is missing, or a field is of another type.
    pub fn parse(text: &[u8]) -> Result<Self, PrivateFieldError> {
        // The reader's own message may quote the text, so it is left out.
        let value = serde_json::from_slice(text)
            .map(|Strict(value)| Wiped(value))
            .map_err(|error| PrivateFieldError::NotJson { line: error.line(), column: error.column() })?;
        let file = value.as_object().ok_or(PrivateFieldError::NotAnObject)?;
        let secret = file.get("broadcast_secret_key");
        let secret = secret.ok_or(PrivateFieldError::Missing { field: "broadcast_secret_key" })?;
        let secret = secret.as_str().filter(|text| text.len() == 64 && is_hex(text));
        let secret = secret.ok_or_else(|| wrong("broadcast_secret_key", "64 hex digits"))?;
        parse_secret_key(secret).map_err(|NotASecretKey| PrivateFieldError::Key)?;
        Ok(Self {
            api_auth: optional(file, "api_auth", "a text", |value| {
                value.as_str().map(|text| Zeroizing::new(text.to_owned()))
            })?,
            tls_key: optional(file, "tls_key", "the hex of a key", |value| {
                value.as_str().and_then(|text| hex::decode(text).ok()).map(Zeroizing::new)
            })?,
            iroh_api_key: optional(file, "iroh_api_sk", "a list of 32 numbers from 0 to 255", iroh_key)?,
            iroh_p2p_key: optional(file, "iroh_p2p_sk", "a list of 32 numbers from 0 to 255", iroh_key)?,
            modules: modules(file.get("modules").ok_or(PrivateFieldError::Missing { field: "modules" })?)?,
            secret: Zeroizing::new(secret.to_owned()),
        })
    }

    /// Returns the key that signs sessions.
    pub fn signing_key(&self) -> SigningKey {
        parse_secret_key(&self.secret).expect("it was a key when it was read")
    }
}

/// A value whose texts are overwritten when it is dropped.
struct Wiped(Value);

impl std::ops::Deref for Wiped {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe_json(&mut self.0);
    }
}

/// Overwrites the texts and numbers in a value that holds secrets.
pub fn wipe_json(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe_json),
        Value::Object(members) => members.values_mut().for_each(wipe_json),
        Value::Number(number) => *number = 0.into(),
        Value::Null | Value::Bool(_) => {}
    }
}

fn optional<T>(
    file: &Map<String, Value>,
    field: &str,
    expected: &'static str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, PrivateFieldError> {
    match file.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| wrong(field, expected)),
    }
}

/// Parses an iroh key, which servers write as a list of numbers.
fn iroh_key(value: &Value) -> Option<Zeroizing<[u8; IROH_BYTES]>> {
    let numbers = value.as_array().filter(|numbers| numbers.len() == IROH_BYTES)?;
    let mut key = Zeroizing::new([0; IROH_BYTES]);
    for (byte, number) in key.iter_mut().zip(numbers) {
        *byte = number.as_u64().and_then(|number| u8::try_from(number).ok())?;
    }
    Some(key)
}

fn modules(value: &Value) -> Result<BTreeMap<u16, String>, PrivateFieldError> {
    let members = value.as_object().ok_or_else(|| wrong("modules", "an object"))?;
    let module = |(name, module): (&String, &Value)| {
        let number = name.parse().ok().filter(|number: &u16| number.to_string() == *name);
        let number = number.ok_or_else(|| wrong("modules", "an object by numbers from 0 to 65535"))?;
        let kind = module.get("kind").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| wrong(&format!("modules.{number}.kind"), "a text"))?;
        Ok((number, kind.to_owned()))
    };
    members.iter().map(module).collect()
}

fn wrong(field: &str, expected: &'static str) -> PrivateFieldError {
    PrivateFieldError::Field { field: field.to_owned(), expected }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}
