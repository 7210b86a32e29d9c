//! Requests to a running guardian, either a server or a node.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fedimint_server::config::ServerConfig;
use jsonrpsee_core::client::ClientT as _;
use jsonrpsee_core::params::ArrayParams;
use jsonrpsee_ws_client::WsClientBuilder;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);
/// The key under which clients look for metadata.
const KEY: u8 = 0;

pub(crate) async fn vote(dir: &Path, text: &str) -> Result<()> {
    let vote = json!({ "key": KEY, "value": hex::encode(text) });
    ask(dir, "submit", vote, Some(crate::password(dir)?)).await.map(drop)
}

pub(crate) async fn agreed(dir: &Path) -> Result<()> {
    let answer = ask(dir, "get_consensus", json!(KEY), None).await?;
    match answer.get("value").and_then(Value::as_str) {
        Some(value) => println!("{}", String::from_utf8_lossy(&hex::decode(value)?)),
        None => println!("nothing"),
    }
    Ok(())
}

async fn ask(dir: &Path, method: &str, params: Value, auth: Option<String>) -> Result<Value> {
    let config: ServerConfig = fedimint_server::get_config(dir)?.context("there is no configuration")?;
    let modules = &config.consensus.modules;
    let instance = modules.iter().find(|(_, module)| module.kind.as_str() == "meta");
    let instance = instance.context("there is no module meta")?.0;
    let own = config.consensus.api_endpoints.get(&config.local.identity).context("no own interface")?;
    let client = WsClientBuilder::default().request_timeout(PATIENCE).build(own.url.to_string()).await?;
    let mut request = ArrayParams::new();
    request.insert(json!({ "auth": auth, "params": params }))?;
    Ok(client.request(&format!("module_{instance}_{method}"), request).await?)
}
