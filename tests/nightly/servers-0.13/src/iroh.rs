//! Where the guardians of a federation over iroh are.

use std::path::Path;

use anyhow::{Context as _, Result};
use fedimint_server::config::PeerIrohEndpoints;

/// Prints where each guardian is for the others, in the form in which these servers take it.
pub(crate) fn print_peers(dir: &Path, first_port: u16) -> Result<()> {
    print(dir, |number, keys| format!("{}=127.0.0.1:{}", keys.p2p_pk, crate::port(first_port, number)))
}

/// Prints where the interface of each guardian is.
pub(crate) fn print_interfaces(dir: &Path, first_port: u16) -> Result<()> {
    print(dir, |number, keys| format!("{}=127.0.0.1:{}", keys.api_pk, crate::port(first_port, number) + 1))
}

fn print(dir: &Path, of: impl Fn(u16, &PeerIrohEndpoints) -> String) -> Result<()> {
    let config = fedimint_server::get_config(dir)?.context("there is no configuration")?;
    let guardians = (0..).zip(config.consensus.iroh_endpoints.values());
    let places: Vec<String> = guardians.map(|(number, keys)| of(number, keys)).collect();
    println!("{}", places.join(","));
    Ok(())
}
