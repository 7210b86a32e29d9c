//! The files of a new federation, as v0.5 writes them, made in one place: for tests, not for money.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fm_crypto::{SigningKey, seal_private_text};
use fm_datadir::{CONSENSUS, ENCRYPTED, LOCAL, SALT};
use fm_history::PeerId;
use fm_peers::{TlsKeyPair, new_tls_key_pair};
use fm_store::{Inheritance, sync_name};

use crate::config::{Consensus, ConsensusVersion, Endpoint, Local, ModuleConfig, Private};

/// A guardian's files.
pub(crate) const FILES: [&str; 4] = [CONSENSUS, LOCAL, ENCRYPTED, SALT];

/// The parameters of a federation.
#[derive(Debug, Clone)]
pub struct FederationPlan {
    /// Number of guardians.
    pub guardians: u16,
    /// Rounds of a session.
    pub rounds_per_session: u16,
    /// Milliseconds between rounds.
    pub round_delay_ms: u64,
    /// Two ports of this machine for each guardian: one for the other guardians, and one for its interface.
    pub ports: Vec<(u16, u16)>,
    /// The password of every guardian.
    pub password: String,
}

struct Guardian {
    tls_key_pair: TlsKeyPair,
    secret: [u8; 32],
    key: SigningKey,
}

/// Writes the data directories `0`, `1`, … into a directory.
///
/// # Errors
/// Fails if one exists already, files cannot be written, or the system provides no randomness.
pub fn write_federation(directory: &Path, plan: &FederationPlan) -> io::Result<()> {
    let guardians: Vec<Guardian> = (0..plan.guardians).map(new_guardian).collect::<io::Result<_>>()?;
    let number = |index: usize| PeerId::try_from(index).map_err(io::Error::other);
    let (mut keys, mut certificates) = (BTreeMap::new(), BTreeMap::new());
    let (mut api, mut p2p) = (BTreeMap::new(), BTreeMap::new());
    for (index, (guardian, (link, interface))) in guardians.iter().zip(&plan.ports).enumerate() {
        let (peer, name) = (number(index)?, format!("guardian-{index}"));
        keys.insert(peer, hex::encode(guardian.key.public_key()));
        certificates.insert(peer, hex::encode(&guardian.tls_key_pair.certificate));
        api.insert(peer, Endpoint { url: format!("ws://127.0.0.1:{interface}/"), name: name.clone() });
        p2p.insert(peer, Endpoint { url: format!("fedimint://127.0.0.1:{link}"), name });
    }
    let consensus = Consensus {
        code_version: "0.5.0".to_owned(),
        version: new_version(),
        broadcast_public_keys: keys,
        broadcast_rounds_per_session: plan.rounds_per_session,
        api_endpoints: api,
        iroh_endpoints: BTreeMap::new(),
        tls_certs: certificates,
        modules: dev_modules(),
        meta: BTreeMap::from([("federation_name".to_owned(), "\"dev\"".to_owned())]),
    };
    // Directory `0` gets its name last: if it exists, all exist, and a run that was killed earlier begins
    // again.
    let home = |index: usize| directory.join(index.to_string());
    if home(0).exists() {
        let what = format!("{} is there already", home(0).display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    for (index, guardian) in guardians.iter().enumerate() {
        remove_leftover(&home(index))?;
        remove_leftover(&partial_of(&home(index)))?;
        let local = Local {
            p2p_endpoints: p2p.clone(),
            own_peer: number(index)?,
            max_connections: 1000,
            broadcast_round_delay_ms: plan.round_delay_ms,
            modules: consensus.module_kinds(),
        };
        write_guardian(&partial_of(&home(index)), &consensus, &local, guardian, &plan.password)?;
    }
    for index in (0..guardians.len()).rev() {
        fs::rename(partial_of(&home(index)), home(index))?;
        sync_name(&home(index)).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Returns the version of the consensus in new configurations.
pub(crate) fn new_version() -> ConsensusVersion {
    ConsensusVersion { major: 2, minor: 0 }
}

/// Returns the modules of new configurations: a ledger without fees, and values that guardians vote for.
pub(crate) fn dev_modules() -> BTreeMap<u16, ModuleConfig> {
    let module = |kind: &str, major, config: &str| ModuleConfig {
        kind: kind.to_owned(),
        version: ConsensusVersion { major, minor: 0 },
        config: config.to_owned(),
    };
    BTreeMap::from([(0, module("dummy", 2, "00")), (1, module("meta", 0, ""))])
}

fn new_guardian(index: PeerId) -> io::Result<Guardian> {
    let tls_key_pair = new_tls_key_pair(&format!("guardian-{index}")).map_err(io::Error::other)?;
    let (secret, key) = new_secret()?;
    Ok(Guardian { tls_key_pair, secret, key })
}

/// Returns a new key for signing sessions, and its bytes.
pub(crate) fn new_secret() -> io::Result<([u8; 32], SigningKey)> {
    loop {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        // Nearly every 32 bytes are a valid key.
        if let Ok(key) = SigningKey::from_bytes(secret) {
            return Ok((secret, key));
        }
    }
}

fn write_guardian(
    directory: &Path,
    consensus: &Consensus,
    local: &Local,
    guardian: &Guardian,
    password: &str,
) -> io::Result<()> {
    fs::create_dir(directory)?;
    give(directory)?;
    write_whole(&directory.join(CONSENSUS), &serde_json::to_string_pretty(consensus)?)?;
    write_whole(&directory.join(LOCAL), &serde_json::to_string_pretty(local)?)?;
    let (tls_key, secret) = (hex::encode(&guardian.tls_key_pair.key), hex::encode(guardian.secret));
    write_private(directory, consensus, &tls_key, &secret, password)
}

/// Writes `private.encrypt` and `private.salt`.
pub(crate) fn write_private(
    directory: &Path,
    consensus: &Consensus,
    tls_key: &str,
    secret: &str,
    password: &str,
) -> io::Result<()> {
    let private = Private {
        api_auth: password.to_owned(),
        tls_key: tls_key.to_owned(),
        broadcast_secret_key: secret.to_owned(),
        modules: consensus.module_kinds(),
    };
    let (encrypted, salt) =
        seal_private_text(&serde_json::to_vec(&private)?, password).map_err(io::Error::other)?;
    write_whole(&directory.join(ENCRYPTED), &encrypted)?;
    write_whole(&directory.join(SALT), &salt)
}

/// Sets the owner of a new directory to that of the directory around it, if the process may.
pub(crate) fn give(directory: &Path) -> io::Result<()> {
    Inheritance::at(directory).and_then(|owner| owner.give(directory)).map_err(io::Error::other)
}

/// Writes a file, whole or not at all, that only its owner, the owner of the directory, can read. Replaces an
/// existing file, and the remains that a crash left.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let partial = partial_of(path);
    remove_if_there(&partial)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    file.write_all(text.as_bytes())?;
    Inheritance::at(path).map_err(io::Error::other)?.give_to(&file)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    sync_name(path).map_err(io::Error::other)
}

/// Returns the path of a file until it is whole.
pub(crate) fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the directory of a guardian that a killed run was writing; refuses anything else in its place.
fn remove_leftover(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !FILES.contains(&name.strip_suffix(".partial").unwrap_or(&name)) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} holds {name:?}, and no guardian can be made there", directory.display()),
            ));
        }
    }
    fs::remove_dir_all(directory)
}
