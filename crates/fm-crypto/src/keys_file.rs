//! A file that holds only keys, for audits without a guardian's configuration.
//!
//! Three forms: `{"epoch_pk_set": ["<96 hex digits>", …]}`, the coefficients of the epoch keys;
//! `{"0": "<66 hex digits>", …}`, the session keys by peer; and, with 64 digits each, such keys without their
//! parity, as they were before 2023-08-04. Invariant: such a file holds nothing else.

use std::collections::BTreeMap;

use fm_codec::PeerId;
use serde_json::Value;

use crate::BroadcastKey;
use crate::config::{ConfigError, broadcast_key, hex_bytes, numbered, parse_json};
use crate::keys::EpochKeys;

/// The keys that a keys file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Keys of v0.1, which sign epochs.
    Epoch(EpochKeys),
    /// Keys of later versions, which sign sessions.
    Broadcast(BTreeMap<PeerId, BroadcastKey>),
    /// Such keys without parity, whose signatures have no tag.
    XOnly(BTreeMap<PeerId, [u8; 32]>),
}

/// Parses the text of a keys file.
///
/// # Errors
/// If it is not JSON, is no form of a keys file, or has a malformed key; see [`ConfigError`].
pub fn parse_keys_file(json: &str) -> Result<Keys, ConfigError> {
    let file = parse_json(json)?;
    let members = file.as_object().ok_or(ConfigError::NotAKeysFile)?;
    match members.get(EPOCH_KEYS) {
        Some(value) if members.len() == 1 => epoch_keys(value).map(Keys::Epoch),
        None if members.keys().any(|name| name.bytes().all(|byte| byte.is_ascii_digit())) => {
            let x_only = |value: &Value| value.as_str().is_some_and(|text| text.len() == 64);
            if members.values().all(x_only) {
                return numbered("keys file", &file, hex_bytes).map(Keys::XOnly);
            }
            numbered("keys file", &file, broadcast_key).map(Keys::Broadcast)
        }
        _ => Err(ConfigError::NotAKeysFile),
    }
}

/// The field of the epoch keys, named as in the `consensus.json` of v0.1 (`fixtures/hbbft-v0.1.5`).
const EPOCH_KEYS: &str = "epoch_pk_set";

fn epoch_keys(value: &Value) -> Result<EpochKeys, ConfigError> {
    let list = value.as_array().ok_or_else(|| ConfigError::WrongType {
        field: EPOCH_KEYS.to_owned(),
        expected: "a list of coefficients",
    })?;
    let coefficients = list
        .iter()
        .enumerate()
        .map(|(place, value)| hex_bytes(&format!("{EPOCH_KEYS}.{place}"), value))
        .collect::<Result<Vec<_>, _>>()?;
    EpochKeys::from_coefficients(coefficients)
        .map_err(|source| ConfigError::Keys { field: EPOCH_KEYS, source })
}
