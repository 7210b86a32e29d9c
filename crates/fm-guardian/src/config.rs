//! A guardian's configuration files, as v0.4 to v0.6 write and read them.
//!
//! Invariants: what is read is checked to belong together before a node starts on it: own number, keys, certificates
//! and addresses of all guardians; a secret is not part of any message.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fm_codec::{Dialect, Writer};
use fm_consensus::{DEFAULT_ROUNDS_PER_SESSION, Ledger, Meta, Modules};
use fm_crypto::{
    ConfigError, ConsensusConfig, PrivateConfigError, SessionKeyError, SessionKeys, SigningKey,
    open_private_text, parse_secret_key,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The port that guardians listen at for each other if an address names none.
const DEFAULT_P2P_PORT: u16 = 8173;
const DEFAULT_ROUND_DELAY_MS: u64 = 50;

/// A version of consensus or of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsensusVersion {
    /// Incompatible changes.
    pub major: u32,
    /// Compatible ones.
    pub minor: u32,
}

/// Where something is reached and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its address.
    pub url: String,
    /// Its name.
    pub name: String,
}

/// A module's public configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleConfig {
    /// Its kind.
    pub kind: String,
    /// Its version.
    pub version: ConsensusVersion,
    /// What its kind knows how to read, in hex.
    pub config: String,
}

/// `consensus.json`: what all guardians have alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consensus {
    /// The program's version at key generation.
    pub code_version: String,
    /// The version of the consensus.
    pub version: ConsensusVersion,
    /// The keys that sign sessions, in hex.
    pub broadcast_public_keys: BTreeMap<u16, String>,
    /// Rounds of a session.
    #[serde(default = "default_rounds")]
    pub broadcast_rounds_per_session: u16,
    /// Where clients reach guardians.
    pub api_endpoints: BTreeMap<u16, Endpoint>,
    /// The certificates of the links, in DER, in hex.
    pub tls_certs: BTreeMap<u16, String>,
    /// The modules.
    pub modules: BTreeMap<u16, ModuleConfig>,
    /// What guardians tell clients.
    pub meta: BTreeMap<String, String>,
}

/// `local.json`: what is this guardian's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Where guardians reach each other.
    pub p2p_endpoints: BTreeMap<u16, Endpoint>,
    /// This guardian's number.
    pub identity: u16,
    /// Connections of clients at a time.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
    /// Milliseconds between rounds.
    #[serde(default = "default_round_delay")]
    pub broadcast_round_delay_ms: u64,
    /// The modules' kinds.
    #[serde(default)]
    pub modules: BTreeMap<u16, Value>,
}

/// What `private.encrypt` holds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Private {
    /// The guardian's password for its interface.
    pub(crate) api_auth: String,
    /// The key of the certificate, in DER, in hex.
    pub(crate) tls_key: String,
    /// The key that signs sessions, in hex.
    pub(crate) broadcast_secret_key: String,
    /// The modules' secrets.
    #[serde(default)]
    pub(crate) modules: BTreeMap<u16, Value>,
}

fn default_rounds() -> u16 {
    DEFAULT_ROUNDS_PER_SESSION
}

fn default_connections() -> usize {
    1000
}

fn default_round_delay() -> u64 {
    DEFAULT_ROUND_DELAY_MS
}

