//! The hash of a `consensus.json`, by which guardians check that they have the same one.
//!
//! It is the SHA-256 of the encoded fields, in their order. Servers from v0.7 on have two: one over all
//! fields, and the earlier one without `iroh_endpoints`, which their interface returns. Files of v0.2 and
//! v0.3 have two numbers in the place of `broadcast_rounds_per_session`.

use fm_codec::{Dialect, Writer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::{ConfigError, broadcast_key, hex_bytes, member, numbered, object, text};

/// The number of rounds of a session that servers assume if a file does not state it.
/// Source: fedimint-server 0.4.0, src/config/mod.rs.
const DEFAULT_ROUNDS: u16 = 3600;
/// The defaults of the two numbers of v0.2 and v0.3, in rounds, and their fields.
/// Source: fedimint-server 0.3.3, src/config/mod.rs.
const DEFAULT_EARLY_ROUNDS: [u16; 2] = [900, 5000];
const EARLY_ROUNDS: [&str; 2] = ["broadcast_expected_rounds_per_session", "broadcast_max_rounds_per_session"];

/// Both hashes of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsensusHashes {
    /// The hash without `iroh_endpoints`: every server's interface returns it as
    /// `server_config_consensus_hash`.
    pub answered: [u8; 32],
    /// The hash of all fields, as servers from v0.7 on compute it; before, it is the same as the other one.
    pub whole: [u8; 32],
}

impl ConsensusHashes {
    /// Hashes a file of v0.2 or later, or the contents of such a file.
    ///
    /// # Errors
    /// If a field is missing or malformed.
    pub fn of(file: &Value) -> Result<Self, ConfigError> {
        let answered = hash(file, false)?;
        let whole = if file.get("iroh_endpoints").is_some() { hash(file, true)? } else { answered };
        Ok(Self { answered, whole })
    }
}

fn hash(file: &Value, is_whole: bool) -> Result<[u8; 32], ConfigError> {
    let field = |name| file.get(name).ok_or(ConfigError::NotAConsensusConfig { missing: name });
    let mut writer = Writer::new(Dialect::MODERN);
    writer.text(text("code_version", field("code_version")?)?);
    write_version("version", field("version")?, &mut writer)?;
    let keys = numbered("broadcast_public_keys", field("broadcast_public_keys")?, broadcast_key)?;
    writer.list(keys.iter(), |writer, (peer, key)| {
        writer.u16(*peer);
        writer.raw(key);
    });
    write_rounds(file, &mut writer)?;
    let endpoints = numbered("api_endpoints", field("api_endpoints")?, |path, endpoint| {
        Ok((member(path, endpoint, "url")?.to_owned(), member(path, endpoint, "name")?.to_owned()))
    })?;
    writer.list(endpoints.iter(), |writer, (peer, (url, name))| {
        writer.u16(*peer);
        writer.text(url);
        writer.text(name);
    });
    if is_whole {
        write_iroh(field("iroh_endpoints")?, &mut writer)?;
    }
    let certificates =
        numbered("tls_certs", field("tls_certs")?, |path, text_of| text(path, text_of).map(str::to_owned))?;
    writer.list(certificates.iter(), |writer, (peer, certificate)| {
        writer.u16(*peer);
        writer.text(certificate);
    });
    write_modules(field("modules")?, &mut writer)?;
    let mut meta = Vec::new();
    for (key, value) in object("meta", field("meta")?)? {
        meta.push((key, text(&format!("meta.{key}"), value)?));
    }
    meta.sort();
    writer.list(meta.iter(), |writer, (key, value)| {
        writer.text(key);
        writer.text(value);
    });
    Ok(Sha256::digest(writer.as_bytes()).into())
}

fn write_rounds(file: &Value, writer: &mut Writer) -> Result<(), ConfigError> {
    let number = |name: &str, default| match file.get(name) {
        None => Ok(default),
        Some(value) => number(name, value),
    };
    if EARLY_ROUNDS.iter().any(|name| file.get(name).is_some()) {
        for (name, default) in EARLY_ROUNDS.into_iter().zip(DEFAULT_EARLY_ROUNDS) {
            writer.u16(number(name, default)?);
        }
        return Ok(());
    }
    writer.u16(number("broadcast_rounds_per_session", DEFAULT_ROUNDS)?);
    Ok(())
}

fn write_iroh(endpoints: &Value, writer: &mut Writer) -> Result<(), ConfigError> {
    let endpoints = numbered("iroh_endpoints", endpoints, |path, endpoint| {
        let key = |name| {
            let key = object(path, endpoint)?.get(name).unwrap_or(&Value::Null);
            hex_bytes::<32>(&format!("{path}.{name}"), key)
        };
        Ok((member(path, endpoint, "name")?.to_owned(), key("api_pk")?, key("p2p_pk")?))
    })?;
    writer.list(endpoints.iter(), |writer, (peer, (name, api, p2p))| {
        writer.u16(*peer);
        writer.text(name);
        writer.raw(api);
        writer.raw(p2p);
    });
    Ok(())
}

fn write_modules(modules: &Value, writer: &mut Writer) -> Result<(), ConfigError> {
    let modules = numbered("modules", modules, |path, module| {
        let mut encoded = Writer::new(Dialect::MODERN);
        encoded.text(member(path, module, "kind")?);
        let version = module.get("version").unwrap_or(&Value::Null);
        write_version(&format!("{path}.version"), version, &mut encoded)?;
        let field = format!("{path}.config");
        let config = hex::decode(member(path, module, "config")?);
        encoded.bytes(&config.map_err(|_| ConfigError::WrongType { field, expected: "hex" })?);
        Ok(encoded.as_bytes().to_vec())
    })?;
    writer.list(modules.iter(), |writer, (instance, module)| {
        writer.u16(*instance);
        writer.raw(module);
    });
    Ok(())
}

fn write_version(field: &str, version: &Value, writer: &mut Writer) -> Result<(), ConfigError> {
    for part in ["major", "minor"] {
        let number = object(field, version)?.get(part).and_then(Value::as_u64);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let field = format!("{field}.{part}");
        writer.u32(number.ok_or(ConfigError::WrongType { field, expected: "a number" })?);
    }
    Ok(())
}

fn number(field: &str, value: &Value) -> Result<u16, ConfigError> {
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
    number.ok_or_else(|| ConfigError::WrongType {
        field: field.to_owned(),
        expected: "a number from 0 to 65535",
    })
}
