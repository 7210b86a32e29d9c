//! Runs a guardian by the server crates of fedimint 0.13.0, as their program `fedimintd` does, but with the module `meta` alone,
//! which is the only one that these servers and `fm-node` have in common.
//!
//! - `setup DIR FIRST_PORT ROUNDS`: makes the files of four guardians in DIR/0 to DIR/3, as these servers write them.
//! - `run DIR`: a guardian from its data directory, whose addresses count, until SIGTERM.
//! - `vote DIR TEXT`: asks a running guardian to vote for a text as the federation's meta data.
//! - `agreed DIR`: prints the meta data that the federation agreed on, as a running guardian knows it.
//!
//! The password of a guardian's interface is in `password.private`, where these servers look for it.

mod ask;
mod chain;
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
        ["setup", dir, port, rounds] => setup::setup(Path::new(dir), port.parse()?, rounds.parse()?),
        ["run", dir] => run::run(Path::new(dir)).await,
        ["vote", dir, text] => ask::vote(Path::new(dir), text).await,
        ["agreed", dir] => ask::agreed(Path::new(dir)).await,
        _ => bail!("usage: setup DIR FIRST_PORT ROUNDS | run DIR | vote DIR TEXT | agreed DIR"),
    }
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
