//! `keys`: the trust root of a federation, for comparison over the telephone, and as a file for `--keys`.

use std::collections::BTreeMap;

use fm_cli::{Exit, Failure, Output, PinnedKeys, load_keys_of};
use fm_history::PeerId;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{KeyKind, KeysArgs};
use crate::diff::{check_file, write_file};
use crate::spoken::{groups, words};
use crate::view::in_quotes;

#[derive(Serialize)]
struct KeysLine<'a> {
    r#type: &'static str,
    path: String,
    federation: Option<String>,
    federation_name: Option<&'a str>,
    guardians: Vec<GuardianLine<'a>>,
    /// Hashes by which guardians know that they have the same configuration.
    config_hashes: Option<ConfigHashes>,
    key_sets: Vec<KeySet>,
    file: Option<String>,
}

#[derive(Serialize)]
struct GuardianLine<'a> {
    peer: PeerId,
    name: Option<&'a str>,
    /// The key that the guardian signs sessions with.
    key: Option<String>,
}

/// The hashes of the configuration.
#[derive(Serialize)]
struct ConfigHashes {
    answered: String,
    whole: String,
}

/// The keys that sign one kind of history.
#[derive(Serialize)]
struct KeySet {
    kind: &'static str,
    key_set: String,
    groups: String,
    words: String,
    /// The number of guardians that sign together.
    threshold: usize,
    #[serde(skip)]
    file: Value,
}

pub(crate) fn run(arguments: &KeysArgs) -> Result<Exit, Failure> {
    if let Some(target) = &arguments.out {
        check_file(target, &[&arguments.config])?;
    }
    let keys = load_keys_of(&arguments.config)?;
    let key_sets = key_sets(&keys);
    let file = match &arguments.out {
        Some(target) => {
            let chosen = chosen(&key_sets, arguments.of, &keys)?;
            let text = serde_json::to_string_pretty(&chosen.file)
                .map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
            write_file(target, &format!("{text}\n"))?;
            Some(target.display().to_string())
        }
        None => None,
    };
    let line = KeysLine {
        r#type: "keys",
        path: keys.path.display().to_string(),
        federation: keys.federation(),
        federation_name: keys.federation_name(),
        guardians: guardians(&keys),
        config_hashes: keys.config.as_ref().and_then(|config| config.hashes).map(|hashes| ConfigHashes {
            answered: hex::encode(hashes.answered),
            whole: hex::encode(hashes.whole),
        }),
        key_sets,
        file,
    };
    let mut output = Output::default();
    if arguments.json {
        output.json(&line)?
    } else {
        print(&mut output, &line)?
    }
    Ok(Exit::Done)
}

/// Returns the key sets that were read: of epochs and of sessions, or one of them.
fn key_sets(keys: &PinnedKeys) -> Vec<KeySet> {
    let mut sets = Vec::new();
    if let Some(epoch) = &keys.epoch {
        let coefficients: Vec<String> = epoch.coefficients().iter().map(hex::encode).collect();
        let file = json!({ "epoch_pk_set": coefficients });
        sets.push(key_set("epochs", epoch.name(), epoch.degree().saturating_add(1), file));
    }
    if let Some(session) = &keys.session {
        let mut by_peer: BTreeMap<String, String> = keys.session_keys_in_hex();
        if by_peer.is_empty() {
            let x_only = |peer: PeerId| Some((peer.to_string(), hex::encode(session.x_only(peer)?)));
            by_peer = session.peers().filter_map(x_only).collect();
        }
        sets.push(key_set("sessions", session.name(), session.threshold(), json!(by_peer)));
    }
    sets
}

fn key_set(kind: &'static str, name: String, threshold: usize, file: Value) -> KeySet {
    let bytes = hex::decode(&name).unwrap_or_default();
    KeySet { kind, groups: groups(&bytes), words: words(&bytes), key_set: name, threshold, file }
}

/// Returns the key set that is written: the requested one, or that of the history that such a configuration
/// is of.
fn chosen<'a>(sets: &'a [KeySet], of: Option<KeyKind>, keys: &PinnedKeys) -> Result<&'a KeySet, Failure> {
    let name = of.map(|kind| match kind {
        KeyKind::Epochs => "epochs",
        KeyKind::Sessions => "sessions",
    });
    sets.iter().find(|set| name.is_none_or(|name| name == set.kind)).ok_or_else(|| {
        let kind = name.unwrap_or("any kind");
        Failure::new(Exit::Usage, format!("{} has no keys of {kind}", keys.path.display()))
    })
}

fn guardians(keys: &PinnedKeys) -> Vec<GuardianLine<'_>> {
    let (names, session) = (keys.guardians(), keys.session_keys_in_hex());
    let mut peers: Vec<PeerId> = names.keys().copied().collect();
    if peers.is_empty() {
        peers = keys.session.iter().flat_map(|keys| keys.peers()).collect();
    }
    let x_only = |peer| keys.session.as_ref().and_then(|keys| keys.x_only(peer)).map(hex::encode);
    let guardian = |peer: PeerId| GuardianLine {
        peer,
        name: names.get(&peer).copied(),
        key: session.get(&peer.to_string()).cloned().or_else(|| x_only(peer)),
    };
    peers.into_iter().map(guardian).collect()
}

fn print(output: &mut Output, line: &KeysLine<'_>) -> Result<(), Failure> {
    output.line(&format!("keys       {}", line.path))?;
    match &line.federation {
        Some(id) => output.line(&format!("federation {id}, the id that its invite codes carry"))?,
        None => output.line("federation not known: its id is in a consensus.json, and not in a keys file")?,
    }
    if let Some(name) = line.federation_name {
        output.line(&format!("           {}", in_quotes(name)))?;
    }
    for guardian in &line.guardians {
        let name = guardian.name.map(|name| format!(" {}", in_quotes(name))).unwrap_or_default();
        let key = guardian.key.as_deref().map(|key| format!(", signs with {key}")).unwrap_or_default();
        output.line(&format!("guardian   {}{name}{key}", guardian.peer))?;
    }
    if let Some(hashes) = &line.config_hashes {
        output.line(&format!(
            "config     {}, which servers answer as server_config_consensus_hash",
            hashes.answered
        ))?;
        if hashes.whole != hashes.answered {
            output.line(&format!(
                "           {}, with iroh_endpoints, as servers from 0.7 on have it",
                hashes.whole
            ))?;
        }
    }
    for set in &line.key_sets {
        output
            .line(&format!("trust root {} of {}, {} sign together", set.key_set, set.kind, set.threshold))?;
        wrapped(output, "groups", &set.groups, 12)?;
        wrapped(output, "words", &set.words, 6)?;
    }
    match &line.file {
        Some(file) => output.line(&format!("written: {file}")),
        None => Ok(()),
    }
}

/// Prints a few parts a line, so that a person who reads them aloud can keep the place.
fn wrapped(output: &mut Output, name: &str, text: &str, most: usize) -> Result<(), Failure> {
    let parts: Vec<&str> = text.split(' ').collect();
    for (number, line) in parts.chunks(most).enumerate() {
        let name = if number == 0 { name } else { "" };
        output.line(&format!("  {name:<8} {}", line.join(" ")))?;
    }
    Ok(())
}
