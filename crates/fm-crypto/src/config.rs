//! A guardian's `consensus.json`, of any version: the keys, names and modules an auditor needs.
//!
//! Invariants: fields not named here are ignored; fields named here are read strictly, and an error names the
//! field; a duplicate member is refused. A file of v0.2 or later has no BLS keys, which is not an error:
//! `epoch_keys` and `federation_id` are then `None`.

use std::collections::BTreeMap;

use fm_codec::{Dialect, PeerId, Writer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::consensus_hash::ConsensusHashes;
use crate::keys::{EpochKeys, KeyError};
use crate::strict_json::Strict;
use crate::{BroadcastKey, PublicKey};

/// A guardian's public configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsensusConfig {
    /// The program's version at key generation; `None` in what guardians tell clients.
    pub code_version: Option<String>,
    /// The federation's name, if it has one.
    pub federation_name: Option<String>,
    /// The keys that epochs are signed with; only v0.1 (and the first builds after it).
    pub epoch_keys: Option<EpochKeys>,
    /// The federation's id of v0.1: the key of `auth_pk_set`.
    pub federation_id: Option<PublicKey>,
    /// The key each guardian signs sessions with.
    pub broadcast_public_keys: BTreeMap<PeerId, BroadcastKey>,
    /// The name and address of every guardian: from `iroh_endpoints` if that names any, as servers do.
    pub guardians: BTreeMap<PeerId, Guardian>,
    /// The kind of every module.
    pub modules: BTreeMap<u16, String>,
    /// The encoded configuration of every module: that of guardians, or in what guardians tell clients that of
    /// clients. A module of v0.1 has none.
    pub module_configs: BTreeMap<u16, Vec<u8>>,
    /// The version of the consensus, major and minor; only since v0.2.
    pub consensus_version: Option<[u32; 2]>,
    /// The hashes that guardians compare; only for v0.2 and later, and only if everything that they cover can
    /// be encoded.
    pub hashes: Option<ConsensusHashes>,
    /// The rounds of a session: items in units of this round and later ones do not count. `None` if the file
    /// does not state it: before v0.4, a session ended after a number of batches.
    pub rounds_per_session: Option<u16>,
}

/// The name and address of a guardian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guardian {
    /// The name that its operator chose.
    pub name: String,
    /// The address of its interface, as the file writes it; `iroh://` and its key in hex if it is reached
    /// over iroh.
    pub url: String,
}

impl Guardian {
    /// Returns whether its interface is reached over iroh rather than WebSocket.
    pub fn is_over_iroh(&self) -> bool {
        self.url.starts_with(IROH)
    }
}

/// The beginning of an address that is a key. Source: fedimint-server 0.7.0, src/config/mod.rs.
const IROH: &str = "iroh://";
/// The number of bytes of such a key. Source: iroh-base 0.35.0, src/key.rs.
const IROH_KEY_BYTES: usize = 32;

