//! `consensus.json` as v0.1 wrote it.

use serde_json::{Map, Value, json};

use crate::keys::Keys;
use crate::random::Random;
use crate::spec::ForgeSpec;

/// Kinds of modules that v0.1 came with.
const KINDS: [&str; 3] = ["ln", "mint", "wallet"];

pub(crate) fn consensus_json(spec: &ForgeSpec, keys: &Keys, random: &mut Random) -> String {
    let per_peer = |value: &mut dyn FnMut(u16) -> Value| -> Value {
        Value::Object((0..spec.guardians).map(|peer| (peer.to_string(), value(peer))).collect())
    };
    let broadcast = per_peer(&mut |_| {
        let mut key = vec![2 + u8::from(random.percent(50))];
        key.extend(random.bytes(32));
        Value::from(hex::encode(key))
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
