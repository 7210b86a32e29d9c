//! The configuration that all guardians share, and its form for clients.

use std::collections::BTreeMap;

use fm_codec::{Dialect, Writer};
use fm_consensus::Modules;
use fm_crypto::ConsensusHashes;
use fm_history::PeerId;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::files::{Consensus, Endpoint, ModuleConfig};
use super::{NodeConfig, NodeConfigError};

impl NodeConfig {
    /// Returns the hash of the shared configuration, by which guardians check that it is the same.
    ///
    /// # Errors
    /// Fails if a key or a module's configuration is not hex.
    pub fn consensus_hash(&self) -> Result<[u8; 32], NodeConfigError> {
        consensus_hash(&self.consensus)
    }

    /// Returns the federation's id.
    pub fn federation_id(&self) -> [u8; 32] {
        let mut writer = Writer::new(Dialect::MODERN);
        write_endpoints(&mut writer, &self.consensus.api_endpoints);
        Sha256::digest(writer.as_bytes()).into()
    }

    /// Returns the configuration for clients.
    ///
    /// # Errors
    /// Fails if a module's configuration is not hex.
    pub fn client_config(&self) -> Result<Value, NodeConfigError> {
        let mut modules = BTreeMap::new();
        for (instance, module) in &self.consensus.modules {
            let mut config = Writer::new(Dialect::MODERN);
            config.u16(*instance);
            config.bytes(&module_bytes(*instance, module)?);
            let config = hex::encode(config.as_bytes());
            modules.insert(instance, ModuleConfig { config, ..module.clone() });
        }
        let mut config = self.global_config();
        config["modules"] = json!(modules);
        Ok(config)
    }

    /// Returns the same with the modules' configurations as JSON.
    pub fn client_config_json(&self, modules: &Modules) -> Value {
        let modules: Map<String, Value> = modules
            .iter()
            .map(|(instance, module)| {
                let mut config = module.client_config();
                config.insert("kind".to_owned(), module.kind().into());
                (instance.to_string(), config.into())
            })
            .collect();
        json!({ "global": self.global_config(), "modules": modules })
    }

    fn global_config(&self) -> Value {
        json!({
            "api_endpoints": self.consensus.api_endpoints,
            "broadcast_public_keys": self.consensus.broadcast_public_keys,
            "consensus_version": self.consensus.version,
            "meta": self.consensus.meta,
        })
    }
}

/// Returns the hash of a `consensus.json`, as servers of every version report it.
pub(crate) fn consensus_hash(consensus: &Consensus) -> Result<[u8; 32], NodeConfigError> {
    Ok(ConsensusHashes::of(&json!(consensus))?.answered)
}

fn write_endpoints(writer: &mut Writer, endpoints: &BTreeMap<PeerId, Endpoint>) {
    writer.list(endpoints.iter(), |writer, (peer, endpoint)| {
        writer.u16(*peer);
        writer.text(&endpoint.url);
        writer.text(&endpoint.name);
    });
}

pub(super) fn module_bytes(instance: u16, module: &ModuleConfig) -> Result<Vec<u8>, NodeConfigError> {
    hex::decode(&module.config).map_err(|_| {
        NodeConfigError::mismatch(format!("consensus.json: modules.{instance}.config is not hex"))
    })
}