/// Why a file of keys or configuration cannot be read.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not JSON.
    #[error("not JSON, at line {line}, column {column}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of a line.
        column: usize,
        source: serde_json::Error,
    },
    /// JSON, but without a field that every consensus configuration has.
    #[error("not a consensus configuration: it has no {missing}")]
    NotAConsensusConfig { missing: &'static str },
    /// JSON, but without a field that every configuration for clients has.
    #[error("not a configuration for clients: it has no {missing}")]
    NotAClientConfig { missing: &'static str },
    /// JSON, but no form of a keys file.
    #[error("not a keys file: neither epoch_pk_set alone nor keys by peer number")]
    NotAKeysFile,
    /// A field of another type.
    #[error("{field} is not {expected}")]
    WrongType {
        /// The field's path.
        field: String,
        expected: &'static str,
    },
    /// A member of a numbered map whose name is not a plain number below 65536.
    #[error("{field} has the member {name:?}, which is not a number from 0 to 65535")]
    NotANumber {
        /// The map's path.
        field: String,
        name: String,
    },
    /// A key that is not hex, or has another length.
    #[error("{field} is not the hex of {bytes} bytes")]
    Hex {
        /// The field's path.
        field: String,
        bytes: usize,
        source: hex::FromHexError,
    },
    /// A secp256k1 key that does not begin with byte 02 or 03.
    #[error("{field} is not a compressed secp256k1 key")]
    NotACompressedKey {
        /// The field's path.
        field: String,
    },
    /// A BLS key set that cannot be read.
    #[error("{field} is not a BLS key set")]
    Keys { field: &'static str, source: KeyError },
}

impl ConsensusConfig {
    /// Returns the federation's id: for v0.1 its key (48 bytes), later the SHA-256 of its guardians' encoded
    /// addresses.
    ///
    /// `None` if an address is not written as its program's URL parser writes it, because the encoding is
    /// then unknown; and if the file names no guardian at all.
    pub fn federation(&self) -> Option<Vec<u8>> {
        if let Some(id) = self.federation_id {
            return Some(id.to_vec());
        }
        let is_plain = |guardian: &Guardian| is_plain_url(&guardian.url) || is_iroh_url(&guardian.url);
        if self.guardians.is_empty() || !self.guardians.values().all(is_plain) {
            return None;
        }
        let mut endpoints = Writer::new(Dialect::MODERN);
        endpoints.list(self.guardians.iter(), |endpoints, (peer, guardian)| {
            endpoints.u16(*peer);
            endpoints.text(&guardian.url);
            endpoints.text(&guardian.name);
        });
        Some(Sha256::digest(endpoints.as_bytes()).to_vec())
    }

    /// Parses the text of a `consensus.json`.
    ///
    /// # Errors
    /// If it is not JSON, not a consensus configuration, or has a malformed field; see [`ConfigError`].
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        let file = parse_json(json)?;
        let field = |name| file.get(name).ok_or(ConfigError::NotAConsensusConfig { missing: name });
        let (code_version, endpoints) = (field("code_version")?, field("api_endpoints")?);
        let (broadcast, modules) = (field("broadcast_public_keys")?, field("modules")?);
        let guardians = guardians(&file, endpoints)?;
        let is_plain = |guardian: &Guardian| guardian.is_over_iroh() || is_plain_url(&guardian.url);
        let is_encodable = file.get("auth_pk_set").is_none() && guardians.values().all(is_plain);
        Ok(Self {
            hashes: ConsensusHashes::of(&file).ok().filter(|_| is_encodable),
            code_version: Some(text("code_version", code_version)?.to_owned()),
            federation_name: federation_name(&file),
            epoch_keys: key_set(&file, "epoch_pk_set")?,
            federation_id: key_set(&file, "auth_pk_set")?.map(|keys| keys.public_key()),
            broadcast_public_keys: numbered("broadcast_public_keys", broadcast, broadcast_key)?,
            guardians,
            modules: numbered("modules", modules, kind)?,
            module_configs: module_configs(modules)?,
            consensus_version: file.get("version").and_then(version),
            rounds_per_session: file.get(ROUNDS).map(rounds).transpose()?,
        })
    }

    /// Reads the configuration that guardians since v0.2 tell clients, in `client.json` and over their
    /// interfaces. Before v0.4 it has no keys that sign sessions.
    ///
    /// # Errors
    /// If it is not such a configuration, or has a malformed field.
    pub fn of_client(config: &Value) -> Result<Self, ConfigError> {
        let global = config.get("global").unwrap_or(config);
        let missing = |name| ConfigError::NotAClientConfig { missing: name };
        let endpoints = global.get("api_endpoints").ok_or(missing("api_endpoints"))?;
        let modules = config.get("modules").ok_or(missing("modules"))?;
        let keys = global.get("broadcast_public_keys").filter(|keys| !keys.is_null());
        Ok(Self {
            code_version: None,
            federation_name: federation_name(global),
            epoch_keys: None,
            federation_id: None,
            broadcast_public_keys: keys.map_or_else(
                || Ok(BTreeMap::new()),
                |keys| numbered("broadcast_public_keys", keys, broadcast_key),
            )?,
            guardians: numbered("api_endpoints", endpoints, guardian)?,
            modules: numbered("modules", modules, kind)?,
            module_configs: module_configs(modules)?,
            consensus_version: global.get("consensus_version").and_then(version),
            hashes: None,
            rounds_per_session: None,
        })
    }
}

/// The field with the number of rounds of a session. Source: fedimint-server 0.4.0, src/config/mod.rs.
const ROUNDS: &str = "broadcast_rounds_per_session";

fn rounds(value: &Value) -> Result<u16, ConfigError> {
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
    number.ok_or_else(|| ConfigError::WrongType {
        field: ROUNDS.to_owned(),
        expected: "a number from 0 to 65535",
    })
}

/// Returns the name among the free entries of `meta`: a text, which later versions encode as JSON once more.
/// Nothing depends on it.
fn federation_name(file: &Value) -> Option<String> {
    let text = file.get("meta")?.get("federation_name")?.as_str()?;
    let inner: Option<String> = serde_json::from_str(text).ok();
    Some(inner.unwrap_or_else(|| text.to_owned()))
}

/// Returns whether parsing and printing leave a URL unchanged: scheme, host, port and path, nothing else.
fn is_plain_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let Some((authority, path)) = rest.split_once('/') else { return false };
    let default_port = match scheme {
        "ws" | "http" => ":80",
        "wss" | "https" => ":443",
        _ => return false,
    };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~/:".contains(c);
    !authority.is_empty()
        && !authority.ends_with(default_port)
        && authority.chars().chain(path.chars()).all(is_plain)
        && !path.contains("..")
}

