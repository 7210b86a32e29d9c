//! `consensus.json` and `local.json` as values, and the content of a new `private.encrypt`.

use std::collections::BTreeMap;

use fm_config::GuardianFiles;
use fm_consensus::DEFAULT_ROUNDS_PER_SESSION;
use fm_history::PeerId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::NodeConfigError;

/// The delay between rounds if `local.json` states none. Source: fedimint-server 0.5.0, src/config/mod.rs.
const DEFAULT_ROUND_DELAY_MS: u64 = 50;

/// A version of consensus or of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsensusVersion {
    /// Incompatible changes.
    pub major: u32,
    /// Compatible ones.
    pub minor: u32,
}

/// The address and the name of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its address.
    pub url: String,
    /// Its name.
    pub name: String,
}

/// The keys of a guardian that is reached without an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IrohEndpoint {
    /// Its name.
    pub name: String,
    /// The key of its interface, in hex.
    pub api_pk: String,
    /// The key by which other guardians reach it, in hex.
    pub p2p_pk: String,
}

/// A module's public configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleConfig {
    /// Its kind.
    pub kind: String,
    /// Its version.
    pub version: ConsensusVersion,
    /// The configuration in the encoding of its kind, in hex.
    pub config: String,
}

/// `consensus.json`: the configuration that all guardians share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consensus {
    /// The program's version at key generation.
    pub code_version: String,
    /// The version of the consensus.
    pub version: ConsensusVersion,
    /// The keys that sign sessions, in hex.
    pub broadcast_public_keys: BTreeMap<PeerId, String>,
    /// Rounds of a session.
    #[serde(default = "default_rounds")]
    pub broadcast_rounds_per_session: u16,
    /// The endpoints at which clients reach guardians.
    pub api_endpoints: BTreeMap<PeerId, Endpoint>,
    /// The endpoints of guardians that are reached by keys instead of addresses; since v0.7.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub iroh_endpoints: BTreeMap<PeerId, IrohEndpoint>,
    /// The certificates of the links, in DER, in hex.
    pub tls_certs: BTreeMap<PeerId, String>,
    /// The modules.
    pub modules: BTreeMap<u16, ModuleConfig>,
    /// Metadata from the guardians for clients.
    pub meta: BTreeMap<String, String>,
}

impl Consensus {
    /// Returns the entry for each module in one guardian's files: its kind. A module without secrets has
    /// nothing else there.
    pub(crate) fn module_kinds(&self) -> BTreeMap<u16, Value> {
        self.modules.iter().map(|(id, module)| (*id, json!({ "kind": module.kind }))).collect()
    }
}

/// `local.json`: the configuration of this guardian alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// The endpoints at which guardians reach each other.
    pub p2p_endpoints: BTreeMap<PeerId, Endpoint>,
    /// This guardian's number.
    #[serde(rename = "identity")]
    pub own_peer: PeerId,
    /// The number of simultaneous client connections.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
    /// Milliseconds between rounds.
    #[serde(default = "default_round_delay")]
    pub broadcast_round_delay_ms: u64,
    /// The modules' kinds.
    #[serde(default)]
    pub modules: BTreeMap<u16, Value>,
}

/// The content of a new `private.encrypt`.
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

/// Reads a required file as a value.
pub(crate) fn parsed<T: for<'de> Deserialize<'de>>(
    files: &GuardianFiles,
    name: &str,
) -> Result<T, NodeConfigError> {
    let text = files.needed(name)?;
    serde_json::from_str(&text)
        .map_err(|source| NodeConfigError::Json { path: files.path().join(name), source })
}
