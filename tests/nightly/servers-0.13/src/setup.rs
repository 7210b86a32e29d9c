//! The files of a federation, made in one place and written as these servers write them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use fedimint_aead::{encrypted_write, get_encryption_key, random_salt};
use fedimint_core::PeerId;
use fedimint_core::bitcoin::Network;
use fedimint_core::core::ModuleKind;
use fedimint_core::setup_code::{PeerEndpoints, PeerSetupCode};
use fedimint_core::version::DkgVersion;
use fedimint_server::config::io::{PLAINTEXT_PASSWORD, write_server_config};
use fedimint_server::config::{ConfigGenParams, ServerConfig};
use fedimint_server::net::p2p_connector::gen_cert_and_key;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

const GUARDIANS: u16 = 4;
/// Guardians whose directories are of the form before v0.12.
const ENCRYPTED: [usize; 2] = [1, 2];
const PASSWORD: &str = "dev";
const VERSION: &str = "0.13.0";
/// The delay in federations of servers for tests; real ones have 50.
const ROUND_DELAY_MS: u16 = 50;

pub(crate) fn setup(dir: &Path, first_port: u16, rounds: u16) -> Result<()> {
    let meta = ModuleKind::from_static_str("meta");
    let (mut codes, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..GUARDIANS {
        let peer = PeerId::from(number);
        let name = format!("guardian {number}");
        let (cert, key) = gen_cert_and_key(&name)?;
        let port = first_port + 2 * number;
        let endpoints = PeerEndpoints::Tcp {
            p2p_url: format!("fedimint://127.0.0.1:{port}").parse()?,
            api_url: format!("ws://127.0.0.1:{}", port + 1).parse()?,
            cert: cert.to_vec(),
        };
        let code = PeerSetupCode {
            name,
            endpoints,
            federation_name: None,
            disable_base_fees: None,
            enabled_modules: None,
            federation_size: None,
            network: Network::Regtest,
            fedimint_version: DkgVersion::parse(VERSION)?,
        };
        codes.insert(peer, code);
        keys.insert(peer, key);
    }
    let params = |(peer, key): (&PeerId, &Arc<PrivateKeyDer<'static>>)| {
        let params = ConfigGenParams {
            identity: *peer,
            tls_key: Some(key.clone()),
            iroh_api_sk: None,
            iroh_p2p_sk: None,
            peers: codes.clone(),
            meta: BTreeMap::from([("federation_name".to_owned(), "meta alone".to_owned())]),
            disable_base_fees: true,
            enabled_modules: BTreeSet::from([meta.clone()]),
            network: Network::Regtest,
        };
        (*peer, params)
    };
    let params: BTreeMap<PeerId, ConfigGenParams> = keys.iter().map(params).collect();
    for (peer, mut config) in ServerConfig::trusted_dealer_gen(&params, &crate::modules(), VERSION) {
        config.consensus.broadcast_rounds_per_session = rounds;
        config.local.broadcast_round_delay_ms = ROUND_DELAY_MS;
        let home = dir.join(peer.to_string());
        std::fs::create_dir_all(&home)?;
        write_server_config(&config, &home, &crate::modules(), None)?;
        std::fs::write(home.join(PLAINTEXT_PASSWORD), PASSWORD)?;
        if ENCRYPTED.contains(&peer.to_usize()) {
            encrypt(&home)?;
        }
    }
    Ok(())
}

/// Encrypts a guardian's secrets with its password, as servers before v0.12 did and these still read.
fn encrypt(home: &Path) -> Result<()> {
    let plain = home.join("private.json");
    let mut secrets: Value = serde_json::from_str(&std::fs::read_to_string(&plain)?)?;
    secrets["api_auth"] = PASSWORD.into();
    let salt = random_salt();
    let key = get_encryption_key(PASSWORD, &salt)?;
    encrypted_write(serde_json::to_vec(&secrets)?, &key, home.join("private.encrypt"))?;
    std::fs::write(home.join("private.salt"), salt)?;
    Ok(std::fs::remove_file(plain)?)
}
