//! `consensus.json` as v0.1 wrote it.

use fm_crypto::parse_secret_key;
use fm_history::sha256;
use serde_json::{Map, Value, json};

use crate::keys::Keys;
use crate::random::Random;
use crate::spec::ForgeSpec;

/// The kinds of modules that v0.1 came with.
const KINDS: [&str; 3] = ["ln", "mint", "wallet"];

/// Returns the secret key that a forged guardian signs sessions with, as a key file holds it.
pub fn broadcast_secret(seed: u64, peer: u16) -> String {
    sha256(&[b"fm-forge broadcast key", &seed.to_be_bytes(), &peer.to_be_bytes()]).to_string()
}

fn broadcast_public(seed: u64, peer: u16) -> String {
    let key = parse_secret_key(&broadcast_secret(seed, peer)).expect("all but one in 2^127 hashes are keys");
    hex::encode(key.public_key())
}

pub(crate) fn consensus_json(spec: &ForgeSpec, keys: &Keys, random: &mut Random) -> String {
    let per_peer = |value: &mut dyn FnMut(u16) -> Value| -> Value {
        Value::Object((0..spec.guardians).map(|peer| (peer.to_string(), value(peer))).collect())
    };
    let broadcast = per_peer(&mut |peer| {
        // These keys were random once; the draws keep all later random values unchanged.
        let _ = (random.percent(50), random.bytes(32));
        Value::from(broadcast_public(spec.seed, peer))
    });
    let endpoints = per_peer(&mut |peer| {
        let url = format!("wss://guardian-{peer}.forge.example/");
        json!({ "url": url, "name": format!("guardian {peer}") })
    });
    let certificates = per_peer(&mut |_| Value::from(hex::encode(random.bytes(64))));
    let modules: Map<String, Value> = spec
        .modules
        .iter()
        .enumerate()
        .map(|(place, id)| {
            let kind = KINDS[place % KINDS.len()];
            (id.to_string(), json!({ "kind": kind, "version": 0, "config": hex::encode(random.bytes(40)) }))
        })
        .collect();
    let config = json!({
        "code_version": "fm-forge",
        "version": 1,
        "broadcast_public_keys": broadcast,
        "auth_pk_set": keys.auth.text(),
        "hbbft_pk_set": keys.hbbft.text(),
        "epoch_pk_set": keys.epoch.text(),
        "api_endpoints": endpoints,
        "tls_certs": certificates,
        "modules": modules,
        "modules_json": {},
        "meta": { "federation_name": "forged" },
    });
    format!("{config:#}\n")
}
