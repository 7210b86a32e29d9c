//! Runs a guardian by the server crates of fedimint 0.13.0, as their program `fedimintd` does, but with the module `meta` alone,
//! which is the only one that these servers and `fm-node` have in common.
//!
//! - `setup DIR FIRST_PORT ROUNDS`: makes the files of four guardians in DIR/0 to DIR/3, as these servers write them.
//! - `setup-iroh DIR ROUNDS`: the same, but the guardians are reached over iroh alone.
//! - `run DIR`: a guardian from its data directory, whose addresses count, until SIGTERM.
//! - `run-iroh DIR FIRST_PORT`: a guardian that is reached over iroh, at the ports that it would have over TCP.
//! - `peers DIR FIRST_PORT`, `interfaces DIR FIRST_PORT`: where the guardians over iroh are, each as
//!   KEY=ADDRESS: for each other, and for clients.
//! - `directory PORT`: where guardians over iroh publish their addresses, and clients find them: a server of
//!   pkarr records that believes everybody.
//! - `vote DIR TEXT`: asks a running guardian to vote for a text as the federation's meta data.
//! - `agreed DIR`: prints the meta data that the federation agreed on, as a running guardian knows it.
//!
//! The password of a guardian's interface is in `password.private`, where these servers look for it.

mod ask;
mod chain;
mod directory;
mod iroh;
mod run;
mod setup;

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fedimint_meta_server::MetaInit;
use fedimint_server::core::ServerModuleInitRegistry;

#[tokio::main]
async fn main() -> Result<()> {
    // Two providers are compiled in, and the libraries below leave the choice to the program.
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().ok().context("another provider of cryptography is installed")?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    match words[..] {
        ["setup", dir, port, rounds] => setup::over_tcp(Path::new(dir), port.parse()?, rounds.parse()?),
        ["setup-iroh", dir, rounds] => setup::over_iroh(Path::new(dir), rounds.parse()?),
        ["run", dir] => run::run(Path::new(dir), None).await,
        ["run-iroh", dir, port] => run::run(Path::new(dir), Some(port.parse()?)).await,
        ["peers", dir, port] => iroh::print_peers(Path::new(dir), port.parse()?),
        ["interfaces", dir, port] => iroh::print_interfaces(Path::new(dir), port.parse()?),
        ["directory", port] => directory::serve(port.parse()?).await,
        ["vote", dir, text] => ask::vote(Path::new(dir), text).await,
        ["agreed", dir] => ask::agreed(Path::new(dir)).await,
        _ => bail!(
            "usage: setup DIR FIRST_PORT ROUNDS | setup-iroh DIR ROUNDS | run DIR | run-iroh DIR FIRST_PORT | \
             peers DIR FIRST_PORT | interfaces DIR FIRST_PORT | directory PORT | vote DIR TEXT | agreed DIR"
        ),
    }
}

/// Returns the port at which the other guardians reach a guardian; its interface is at the next one.
fn port(first: u16, guardian: u16) -> u16 {
    first + 2 * guardian
}

/// Returns the modules that can be run.
fn modules() -> ServerModuleInitRegistry {
    let mut modules = ServerModuleInitRegistry::new();
    modules.attach(MetaInit);
    modules
}

/// Reads the password of a guardian's interface.
fn password(dir: &Path) -> Result<String> {
    let path = dir.join(fedimint_server::config::io::PLAINTEXT_PASSWORD);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.trim().to_owned())
}
