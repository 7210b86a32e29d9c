//! Makes a new federation by an exchange of setup codes: every guardian makes its own keys, and no guardian
//! sees another's secret.
//!
//! A code is the hex of a JSON object with what the others need, and the first four bytes of its hash. All
//! guardians make the same configuration from the same codes, in any order, and compare its hash.
//!
//! Invariants: configuration files are written only if their hash is the one that all guardians confirmed.
//! Wherever a step is cut off, calling it again completes it, with the same keys. `consensus.json` is written
//! last.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fm_client::authority;
use fm_datadir::{CONSENSUS, LOCAL};
use fm_history::PeerId;
use fm_peers::new_tls_key_pair;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::{Consensus, Endpoint, Local, NodeConfigError, consensus_hash};
use crate::setup::{
    dev_modules, give, new_secret, new_version, partial_of, remove_if_there, write_private, write_whole,
};

/// The file with the secrets of a guardian between the two steps.
const SECRETS_NAME: &str = "setup.json";
const CHECK_BYTES: usize = 4;

/// The reason that a setup cannot continue.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Keys cannot be generated.
    #[error("keys cannot be made")]
    Keys(#[source] io::Error),
    /// An address is not valid.
    #[error("{url:?} is not an address of the form {form}")]
    Address { url: String, form: &'static str },
    /// A code is not valid, or was damaged on its way.
    #[error("setup code {number} cannot be read: it is damaged or incomplete")]
    Code {
        /// Its position, from 1.
        number: usize,
    },
    /// Two guardians have the same key, or the number of guardians cannot work.
    #[error("{0}")]
    Guardians(String),
    /// This guardian's own code is missing.
    #[error("this guardian's own code is not among the codes")]
    NotAmong,
    /// Another configuration exists already.
    #[error("{} is there, and is another configuration: the directory is set up already", path.display())]
    Done { path: PathBuf },
    /// The confirmed hash differs.
    #[error("the configuration from these codes and options has the hash {hash}, not the confirmed one")]
    NotConfirmed { hash: String },
    /// The configuration cannot be hashed.
    #[error(transparent)]
    Config(#[from] NodeConfigError),
}

/// The data that a guardian sends to the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    version: u32,
    name: String,
    p2p: String,
    api: String,
    key: String,
    certificate: String,
}

/// The data that a guardian keeps until the end of the setup.
#[derive(Serialize, Deserialize)]
struct Secrets {
    code: Code,
    secret: String,
    tls_key: String,
}

/// The parameters that must be the same for all guardians.
#[derive(Debug, Clone)]
pub struct SetupPlan {
    /// The name of the federation.
    pub federation_name: String,
    /// Rounds in a session.
    pub rounds_per_session: u16,
    /// The codes of all guardians.
    pub codes: Vec<String>,
}

/// Makes a guardian's keys in a new directory; returns its setup code.
///
/// # Errors
/// Fails if anything else exists there, an address is not valid, or keys cannot be generated.
pub fn begin_setup(directory: &Path, name: &str, p2p: &str, api: &str) -> Result<String, SetupError> {
    check_address(p2p, &["fedimint"], "fedimint://host:port")?;
    check_address(api, &["ws", "wss"], "wss://host/")?;
    // The address in the form of URL parsers: the federation's id is computed from it.
    let api = if api.ends_with('/') { api.to_owned() } else { format!("{api}/") };
    let path = directory.join(SECRETS_NAME);
    match fs::create_dir(directory) {
        Ok(()) => give(directory).map_err(file(directory))?,
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
            if let Some(code) = begun(directory, &path)? {
                let is_same = (code.name.as_str(), code.p2p.as_str()) == (name, p2p) && code.api == api;
                return if is_same {
                    write_code(&code).map_err(file(&path))
                } else {
                    Err(file(directory)(source))
                };
            }
        }
        Err(source) => return Err(file(directory)(source)),
    }
    let tls_key_pair = new_tls_key_pair(name).map_err(|error| SetupError::Keys(io::Error::other(error)))?;
    let (secret, key) = new_secret().map_err(SetupError::Keys)?;
    let code = Code {
        version: 1,
        name: name.to_owned(),
        p2p: p2p.to_owned(),
        api,
        key: hex::encode(key.public_key()),
        certificate: hex::encode(&tls_key_pair.certificate),
    };
    let secrets = Secrets { code, secret: hex::encode(secret), tls_key: hex::encode(&tls_key_pair.key) };
    write_whole(&path, &to_json(&secrets).map_err(file(&path))?).map_err(file(&path))?;
    write_code(&secrets.code).map_err(file(&path))
}