/// Why a guardian's files are not usable.
#[derive(Debug, thiserror::Error)]
pub enum NodeConfigError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} cannot be understood", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// `consensus.json` has a field that cannot be read.
    #[error("consensus.json: {0}")]
    Consensus(#[from] ConfigError),
    /// The keys are no key set.
    #[error("consensus.json: {0}")]
    Keys(#[from] SessionKeyError),
    /// The private part cannot be opened.
    #[error(transparent)]
    Private(#[from] PrivateConfigError),
    /// The files do not belong together.
    #[error("{what}")]
    Mismatch {
        /// What does not fit.
        what: String,
    },
}

impl NodeConfigError {
    fn mismatch(what: impl Into<String>) -> Self {
        Self::Mismatch { what: what.into() }
    }
}

/// All that a guardian is configured with.
pub struct NodeConfig {
    /// The directory of the files.
    pub directory: PathBuf,
    /// What all have alike.
    pub consensus: Consensus,
    /// What is this guardian's.
    pub local: Local,
    /// The guardians' keys.
    pub keys: SessionKeys,
    /// This guardian's password for its interface.
    pub api_auth: String,
    /// The key of its certificate, in DER.
    pub tls_key: Vec<u8>,
    signing_key: String,
}

impl NodeConfig {
    /// Reads and checks the files of a data directory.
    ///
    /// # Errors
    /// If one is missing or not usable, or they do not belong together.
    pub fn read(directory: &Path, password: &str) -> Result<Self, NodeConfigError> {
        let consensus: Consensus = read_json(&directory.join("consensus.json"))?;
        let local: Local = read_json(&directory.join("local.json"))?;
        let checked = ConsensusConfig::parse(&read(&directory.join("consensus.json"))?)?;
        let keys = SessionKeys::new(&checked.broadcast_public_keys)?;
        let encrypted = read(&directory.join("private.encrypt"))?;
        let private = open_private_text(&encrypted, &read(&directory.join("private.salt"))?, password)?;
        // The error of the JSON reader may name what it read: it is left out.
        let private: Private =
            serde_json::from_slice(&private).map_err(|_| PrivateConfigError::NotAPrivateConfig)?;
        let tls_key = hex::decode(&private.tls_key)
            .map_err(|_| NodeConfigError::mismatch("private.encrypt: tls_key is not hex"))?;
        let Private { api_auth, broadcast_secret_key: signing_key, .. } = private;
        let config =
            Self { directory: directory.to_owned(), consensus, local, keys, api_auth, tls_key, signing_key };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), NodeConfigError> {
        let me = self.local.identity;
        let numbers: Vec<u16> = self.keys.peers().collect();
        let expected: Vec<u16> = (0..).take(numbers.len()).collect();
        if numbers != expected {
            return Err(NodeConfigError::mismatch("the guardians are not numbered from 0 without gaps"));
        }
        let maps = [
            ("api_endpoints", self.consensus.api_endpoints.keys().copied().collect::<Vec<_>>()),
            ("tls_certs", self.consensus.tls_certs.keys().copied().collect()),
            ("p2p_endpoints", self.local.p2p_endpoints.keys().copied().collect()),
        ];
        for (name, peers) in maps {
            if peers != numbers && (numbers.len() > 1 || name == "api_endpoints") {
                return Err(NodeConfigError::mismatch(format!("{name} does not name every guardian once")));
            }
        }
        let own = self.keys.compressed().get(&me).copied();
        if own != Some(self.signing_key()?.public_key()) {
            let what = format!("private.encrypt does not hold the key of guardian {me} of consensus.json");
            return Err(NodeConfigError::mismatch(what));
        }
        self.modules().map(drop)
    }

    /// The key that this guardian signs with.
    ///
    /// # Errors
    /// If it is no key.
    pub fn signing_key(&self) -> Result<SigningKey, NodeConfigError> {
        Ok(parse_secret_key(&self.signing_key).map_err(PrivateConfigError::from)?)
    }

    /// This guardian's number.
    pub fn me(&self) -> u16 {
        self.local.identity
    }

    /// The delay between two rounds.
    pub fn round_delay(&self) -> Duration {
        Duration::from_millis(self.local.broadcast_round_delay_ms)
    }

    /// The modules that process items.
    ///
    /// # Errors
    /// If one is of an unknown kind, or its configuration cannot be read.
    pub fn modules(&self) -> Result<Modules, NodeConfigError> {
        let mut modules = Modules::default();
        for (instance, module) in &self.consensus.modules {
            let config = module_bytes(*instance, module)?;
            modules = match module.kind.as_str() {
                "dummy" => {
                    let unreadable = |_| {
                        let what =
                            format!("consensus.json: the configuration of module {instance} cannot be read");
                        NodeConfigError::mismatch(what)
                    };
                    modules.with(*instance, Ledger::from_config(&config).map_err(unreadable)?)
                }
                "meta" => modules.with(*instance, Meta { threshold: self.keys.threshold() }),
                kind => {
                    let what = format!("module {instance} is of kind {kind}, which this program cannot run");
                    return Err(NodeConfigError::mismatch(what));
                }
            };
        }
        Ok(modules)
    }

    /// The certificate of a guardian in DER.
    ///
    /// # Errors
    /// If there is none, or it is not hex.
    pub fn certificate(&self, peer: u16) -> Result<Vec<u8>, NodeConfigError> {
        let text = self.consensus.tls_certs.get(&peer).map(String::as_str).unwrap_or_default();
        match hex::decode(text) {
            Ok(certificate) if !certificate.is_empty() => Ok(certificate),
            _ => {
                Err(NodeConfigError::mismatch(format!("consensus.json: tls_certs.{peer} is no certificate")))
            }
        }
    }

    /// Where a guardian listens for others, as host and port.
    ///
    /// # Errors
    /// If its address is none.
    pub fn p2p_address(&self, peer: u16) -> Result<String, NodeConfigError> {
        let url =
            self.local.p2p_endpoints.get(&peer).map(|endpoint| endpoint.url.as_str()).unwrap_or_default();
        authority(url, &["fedimint"], DEFAULT_P2P_PORT).ok_or_else(|| {
            NodeConfigError::mismatch(format!("local.json: {url:?} is no address of a guardian"))
        })
    }

    /// Where this guardian's interface listens, as host and port, if that is what its address says.
    ///
    /// # Errors
    /// If its address is none.
    pub fn api_address(&self) -> Result<String, NodeConfigError> {
        let url = &self.consensus.api_endpoints[&self.me()].url;
        let default = if url.starts_with("wss://") { 443 } else { 80 };
        authority(url, &["ws", "wss"], default).ok_or_else(|| {
            NodeConfigError::mismatch(format!("consensus.json: {url:?} is no address of an interface"))
        })
    }

    /// The hash of what all guardians have alike, by which they know that they do.
    ///
    /// # Errors
    /// If a key or a module's configuration is not hex.
    pub fn consensus_hash(&self) -> Result<[u8; 32], NodeConfigError> {
        consensus_hash(&self.consensus)
    }

    /// The federation's id.
    pub fn federation_id(&self) -> [u8; 32] {
        let mut writer = Writer::new(Dialect::MODERN);
        write_endpoints(&mut writer, &self.consensus.api_endpoints);
        Sha256::digest(writer.as_bytes()).into()
    }

    /// What clients are configured with.
    ///
    /// # Errors
    /// If a module's configuration is not hex.
    pub fn client_config(&self) -> Result<Value, NodeConfigError> {
        let mut modules = BTreeMap::new();
        for (instance, module) in &self.consensus.modules {
            let mut config = Writer::new(Dialect::MODERN);
            config.u16(*instance);
            config.bytes(&module_bytes(*instance, module)?);
            let config = hex::encode(config.as_bytes());
            modules.insert(instance, ModuleConfig { config, ..module.clone() });
        }
        Ok(json!({
            "api_endpoints": self.consensus.api_endpoints,
            "broadcast_public_keys": self.consensus.broadcast_public_keys,
            "consensus_version": self.consensus.version,
            "meta": self.consensus.meta,
            "modules": modules,
        }))
    }
}

impl ConsensusVersion {
    fn write(self, writer: &mut Writer) {
        writer.u32(self.major);
        writer.u32(self.minor);
    }
}

/// The hash of a `consensus.json`: of its encoded fields, in order.
pub(crate) fn consensus_hash(consensus: &Consensus) -> Result<[u8; 32], NodeConfigError> {
    let unreadable =
        |peer: &u16| NodeConfigError::mismatch(format!("broadcast_public_keys.{peer} is not hex"));
    let mut keys = BTreeMap::new();
    for (peer, key) in &consensus.broadcast_public_keys {
        keys.insert(peer, hex::decode(key).map_err(|_| unreadable(peer))?);
    }
    let mut configs = BTreeMap::new();
    for (instance, module) in &consensus.modules {
        configs.insert(instance, module_bytes(*instance, module)?);
    }
    let mut writer = Writer::new(Dialect::MODERN);
    writer.text(&consensus.code_version);
    consensus.version.write(&mut writer);
    writer.list(keys.into_iter(), |writer, (peer, key)| {
        writer.u16(*peer);
        writer.raw(&key);
    });
    writer.u16(consensus.broadcast_rounds_per_session);
    write_endpoints(&mut writer, &consensus.api_endpoints);
    writer.list(consensus.tls_certs.iter(), |writer, (peer, certificate)| {
        writer.u16(*peer);
        writer.text(certificate);
    });
    writer.list(consensus.modules.iter(), |writer, (instance, module)| {
        writer.u16(*instance);
        writer.text(&module.kind);
        module.version.write(writer);
        writer.bytes(&configs[instance]);
    });
    writer.list(consensus.meta.iter(), |writer, (key, value)| {
        writer.text(key);
        writer.text(value);
    });
    Ok(Sha256::digest(writer.as_bytes()).into())
}

fn write_endpoints(writer: &mut Writer, endpoints: &BTreeMap<u16, Endpoint>) {
    writer.list(endpoints.iter(), |writer, (peer, endpoint)| {
        writer.u16(*peer);
        writer.text(&endpoint.url);
        writer.text(&endpoint.name);
    });
}

fn module_bytes(instance: u16, module: &ModuleConfig) -> Result<Vec<u8>, NodeConfigError> {
    hex::decode(&module.config).map_err(|_| {
        NodeConfigError::mismatch(format!("consensus.json: modules.{instance}.config is not hex"))
    })
}

/// Host and port of a URL.
pub(crate) fn authority(url: &str, schemes: &[&str], default_port: u16) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default_port),
    };
    (schemes.contains(&scheme) && !host.is_empty() && !host.contains('@')).then(|| format!("{host}:{port}"))
}