/// Returns whether an address is one that servers derive from a guardian's key.
fn is_iroh_url(url: &str) -> bool {
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    let key = url.strip_prefix(IROH).unwrap_or_default();
    key.len() == 2 * IROH_KEY_BYTES && key.bytes().all(is_digit)
}

pub(crate) fn parse_json(json: &str) -> Result<Value, ConfigError> {
    serde_json::from_str(json).map(|Strict(value)| value).map_err(|source| ConfigError::NotJson {
        line: source.line(),
        column: source.column(),
        source,
    })
}

/// Parses a map of plain decimal numbers; "00" or "+1" would give a peer two names.
pub(crate) fn numbered<T>(
    field: &str,
    value: &Value,
    read: impl Fn(&str, &Value) -> Result<T, ConfigError>,
) -> Result<BTreeMap<u16, T>, ConfigError> {
    let entry = |(name, value): (&String, &Value)| {
        let number = name.parse().ok().filter(|number: &u16| number.to_string() == *name);
        let number =
            number.ok_or_else(|| ConfigError::NotANumber { field: field.to_owned(), name: name.clone() })?;
        Ok((number, read(&format!("{field}.{name}"), value)?))
    };
    object(field, value)?.iter().map(entry).collect()
}

pub(crate) fn broadcast_key(path: &str, value: &Value) -> Result<BroadcastKey, ConfigError> {
    let key: BroadcastKey = hex_bytes(path, value)?;
    match key[0] {
        2 | 3 => Ok(key),
        _ => Err(ConfigError::NotACompressedKey { field: path.to_owned() }),
    }
}

pub(crate) fn hex_bytes<const N: usize>(path: &str, value: &Value) -> Result<[u8; N], ConfigError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text(path, value)?, &mut bytes).map_err(|source| ConfigError::Hex {
        field: path.to_owned(),
        bytes: N,
        source,
    })?;
    Ok(bytes)
}

fn key_set(file: &Value, field: &'static str) -> Result<Option<EpochKeys>, ConfigError> {
    let Some(value) = file.get(field) else {
        return Ok(None);
    };
    let keys = EpochKeys::from_config_hex(text(field, value)?);
    keys.map(Some).map_err(|source| ConfigError::Keys { field, source })
}

/// Returns the guardians: a federation is reached in only one way, and files before v0.7 know only one.
fn guardians(file: &Value, api: &Value) -> Result<BTreeMap<PeerId, Guardian>, ConfigError> {
    let over_web = numbered("api_endpoints", api, guardian)?;
    let Some(iroh) = file.get("iroh_endpoints") else { return Ok(over_web) };
    let over_iroh = numbered("iroh_endpoints", iroh, |path, value| {
        let key = object(path, value)?.get("api_pk").unwrap_or(&Value::Null);
        let key: [u8; IROH_KEY_BYTES] = hex_bytes(&format!("{path}.api_pk"), key)?;
        let name = member(path, value, "name")?.to_owned();
        Ok(Guardian { name, url: format!("{IROH}{}", hex::encode(key)) })
    })?;
    Ok(if over_iroh.is_empty() { over_web } else { over_iroh })
}

fn kind(path: &str, module: &Value) -> Result<String, ConfigError> {
    Ok(member(path, module, "kind")?.to_owned())
}

/// Returns the configurations that are encoded, in hex; others are left out.
fn module_configs(modules: &Value) -> Result<BTreeMap<u16, Vec<u8>>, ConfigError> {
    let configs = numbered("modules", modules, |_, module| {
        let text = module.get("config").and_then(Value::as_str);
        Ok(text.and_then(|text| hex::decode(text).ok()))
    })?;
    Ok(configs.into_iter().filter_map(|(instance, config)| Some((instance, config?))).collect())
}

fn version(value: &Value) -> Option<[u32; 2]> {
    let number = |name: &str| value.get(name)?.as_u64()?.try_into().ok();
    Some([number("major")?, number("minor")?])
}

fn guardian(path: &str, value: &Value) -> Result<Guardian, ConfigError> {
    Ok(Guardian {
        name: member(path, value, "name")?.to_owned(),
        url: member(path, value, "url")?.to_owned(),
    })
}

pub(crate) fn member<'a>(path: &str, value: &'a Value, name: &str) -> Result<&'a str, ConfigError> {
    text(&format!("{path}.{name}"), object(path, value)?.get(name).unwrap_or(&Value::Null))
}

pub(crate) fn text<'a>(path: &str, value: &'a Value) -> Result<&'a str, ConfigError> {
    value.as_str().ok_or_else(|| ConfigError::WrongType { field: path.to_owned(), expected: "a text" })
}

pub(crate) fn object<'a>(path: &str, value: &'a Value) -> Result<&'a Map<String, Value>, ConfigError> {
    value.as_object().ok_or_else(|| ConfigError::WrongType { field: path.to_owned(), expected: "an object" })
}
