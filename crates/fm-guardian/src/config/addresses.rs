//! The addresses of guardians and their interfaces.

use fm_client::authority;
use fm_history::PeerId;

use super::{NodeConfig, NodeConfigError};

/// The port on which guardians listen for each other if an address names no port.
/// Source: fedimint-core 0.5.0, src/net/mod.rs.
const DEFAULT_P2P_PORT: u16 = 8173;

impl NodeConfig {
    /// Returns the certificate of a guardian in DER.
    ///
    /// # Errors
    /// Fails if there is no certificate, or it is not hex.
    pub fn certificate(&self, peer: PeerId) -> Result<Vec<u8>, NodeConfigError> {
        let text = self.consensus.tls_certs.get(&peer).map(String::as_str).unwrap_or_default();
        match hex::decode(text) {
            Ok(certificate) if !certificate.is_empty() => Ok(certificate),
            _ => Err(NodeConfigError::mismatch(format!(
                "consensus.json: tls_certs.{peer} is not a certificate"
            ))),
        }
    }

    /// Returns the address on which a guardian listens for others, as host and port.
    ///
    /// # Errors
    /// Fails if its address is not valid.
    pub fn p2p_address(&self, peer: PeerId) -> Result<String, NodeConfigError> {
        let url =
            self.local.p2p_endpoints.get(&peer).map(|endpoint| endpoint.url.as_str()).unwrap_or_default();
        authority(url, &["fedimint"], DEFAULT_P2P_PORT).ok_or_else(|| {
            NodeConfigError::mismatch(format!("local.json: {url:?} is not an address of a guardian"))
        })
    }

    /// Returns the address on which this guardian's interface listens, as host and port, according to its
    /// URL.
    ///
    /// # Errors
    /// Fails if its address is not valid.
    pub fn api_address(&self) -> Result<String, NodeConfigError> {
        let url = &self.consensus.api_endpoints[&self.me()].url;
        let default = if url.starts_with("wss://") { 443 } else { 80 };
        authority(url, &["ws", "wss"], default).ok_or_else(|| {
            NodeConfigError::mismatch(format!("consensus.json: {url:?} is not an address of an interface"))
        })
    }
}