pub(crate) fn read(path: &Path) -> Result<String, NodeConfigError> {
    fs::read_to_string(path).map_err(|source| NodeConfigError::Read { path: path.to_owned(), source })
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, NodeConfigError> {
    serde_json::from_str(&read(path)?)
        .map_err(|source| NodeConfigError::Json { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/session-v0.5.0/peer-0")
    }

    #[test]
    fn a_real_guardians_files_are_read() {
        let config = NodeConfig::read(&fixture(), "fixture").unwrap();
        assert_eq!((config.me(), config.keys.guardians()), (0, 4));
        assert_eq!(config.consensus.broadcast_rounds_per_session, 40);
        assert_eq!(config.round_delay(), Duration::from_millis(50));
        assert_eq!(config.p2p_address(3).unwrap(), "127.0.0.1:28206");
        assert_eq!(config.api_address().unwrap(), "127.0.0.1:28201");
        let client: Value = serde_json::from_str(&read(&fixture().join("client.json")).unwrap()).unwrap();
        assert_eq!(config.client_config().unwrap(), client);
        let checked = ConsensusConfig::parse(&read(&fixture().join("consensus.json")).unwrap()).unwrap();
        assert_eq!(checked.federation().unwrap(), config.federation_id());
    }

    #[test]
    fn a_wrong_password_is_told() {
        let error = NodeConfig::read(&fixture(), "fixtur").err().unwrap();
        assert!(matches!(error, NodeConfigError::Private(PrivateConfigError::WrongPassword)));
    }

    #[test]
    fn addresses_are_read_strictly() {
        let read = |url| authority(url, &["ws", "wss"], 443);
        assert_eq!(read("wss://a.b/"), Some("a.b:443".to_owned()));
        assert_eq!(read("ws://[::1]:7/x"), Some("[::1]:7".to_owned()));
        assert_eq!(read("ws://[::1]"), Some("[::1]:443".to_owned()));
        for url in [
            "",
            "a.b:1",
            "http://a.b",
            "ws://",
            "ws:///x",
            "ws://a:b",
            "ws://a:99999",
            "ws://u@a:1",
            "ws://:1",
        ] {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
