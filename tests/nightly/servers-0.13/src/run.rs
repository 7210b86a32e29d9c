//! A guardian that runs until it is stopped.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fedimint_core::bitcoin::Network;
use fedimint_core::db::Database;
use fedimint_core::module::ApiAuth;
use fedimint_core::module::registry::ModuleRegistry;
use fedimint_core::task::TaskGroup;
use fedimint_core::util::SafeUrl;
use fedimint_logging::TracingSetup;
use fedimint_rocksdb::RocksDb;
use fedimint_server::ConnectionLimits;
use fedimint_server::config::io::DB_FILE;
use fedimint_server::config::{ConfigGenSettings, ServerConfig};
use fedimint_server::core::bitcoin_rpc::IServerBitcoinRpc as _;
use fedimint_server::net::api::ApiSecrets;

use crate::chain::NoBlocks;

/// The version that their program reports in a release build.
const VERSION: &str = "0.13.0";
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The variable in which their program takes the address of a directory of iroh's addresses.
const DIRECTORY: &str = "FM_IROH_DNS";

/// Enough checkpoints for one to be older than what the guardian signed since.
const CHECKPOINTS: u64 = 4;
/// The time that their program allows for a session.
const SESSION_TIMEOUT: Duration = Duration::from_secs(3600);

/// Runs a guardian; `first_port` is that of a federation over iroh.
pub(crate) async fn run(dir: &Path, first_port: Option<u16>) -> Result<()> {
    TracingSetup::default().init()?;
    let config = fedimint_server::get_config(dir)?.context("there is no configuration")?;
    let auth = ApiAuth::new(crate::password(dir)?);
    let database = RocksDb::build(dir.join(DB_FILE)).open().await?;
    let tasks = TaskGroup::new();
    tasks.install_kill_handler();
    let server = fedimint_server::run(
        dir.to_owned(),
        Some(auth.clone()),
        Some(auth),
        ApiSecrets::none(),
        match first_port {
            None => over_tcp(&config)?,
            Some(port) => over_iroh(&config, port)?,
        },
        Database::new(database, ModuleRegistry::default()),
        VERSION.to_owned(),
        NO_COMMIT.to_owned(),
        crate::modules(),
        tasks.clone(),
        NoBlocks.into_dyn(),
        Box::new(|_| axum::Router::new()),
        Box::new(|_| axum::Router::new()),
        CHECKPOINTS,
        SESSION_TIMEOUT,
        None,
        ConnectionLimits::new(1000, 50),
    );
    tokio::select! {
        ended = server => ended,
        () = tasks.make_handle().make_shutdown_rx() => {
            Ok(tasks.join_all(None).await?)
        }
    }
}

fn over_tcp(config: &ServerConfig) -> Result<ConfigGenSettings> {
    let own = config.local.identity;
    let p2p_url = config.local.p2p_endpoints.get(&own).context("no own address")?.url.clone();
    let api_url = config.consensus.api_endpoints.get(&own).context("no own interface")?.url.clone();
    let settings = settings(address(&p2p_url)?, address(&api_url)?);
    Ok(ConfigGenSettings { p2p_url: Some(p2p_url), api_url: Some(api_url), ..settings })
}

fn over_iroh(config: &ServerConfig, first_port: u16) -> Result<ConfigGenSettings> {
    let port = crate::port(first_port, config.local.identity.to_usize().try_into()?);
    let [p2p, api] = [port, port + 1].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let directory = std::env::var(DIRECTORY).ok().map(|url| SafeUrl::parse(&url)).transpose()?;
    Ok(ConfigGenSettings { enable_iroh: true, iroh_dns: directory, ..settings(p2p, api) })
}

/// Only the addresses matter if a configuration exists already.
fn settings(p2p_bind: SocketAddr, api_bind: SocketAddr) -> ConfigGenSettings {
    ConfigGenSettings {
        p2p_bind,
        api_bind,
        ui_bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        p2p_url: None,
        api_url: None,
        enable_iroh: false,
        iroh_dns: None,
        iroh_relays: Vec::new(),
        network: Network::Regtest,
        available_modules: BTreeSet::new(),
        default_modules: BTreeSet::new(),
    }
}

fn address(url: &SafeUrl) -> Result<SocketAddr> {
    let host = url.host_str().context("an address without a host")?;
    let port = url.port().context("an address without a port")?;
    Ok(format!("{host}:{port}").parse()?)
}
