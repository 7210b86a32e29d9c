//! Runs a guardian by the server crates of fedimint 0.5.0, as their program `fedimintd` does, but with the modules `dummy`
//! and `meta` alone, until SIGTERM.
//!
//! `fedimint-server-oracle DIR`: a data directory with its configuration, whose addresses count, its `database`, and its
//! password in `password.private`, where these servers look for it.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use fedimint_core::admin_client::ConfigGenParamsRequest;
use fedimint_core::config::ServerModuleInitRegistry;
use fedimint_core::db::Database;
use fedimint_core::module::registry::ModuleRegistry;
use fedimint_core::task::TaskGroup;
use fedimint_core::util::SafeUrl;
use fedimint_dummy_server::DummyInit;
use fedimint_logging::TracingSetup;
use fedimint_meta_server::MetaInit;
use fedimint_rocksdb::RocksDb;
use fedimint_server::config::ServerConfig;
use fedimint_server::config::api::ConfigGenSettings;
use fedimint_server::config::io::DB_FILE;
use fedimint_server::net::api::ApiSecrets;

#[tokio::main]
async fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).context("usage: fedimint-server-oracle DIR")?;
    let directory = Path::new(&directory);
    TracingSetup::default().init()?;
    // Two providers are compiled in, and the libraries below leave the choice to the program.
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().ok().context("another provider of cryptography is installed")?;
    let mut modules = ServerModuleInitRegistry::new();
    modules.attach(DummyInit);
    modules.attach(MetaInit);
    let config = fedimint_server::get_config(directory)?.context("there is no password.private")?;
    let settings = settings(&config, modules.clone())?;
    let database = Database::new(RocksDb::open(directory.join(DB_FILE))?, ModuleRegistry::default());
    let tasks = TaskGroup::new();
    tasks.install_kill_handler();
    let version = config.consensus.code_version;
    let server = fedimint_server::run(
        directory.to_owned(),
        ApiSecrets::default(),
        settings,
        database,
        version,
        &modules,
        tasks.clone(),
    );
    tokio::select! {
        ended = server => ended,
        () = tasks.make_handle().make_shutdown_rx() => {
            tasks.join_all(None).await
        }
    }
}

/// Only the addresses and the number of connections matter if a configuration exists already.
fn settings(config: &ServerConfig, registry: ServerModuleInitRegistry) -> Result<ConfigGenSettings> {
    let own = config.local.identity;
    let p2p_url = config.local.p2p_endpoints.get(&own).context("no own address")?.url.clone();
    let api_url = config.consensus.api_endpoints.get(&own).context("no own interface")?.url.clone();
    Ok(ConfigGenSettings {
        download_token_limit: None,
        p2p_bind: address(&p2p_url)?,
        api_bind: address(&api_url)?,
        p2p_url,
        api_url,
        default_params: ConfigGenParamsRequest { meta: Default::default(), modules: Default::default() },
        max_connections: config.local.max_connections,
        registry,
    })
}

fn address(url: &SafeUrl) -> Result<SocketAddr> {
    let host = url.host_str().context("an address without a host")?;
    let port = url.port().context("an address without a port")?;
    Ok(format!("{host}:{port}").parse()?)
}
