//! Golden configuration and keys files, and damaged ones: an error that names the place, never a panic.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use fm_crypto::{ConfigError, ConsensusConfig, Keys, parse_keys_file};
use proptest::prelude::*;

fn show_config(json: &str) -> Result<String, ConfigError> {
    let config = ConsensusConfig::parse(json)?;
    let modules: Vec<_> = config.modules.iter().map(|(id, kind)| format!("{id}={kind}")).collect();
    let bls = match (&config.epoch_keys, &config.federation_id) {
        (Some(keys), Some(id)) => format!("degree {} id {}", keys.degree(), hex::encode(id)),
        (None, None) => "no BLS keys".to_owned(),
        _ => "half of the BLS keys".to_owned(),
    };
    Ok(format!(
        "ok {}, {} guardians to {}, {} keys, modules {}, {bls}",
        config.code_version.unwrap(),
        config.guardians.len(),
        config.guardians.values().last().unwrap().name,
        config.broadcast_public_keys.len(),
        modules.join(",")
    ))
}

fn show_keys(json: &str) -> Result<String, ConfigError> {
    Ok(match parse_keys_file(json)? {
        Keys::Epoch(keys) => format!("ok epoch {} {}", keys.degree(), hex::encode(keys.public_key())),
        Keys::XOnly(keys) => format!("ok x-only of {}", keys.len()),
        Keys::Broadcast(keys) => {
            let peers: Vec<_> = keys.keys().map(u16::to_string).collect();
            format!("ok broadcast {}", peers.join(","))
        }
    })
}

/// Returns the expectation and the body of every file in a directory.
fn folder(folder: &str) -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(folder);
    let read = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let (expect, made_by) = head.split_once('\n').unwrap();
        assert!(made_by.starts_with("made-by: "), "{}", path.display());
        (
            path.display().to_string(),
            expect.strip_prefix("expect: ").unwrap().to_owned(),
            body.trim().to_owned(),
        )
    };
    fs::read_dir(root).unwrap().map(|entry| read(&entry.unwrap().path())).collect()
}

fn check(name: &str, show: impl Fn(&str) -> Result<String, ConfigError>) {
    let files = folder(name);
    for (file, expect, body) in &files {
        let got = show(body).unwrap_or_else(|error| error.to_string());
        assert_eq!(got, *expect, "{file}");
    }
    let good = files.iter().filter(|file| file.1.starts_with("ok ")).count();
    assert!(good > 0 && 2 * good < files.len(), "{good} good ones in {name}");
}

#[test]
fn consensus_configs() {
    check("config", show_config);
}

#[test]
fn keys_files() {
    check("keysfile", show_keys);
}

