//! The trust root: whose keys, and from where.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use fm_crypto::{BroadcastKey, ConfigError, ConsensusConfig, EpochKeys, Keys, SessionKeys, parse_keys_file};

use crate::{Exit, Failure};

/// Name of the public config in a guardian's data directory.
const CONFIG_NAME: &str = "consensus.json";
/// Largest file of keys that is read: seven hundred times the `consensus.json` in `fixtures`.
const MAX_BYTES: u64 = 4 << 20;

/// Where the federation's keys come from.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// The guardian's consensus.json, or the directory that holds it.
    #[arg(long, value_name = "DIR|FILE", env = "FM_CONFIG", conflicts_with = "keys")]
    pub config: Option<PathBuf>,
    /// A small JSON file of public keys: {"epoch_pk_set": ["<96 hex>", …]}.
    #[arg(long, value_name = "FILE", env = "FM_KEYS")]
    pub keys: Option<PathBuf>,
}

/// Keys that the user pinned.
#[derive(Clone, Debug)]
pub struct PinnedKeys {
    /// The file they were read from.
    pub path: PathBuf,
    /// The epoch keys.
    pub epoch: EpochKeys,
    /// The whole config, if that is where they were read from.
    pub config: Option<ConsensusConfig>,
}

impl PinnedKeys {
    /// The federation's id of v0.1 in hex, if the config says it; a keys file does not.
    pub fn federation(&self) -> Option<String> {
        self.config.as_ref().and_then(federation_of)
    }
}

/// The guardians' keys that sessions are signed with.
#[derive(Clone, Debug)]
pub struct PinnedSessionKeys {
    /// The file they were read from.
    pub path: PathBuf,
    /// The keys.
    pub keys: SessionKeys,
    /// The federation's id of v0.1 in hex, if the file says it.
    pub federation: Option<String>,
}

impl PinnedKeys {
    /// The keys that sessions are signed with, if there is a config and it names any.
    pub fn session_keys(&self) -> Result<Option<SessionKeys>, Failure> {
        let keys = self.config.as_ref().map(|config| &config.broadcast_public_keys);
        keys.filter(|keys| !keys.is_empty()).map(|keys| session_keys(&self.path, keys)).transpose()
    }
}

impl KeyArgs {
    /// Reads the keys that sessions are signed with, if the user named any.
    pub fn load_session_keys(&self) -> Result<Option<PinnedSessionKeys>, Failure> {
        match (&self.config, &self.keys) {
            (Some(path), _) => {
                let (path, config) = read_config(path)?;
                let keys = session_keys(&path, &config.broadcast_public_keys)?;
                Ok(Some(PinnedSessionKeys { federation: federation_of(&config), path, keys }))
            }
            (None, Some(path)) => {
                match parse_keys_file(&read(path)?).map_err(|error| malformed(path, &error))? {
                    Keys::Broadcast(keys) => {
                        let keys = session_keys(path, &keys)?;
                        Ok(Some(PinnedSessionKeys { path: path.clone(), keys, federation: None }))
                    }
                    Keys::Epoch(_) => {
                        let message =
                            format!("{} holds epoch keys; sessions are signed with others", path.display());
                        Err(Failure::new(Exit::Usage, message)
                            .hint("give the guardian's consensus.json, or a file {\"0\": \"<66 hex>\", …}"))
                    }
                }
            }
            (None, None) => Ok(None),
        }
    }

    /// Reads the keys, if the user named any.
    pub fn load(&self) -> Result<Option<PinnedKeys>, Failure> {
        match (&self.config, &self.keys) {
            (Some(path), _) => load_config(path).map(Some),
            (None, Some(path)) => load_keys(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(|error| {
        Failure::new(Exit::CannotLook, format!("cannot read {}: {error}", path.display()))
    })?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("{} has more than {MAX_BYTES} bytes: it is no file of keys", path.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::new(Exit::Usage, format!("{} is not JSON: it is not even text", path.display()))
    })
}

fn malformed(path: &Path, error: &ConfigError) -> Failure {
    let failure = Failure::from_error(Exit::Usage, error);
    Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
}

fn federation_of(config: &ConsensusConfig) -> Option<String> {
    Some(config.federation_id?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn session_keys(path: &Path, keys: &BTreeMap<u16, BroadcastKey>) -> Result<SessionKeys, Failure> {
    SessionKeys::new(keys).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
}

fn read_config(path: &Path) -> Result<(PathBuf, ConsensusConfig), Failure> {
    let path = if path.is_dir() { path.join(CONFIG_NAME) } else { path.to_owned() };
    let config = ConsensusConfig::parse(&read(&path)?).map_err(|error| malformed(&path, &error))?;
    Ok((path, config))
}

fn load_config(path: &Path) -> Result<PinnedKeys, Failure> {
    let (path, config) = read_config(path)?;
    let Some(epoch) = config.epoch_keys.clone() else {
        let message = format!(
            "{} has no epoch_pk_set: it is the config of v0.2 or later, and HoneyBadger epochs are signed with \
             the keys of the v0.1 config",
            path.display()
        );
        return Err(Failure::new(Exit::Usage, message).hint("give the consensus.json that v0.1 ran with"));
    };
    Ok(PinnedKeys { path, epoch, config: Some(config) })
}

fn load_keys(path: &Path) -> Result<PinnedKeys, Failure> {
    match parse_keys_file(&read(path)?).map_err(|error| malformed(path, &error))? {
        Keys::Epoch(epoch) => Ok(PinnedKeys { path: path.to_owned(), epoch, config: None }),
        Keys::Broadcast(_) => {
            let message = format!(
                "{} holds session keys; a HoneyBadger history is signed with an epoch_pk_set",
                path.display()
            );
            Err(Failure::new(Exit::Usage, message))
        }
    }
}
