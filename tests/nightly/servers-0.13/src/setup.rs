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
use iroh_base::SecretKey;
use rand::rngs::OsRng;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

const GUARDIANS: u16 = 4;
/// Guardians whose directories are of the form before v0.12.
const ENCRYPTED: [usize; 2] = [1, 2];
const PASSWORD: &str = "dev";
const VERSION: &str = "0.13.0";
/// The delay in federations of servers for tests; real ones have 50.
const ROUND_DELAY_MS: u16 = 50;

/// The keys that a guardian's endpoints prove who they are with.
enum Keys {
    Tls(Arc<PrivateKeyDer<'static>>),
    Iroh { api: SecretKey, p2p: SecretKey },
}

/// Makes the files of a federation whose guardians are reached over TCP.
pub(crate) fn over_tcp(dir: &Path, first_port: u16, rounds: u16) -> Result<()> {
    setup(dir, rounds, |number| {
        let (cert, key) = gen_cert_and_key(&name_of(number))?;
        let port = crate::port(first_port, number);
        let endpoints = PeerEndpoints::Tcp {
            p2p_url: format!("fedimint://127.0.0.1:{port}").parse()?,
            api_url: format!("ws://127.0.0.1:{}", port + 1).parse()?,
            cert: cert.to_vec(),
        };
        Ok((endpoints, Keys::Tls(key)))
    })
}

/// Makes the files of a federation whose guardians are reached over iroh alone, as these servers do unless
/// their operators choose otherwise.
pub(crate) fn over_iroh(dir: &Path, rounds: u16) -> Result<()> {
    setup(dir, rounds, |_| {
        let [api, p2p] = [(), ()].map(|()| SecretKey::generate(OsRng));
        let endpoints = PeerEndpoints::Iroh { api_pk: api.public(), p2p_pk: p2p.public() };
        Ok((endpoints, Keys::Iroh { api, p2p }))
    })
}

fn name_of(number: u16) -> String {
    format!("guardian {number}")
}

fn setup(dir: &Path, rounds: u16, make: impl Fn(u16) -> Result<(PeerEndpoints, Keys)>) -> Result<()> {
    let meta = ModuleKind::from_static_str("meta");
    let (mut codes, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..GUARDIANS {
        let peer = PeerId::from(number);
        let (endpoints, key) = make(number)?;
        let code = PeerSetupCode {
            name: name_of(number),
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
    let params = |(peer, keys): (&PeerId, &Keys)| {
        let (tls_key, iroh_api_sk, iroh_p2p_sk) = match keys {
            Keys::Tls(key) => (Some(key.clone()), None, None),
            Keys::Iroh { api, p2p } => (None, Some(api.clone()), Some(p2p.clone())),
        };
        let params = ConfigGenParams {
            identity: *peer,
            tls_key,
            iroh_api_sk,
            iroh_p2p_sk,
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