#[test]
fn a_deep_file_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(matches!(ConsensusConfig::parse(&deep), Err(ConfigError::NotJson { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// One character replaced anywhere; most changes are refused, none causes a panic.
    #[test]
    fn damage_never_panics(place in any::<prop::sample::Index>(), character in any::<char>()) {
        for (_, _, body) in folder("config").into_iter().chain(folder("keysfile")) {
            let mut damaged: Vec<char> = body.chars().collect();
            if !damaged.is_empty() {
                let place = place.index(damaged.len());
                damaged[place] = character;
            }
            let damaged: String = damaged.into_iter().collect();
            let _ = ConsensusConfig::parse(&damaged);
            let _ = parse_keys_file(&damaged);
        }
    }
}

/// The ids are those in the federations' own invite codes.
#[test]
fn federations_have_the_ids_of_their_invite_codes() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let cases = [
        ("session-v0.5.0/peer-2", "a3a630eb6389d7a1683cf43eafc2ac9f87e4a8aca9b4d584deff00eb31760831"),
        ("session-v0.2.0-rc1/peer-1", "3621fcd3f9e7e2da3fb90be1e8b54c48ddd019a30002a1bf431ea9943124c979"),
    ];
    for (home, id) in cases {
        let json = fs::read_to_string(fixtures.join(home).join("consensus.json")).unwrap();
        let config = ConsensusConfig::parse(&json).unwrap();
        assert_eq!(hex::encode(config.federation().unwrap()), id, "{home}");
        // Addresses that a URL parser would write differently have an encoding that is not known here.
        for odd in
            ["ws://Host.example/", "ws://host.example", "wss://host.example:443/", "ws://a b/", "no URL"]
        {
            let mut config = config.clone();
            config.guardians.get_mut(&0).unwrap().url = odd.to_owned();
            assert_eq!(config.federation(), None, "{odd}");
        }
    }
}

/// Upstream's own code derived these ids; the guardians' keys take the place of addresses.
#[test]
fn federations_of_today_have_the_ids_that_their_servers_give() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for (name, over_iroh) in
        [("session-v0.13.0", false), ("session-v0.13.0-iroh", true), ("session-v0.13.0-single", false)]
    {
        let read = |file: &str| fs::read_to_string(fixtures.join(name).join(file)).unwrap();
        let truth: serde_json::Value = serde_json::from_str(&read("truth.json")).unwrap();
        let config = ConsensusConfig::parse(&read("peer-0/consensus.json")).unwrap();
        let id = hex::encode(config.federation().unwrap());
        assert_eq!(truth["peers"]["peer-0"]["federation_id"], id, "{name}");
        let guardians = u16::try_from(config.broadcast_public_keys.len()).unwrap();
        for peer in 0..guardians {
            let guardian = &config.guardians[&peer];
            assert_eq!(
                (guardian.name.clone(), guardian.is_over_iroh()),
                (format!("guardian-{peer}"), over_iroh)
            );
            // Another key or another name means another federation.
            for change in 0..2 {
                let mut other = config.clone();
                let changed = other.guardians.get_mut(&peer).unwrap();
                if change == 0 {
                    changed.name.push('x');
                } else {
                    let last = changed.url.pop().unwrap();
                    changed.url.push(if last == '0' { '1' } else { '0' });
                }
                if change == 0 || over_iroh {
                    assert_ne!(hex::encode(other.federation().unwrap()), id, "{name} {peer}");
                }
            }
        }
    }
}

#[test]
fn nobody_is_no_federation_and_an_odd_key_is_none() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let text = fs::read_to_string(fixtures.join("session-v0.13.0-iroh/peer-0/consensus.json")).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let known = ConsensusConfig::parse(&text).unwrap().federation().unwrap();
    // Digits in upper case are the same key: servers read it, and write it in lower case.
    let key = file["iroh_endpoints"]["1"]["api_pk"].as_str().unwrap().to_uppercase();
    file["iroh_endpoints"]["1"]["api_pk"] = key.into();
    assert_eq!(ConsensusConfig::parse(&file.to_string()).unwrap().federation().unwrap(), known);
    // Servers that know iroh_endpoints use them if there are any.
    file["api_endpoints"]["0"] = serde_json::json!({ "url": "ws://host/", "name": "other" });
    assert_eq!(ConsensusConfig::parse(&file.to_string()).unwrap().federation().unwrap(), known);
    file["iroh_endpoints"] = serde_json::json!({});
    file["api_endpoints"] = serde_json::json!({});
    assert_eq!(ConsensusConfig::parse(&file.to_string()).unwrap().federation(), None);
    file["api_endpoints"]["0"] = serde_json::json!({ "url": "iroh://host", "name": "other" });
    assert_eq!(ConsensusConfig::parse(&file.to_string()).unwrap().federation(), None);
}

#[test]
fn keys_without_parity_are_told_by_their_length() {
    let text = |length: usize| format!("{{\"0\":\"{0}\",\"1\":\"{0}\"}}", "02".repeat(length));
    assert_eq!(show_keys(&text(32)).unwrap(), "ok x-only of 2");
    assert!(show_keys(&text(33)).unwrap().starts_with("ok broadcast"));
    assert!(show_keys(&format!("{{\"0\":\"{}\",\"1\":\"{}\"}}", "02".repeat(32), "02".repeat(33))).is_err());
}

#[test]
fn what_clients_are_told_is_what_guardians_have() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for home in ["session-v0.5.0/peer-0", "session-v0.13.0/peer-0", "session-v0.13.0-iroh/peer-0"] {
        let read = |file: &str| fs::read_to_string(fixtures.join(home).join(file)).unwrap();
        let own = ConsensusConfig::parse(&read("consensus.json")).unwrap();
        let client: serde_json::Value = serde_json::from_str(&read("client.json")).unwrap();
        let stated = ConsensusConfig::of_client(&client).unwrap();
        assert_eq!(stated.broadcast_public_keys, own.broadcast_public_keys, "{home}");
        assert_eq!(stated.guardians, own.guardians, "{home}");
        assert_eq!(stated.modules, own.modules, "{home}");
        assert_eq!(stated.federation(), own.federation(), "{home}");
        assert_eq!(stated.federation_name, own.federation_name, "{home}");
        let mut without_keys = client.clone();
        without_keys.as_object_mut().unwrap().remove("broadcast_public_keys");
        let stated = ConsensusConfig::of_client(&without_keys).unwrap();
        assert!(stated.broadcast_public_keys.is_empty());
        for missing in ["api_endpoints", "modules"] {
            let mut cut = client.clone();
            cut.as_object_mut().unwrap().remove(missing);
            let error = ConsensusConfig::of_client(&cut).unwrap_err();
            assert_eq!(error.to_string(), format!("not a configuration for clients: it has no {missing}"));
        }
    }
}
