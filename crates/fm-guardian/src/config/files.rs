//! `consensus.json` and `local.json` as values, and what a new `private.encrypt` holds.

use std::collections::BTreeMap;

use fm_config::GuardianFiles;
use fm_consensus::DEFAULT_ROUNDS_PER_SESSION;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::NodeConfigError;

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

/// How a guardian is reached that has no address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IrohEndpoint {
    /// Its name.
    pub name: String,
    /// The key of its interface, in hex.
    pub api_pk: String,
    /// The key that other guardians reach it by, in hex.
    pub p2p_pk: String,
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
    /// Where they reach them that have no address, but keys; of v0.7 and later.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub iroh_endpoints: BTreeMap<u16, IrohEndpoint>,
    /// The certificates of the links, in DER, in hex.
    pub tls_certs: BTreeMap<u16, String>,
    /// The modules.
    pub modules: BTreeMap<u16, ModuleConfig>,
    /// What guardians tell clients.
    pub meta: BTreeMap<String, String>,
}

impl Consensus {
    /// What the files of one guardian say of each module: its kind, and of modules without secrets nothing else.
    pub(crate) fn module_kinds(&self) -> BTreeMap<u16, Value> {
        self.modules.iter().map(|(id, module)| (*id, json!({ "kind": module.kind }))).collect()
    }
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

/// What a new `private.encrypt` holds.
#[derive(Serialize)]
pub(crate) struct Private {
    /// The guardian's password for its interface.
    pub(crate) api_auth: String,
    /// The key of the certificate, in DER, in hex.
    pub(crate) tls_key: String,
    /// The key that signs sessions, in hex.
    pub(crate) broadcast_secret_key: String,
    /// The modules' secrets.
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

/// A file that has to be there, as a value.
pub(crate) fn parsed<T: for<'de> Deserialize<'de>>(
    files: &GuardianFiles,
    name: &str,
) -> Result<T, NodeConfigError> {
    let text = files.needed(name)?;
    serde_json::from_str(&text)
        .map_err(|source| NodeConfigError::Json { path: files.path().join(name), source })
}