/// Returns the code of a setup that was begun in a directory; `None` if it was cut off before its keys were
/// stored.
fn begun(directory: &Path, secrets: &Path) -> Result<Option<Code>, SetupError> {
    if secrets.exists() {
        return Ok(Some(read_secrets(secrets)?.code));
    }
    let partial = partial_of(secrets);
    for entry in fs::read_dir(directory).map_err(file(directory))? {
        if entry.map_err(file(directory))?.path() != partial {
            return Err(file(directory)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    Ok(None)
}

fn read_secrets(path: &Path) -> Result<Secrets, SetupError> {
    let text = fs::read_to_string(path);
    text.and_then(|text| serde_json::from_str(&text).map_err(io::Error::from)).map_err(file(path))
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> SetupError + use<> {
    let path = path.to_owned();
    move |source| SetupError::File { path, source }
}

/// Makes the configuration from all codes; returns its hash. If the hash is confirmed, writes the files.
///
/// # Errors
/// Fails if a code cannot be read, the codes do not make a federation with this guardian in it, or the
/// confirmed hash differs.
pub fn finish_setup(
    directory: &Path,
    plan: &SetupPlan,
    confirmed: Option<&str>,
    password: &str,
) -> Result<String, SetupError> {
    let path = directory.join(SECRETS_NAME);
    let codes = read_codes(&plan.codes)?;
    let consensus = consensus(plan, &codes);
    let hash = hex::encode(consensus_hash(&consensus)?);
    if confirmed.is_some_and(|confirmed| confirmed.trim().to_ascii_lowercase() != hash) {
        return Err(SetupError::NotConfirmed { hash });
    }
    let done = directory.join(CONSENSUS);
    if done.exists() {
        return finished(&done, &path, hash);
    }
    let secrets = read_secrets(&path)?;
    let position = codes.values().position(|code| *code == secrets.code).ok_or(SetupError::NotAmong)?;
    if confirmed.is_none() {
        return Ok(hash);
    }
    let endpoint = |code: &Code| Endpoint { url: code.p2p.clone(), name: code.name.clone() };
    let own_peer = PeerId::try_from(position).map_err(|error| SetupError::Guardians(error.to_string()))?;
    let local = Local {
        p2p_endpoints: (0..).zip(codes.values().map(endpoint)).collect(),
        own_peer,
        max_connections: 1000,
        broadcast_round_delay_ms: 50,
        modules: consensus.module_kinds(),
    };
    let write = |name: &str, text: io::Result<String>| {
        let path = directory.join(name);
        text.and_then(|text| write_whole(&path, &text)).map_err(file(&path))
    };
    write(LOCAL, to_json(&local))?;
    write_private(directory, &consensus, &secrets.tls_key, &secrets.secret, password)
        .map_err(file(directory))?;
    write(CONSENSUS, to_json(&consensus))?;
    finished(&done, &path, hash)
}

/// Removes the secrets of a setup after all its files are written.
fn finished(done: &Path, secrets: &Path, hash: String) -> Result<String, SetupError> {
    let text = fs::read_to_string(done);
    let written: Consensus =
        text.and_then(|text| serde_json::from_str(&text).map_err(io::Error::from)).map_err(file(done))?;
    if hex::encode(consensus_hash(&written)?) != hash {
        return Err(SetupError::Done { path: done.to_owned() });
    }
    remove_if_there(secrets).map_err(file(secrets))?;
    Ok(hash)
}

fn consensus(plan: &SetupPlan, codes: &BTreeMap<String, Code>) -> Consensus {
    let of = |value: fn(&Code) -> &String| -> BTreeMap<PeerId, String> {
        (0..).zip(codes.values().map(|code| value(code).clone())).collect()
    };
    let endpoint = |code: &Code| Endpoint { url: code.api.clone(), name: code.name.clone() };
    Consensus {
        code_version: "0.5.0".to_owned(),
        version: new_version(),
        broadcast_public_keys: of(|code| &code.key),
        broadcast_rounds_per_session: plan.rounds_per_session,
        api_endpoints: (0..).zip(codes.values().map(endpoint)).collect(),
        iroh_endpoints: BTreeMap::new(),
        tls_certs: of(|code| &code.certificate),
        modules: dev_modules(),
        meta: BTreeMap::from([("federation_name".to_owned(), format!("\"{}\"", plan.federation_name))]),
    }
}

/// Returns the codes sorted by their keys: the order in which guardians are numbered.
fn read_codes(codes: &[String]) -> Result<BTreeMap<String, Code>, SetupError> {
    let mut read = BTreeMap::new();
    for (place, text) in codes.iter().enumerate() {
        let code = read_code(text).ok_or(SetupError::Code { number: place + 1 })?;
        if let Some(other) = read.insert(code.key.clone(), code.clone())
            && other != code
        {
            return Err(SetupError::Guardians(format!(
                "{:?} and {:?} have the same key",
                other.name, code.name
            )));
        }
    }
    let count = read.len();
    if count != 1 && count < 4 {
        let message =
            format!("a federation has one guardian, or four or more; these are the codes of {count}");
        return Err(SetupError::Guardians(message));
    }
    Ok(read)
}

fn write_code(code: &Code) -> io::Result<String> {
    let text = serde_json::to_vec(code)?;
    let check = Sha256::digest(&text);
    Ok(format!("{}{}", hex::encode(&text), hex::encode(&check[..CHECK_BYTES])))
}

fn read_code(text: &str) -> Option<Code> {
    let bytes = hex::decode(text.trim()).ok()?;
    let (text, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
    if Sha256::digest(text)[..CHECK_BYTES] != *check {
        return None;
    }
    let code: Code = serde_json::from_slice(text).ok()?;
    let key: [u8; 33] = hex::decode(&code.key).ok()?.try_into().ok()?;
    let sound = code.version == 1
        && fm_crypto::is_public_key(&key)
        && hex::decode(&code.certificate).is_ok_and(|certificate| !certificate.is_empty())
        && authority(&code.p2p, &["fedimint"], 1).is_some()
        && authority(&code.api, &["ws", "wss"], 1).is_some();
    sound.then_some(code)
}

fn check_address(url: &str, schemes: &[&str], form: &'static str) -> Result<(), SetupError> {
    let read = authority(url, schemes, 1);
    read.map(drop).ok_or_else(|| SetupError::Address { url: url.to_owned(), form })
}

fn to_json(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NodeConfig;

    fn begin(directory: &Path, peer: usize) -> String {
        let (p2p, api) = (format!("fedimint://10.0.0.{peer}:8173"), format!("ws://10.0.0.{peer}:8174"));
        begin_setup(&directory.join(peer.to_string()), &format!("g{peer}"), &p2p, &api).unwrap()
    }

    fn plan(codes: &[String]) -> SetupPlan {
        SetupPlan { federation_name: "test".to_owned(), rounds_per_session: 100, codes: codes.to_vec() }
    }

    #[test]
    fn four_guardians_come_to_the_same_configuration() {
        let home = tempfile::tempdir().unwrap();
        let mut codes: Vec<String> = (0..4).map(|peer| begin(home.path(), peer)).collect();
        let first = finish_setup(&home.path().join("0"), &plan(&codes), None, "p").unwrap();
        codes.reverse();
        let mut own_peers = Vec::new();
        for peer in 0..4 {
            let directory = home.path().join(peer.to_string());
            let wrong = finish_setup(&directory, &plan(&codes), Some("00"), "p");
            assert!(matches!(wrong, Err(SetupError::NotConfirmed { .. })));
            assert!(!directory.join("consensus.json").exists());
            assert_eq!(finish_setup(&directory, &plan(&codes), Some(&first), "p").unwrap(), first);
            let config = NodeConfig::read(&directory, "p").unwrap();
            assert_eq!(hex::encode(config.consensus_hash().unwrap()), first);
            own_peers.push(config.me());
        }
        own_peers.sort_unstable();
        assert_eq!(own_peers, [0, 1, 2, 3]);
    }

    #[test]
    fn damaged_and_missing_codes_are_told() {
        let home = tempfile::tempdir().unwrap();
        let codes: Vec<String> = (0..4).map(|peer| begin(home.path(), peer)).collect();
        let finish =
            |codes: &[String]| finish_setup(&home.path().join("0"), &plan(codes), None, "p").err().unwrap();
        assert!(matches!(finish(&codes[..3]), SetupError::Guardians(_)));
        let stranger = begin(home.path(), 9);
        assert!(matches!(finish(&[&codes[1..], &[stranger]].concat()), SetupError::NotAmong));
        for place in [0, 7, codes[2].len() - 1] {
            let mut damaged = codes.clone();
            let digit = if damaged[2].as_bytes()[place] == b'0' { "1" } else { "0" };
            damaged[2].replace_range(place..=place, digit);
            assert!(matches!(finish(&damaged), SetupError::Code { number: 3 }), "{place}");
        }
        for text in ["", "00", "zz", "0000000000"] {
            assert_eq!(read_code(text), None);
        }
    }
}
