//! The trust root: whose keys they are, and where they come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use fm_audit::HistoryKeys;
use fm_config::GuardianFiles;
use fm_crypto::{
    ConfigError, ConsensusConfig, EpochKeys, Keys, SessionKeyError, SessionKeys, parse_keys_file,
};
use fm_datadir::{CHECKPOINTS_NAME, CONSENSUS, DATABASE_NAME};
use fm_eras::{Era, Layout};
use fm_history::PeerId;
use fm_store::real_path;
use serde::Serialize;

use crate::{Exit, Failure, Output, of_files, read_file, warn};

/// The largest file of keys that is read: seven hundred times the `consensus.json` in `fixtures`.
const MAX_BYTES: u64 = 4 << 20;

/// Where the federation's keys come from.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// The guardian's consensus.json, the directory that holds it, or the backup (tar) that the guardian's
    /// server produces.
    #[arg(long, value_name = "DIR|FILE", env = "FM_CONFIG", conflicts_with = "keys")]
    pub config: Option<PathBuf>,
    /// A small JSON file of public keys: {"epoch_pk_set": ["<96 hex>", …]} for epochs, {"0": "<66 hex>", …} for
    /// blocks and sessions.
    #[arg(long, value_name = "FILE", env = "FM_KEYS")]
    pub keys: Option<PathBuf>,
}

/// Keys that the user pinned.
#[derive(Clone, Debug)]
pub struct PinnedKeys {
    /// The file from which the keys were read.
    pub path: PathBuf,
    /// Whether nobody named that file: it was found in the data directory that the command works on.
    pub is_found: bool,
    /// The keys of HoneyBadger epochs.
    pub epoch: Option<EpochKeys>,
    /// The keys of blocks and sessions.
    pub session: Option<SessionKeys>,
    /// The whole configuration, if the keys were read from one.
    pub config: Option<ConsensusConfig>,
    /// Who states the keys, if they were not read from a file.
    pub stated: Option<StatedBy>,
}

/// The guardians of a running federation that state its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatedBy {
    /// How many of them state exactly these keys.
    pub guardians: usize,
    /// The number of guardians.
    pub of: usize,
}

impl PinnedKeys {
    /// The words that follow keys that nobody named.
    pub const FOUND: &str = ", found in the data directory; nobody confirmed it";

    /// Returns the words that follow keys whose origin matters: nobody named them, or guardians state them.
    pub fn origin_words(&self) -> String {
        match (self.stated, self.is_found) {
            (None, false) => String::new(),
            (None, true) => Self::FOUND.to_owned(),
            (Some(StatedBy { guardians, of }), is_found) => {
                let confirmed =
                    if is_found { "nobody confirmed it" } else { "you named what it is pinned by" };
                format!(", as {guardians} of {of} guardians state it; {confirmed}")
            }
        }
    }

    /// Returns the rounds of a session, if the keys come with a configuration that says it.
    pub fn rounds_per_session(&self) -> Option<u16> {
        self.config.as_ref()?.rounds_per_session
    }

    /// Returns the keys that a history of this layout is signed with.
    ///
    /// # Errors
    /// If there are no keys of that kind.
    pub fn of_history(&self, layout: &Layout) -> Result<HistoryKeys<'_>, Failure> {
        match (layout, &self.epoch, &self.session) {
            (Layout::Hbbft(_), Some(keys), _) => Ok(HistoryKeys::Epoch(keys)),
            (Layout::Blocks(layout), _, Some(keys)) if layout.era != Era::B && keys.tag().is_none() => {
                let message = format!(
                    "{} holds keys without parity (64 hex digits); sessions of era {} are signed with keys that have \
                     one (66)",
                    self.path.display(),
                    layout.era
                );
                Err(Failure::new(Exit::Usage, message))
            }
            (Layout::Blocks(_), _, Some(keys)) => Ok(HistoryKeys::Session(keys)),
            (Layout::Hbbft(_), None, _) if self.config.is_some() => {
                let message = format!(
                    "{} has no epoch_pk_set: it is the config of v0.2 or later, and HoneyBadger epochs are signed \
                     with the keys of the v0.1 config",
                    self.path.display()
                );
                Err(Failure::new(Exit::Usage, message).hint("give the consensus.json that v0.1 ran with"))
            }
            (Layout::Hbbft(_), None, _) => {
                let message = format!(
                    "{} holds session keys; a HoneyBadger history is signed with an epoch_pk_set",
                    self.path.display()
                );
                Err(Failure::new(Exit::Usage, message))
            }
            (Layout::Blocks(_), _, None) => {
                let message = format!(
                    "{} holds no session keys; a history of era {} is signed with the guardians' broadcast keys",
                    self.path.display(),
                    layout.era()
                );
                Err(Failure::new(Exit::Usage, message))
            }
        }
    }

    /// Returns the same as [`PinnedKeys::of_history`], but leaves out keys of another kind that nobody named:
    /// the directory of a converted history may hold the later configuration.
    ///
    /// # Errors
    /// If keys that the user named are of another kind.
    pub fn usable_for(&self, layout: &Layout) -> Result<Option<HistoryKeys<'_>>, Failure> {
        let keys = self.of_history(layout);
        if self.is_found { Ok(keys.ok()) } else { keys.map(Some) }
    }

    /// Returns the keys that sealed sessions are signed with.
    ///
    /// # Errors
    /// If there are no keys of that kind.
    pub fn of_sessions(&self) -> Result<&SessionKeys, Failure> {
        self.session.as_ref().filter(|keys| keys.tag().is_some()).ok_or_else(|| {
            let message = format!("{} holds no keys that sessions are signed with", self.path.display());
            Failure::new(Exit::Usage, message)
                .hint("give the guardian's consensus.json, or a file {\"0\": \"<66 hex>\", …}")
        })
    }

    /// Returns the keys that sessions are signed with, by peer, in hex; empty if there are no such keys, or
    /// if they are without parity.
    pub fn session_keys_in_hex(&self) -> BTreeMap<String, String> {
        let keys = self.session.as_ref().map(SessionKeys::compressed).unwrap_or_default();
        keys.iter().map(|(peer, key)| (peer.to_string(), hex::encode(key))).collect()
    }

    /// Returns the federation's name, if the configuration has one.
    pub fn federation_name(&self) -> Option<&str> {
        self.config.as_ref()?.federation_name.as_deref()
    }

    /// Returns the guardians' names by number, as the configuration has them; a keys file has no names.
    pub fn guardians(&self) -> BTreeMap<PeerId, &str> {
        let guardians = self.config.iter().flat_map(|config| &config.guardians);
        guardians.map(|(peer, guardian)| (*peer, guardian.name.as_str())).collect()
    }

    /// Says where the keys were found, if the user did not name them.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn say_found(&self, output: &mut Output) -> Result<(), Failure> {
        if !self.is_found {
            return Ok(());
        }
        output.line(&format!("keys       {}, found in the data directory", self.path.display()))
    }

    /// Returns the federation's id in hex, if the configuration says it; a keys file does not.
    pub fn federation(&self) -> Option<String> {
        let id = self.config.as_ref().and_then(ConsensusConfig::federation)?;
        Some(hex::encode(id))
    }
}

/// Reads the keys of a consensus.json, of the directory that holds one, or of a keys file.
///
/// # Errors
/// If it cannot be read or is neither.
pub fn load_keys_of(path: &Path) -> Result<PinnedKeys, Failure> {
    if path.is_dir() || is_files(path) {
        return load_config(path);
    }
    match ConsensusConfig::parse(&read(path)?) {
        Err(ConfigError::NotAConsensusConfig { .. }) => load_keys(path),
        _ => load_config(path),
    }
}

impl KeyArgs {
    /// Returns what named the keys: the option or its variable.
    pub fn named_by(&self) -> &'static str {
        let (option, variable) =
            if self.config.is_some() { ("--config", "FM_CONFIG") } else { ("--keys", "FM_KEYS") };
        let is_option = |word: std::ffi::OsString| {
            let word = word.to_string_lossy();
            word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        let is_of_variable = std::env::var_os(variable).is_some() && !std::env::args_os().any(is_option);
        if is_of_variable { variable } else { option }
    }

    /// Reads the keys, if the user named any.
    ///
    /// # Errors
    /// If they cannot be read or are not usable keys.
    pub fn load(&self) -> Result<Option<PinnedKeys>, Failure> {
        match (&self.config, &self.keys) {
            (Some(path), _) => load_config(path).map(Some),
            (None, Some(path)) => load_keys(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl KeyArgs {
    /// Reads the keys that the user named; otherwise those of the guardian's data directory that the command
    /// works on, which [`PinnedKeys::say_found`] reports.
    ///
    /// # Errors
    /// If they cannot be read or are not usable keys.
    pub fn load_beside(&self, source: &Path) -> Result<Option<PinnedKeys>, Failure> {
        if let Some(keys) = self.load()? {
            return Ok(Some(keys));
        }
        let Some(config) = config_around(source) else { return Ok(None) };
        let keys = load_config(&config)
            .map_err(|failure| failure.or_hint(Some("name other keys with --config or --keys")))?;
        Ok(Some(PinnedKeys { is_found: true, ..keys }))
    }

    /// Reads the same keys as [`KeyArgs::load_beside`], for a command that needs no keys: if it finds a
    /// configuration that is of no use, it prints a warning and the command continues without keys.
    ///
    /// # Errors
    /// If keys were named and cannot be read or are not usable keys.
    pub fn load_or_warn(&self, source: &Path, tool: &str) -> Result<Option<PinnedKeys>, Failure> {
        let is_named = self.config.is_some() || self.keys.is_some();
        self.load_beside(source).or_else(|failure| {
            if is_named {
                return Err(failure);
            }
            warn(tool, &format!("the keys in the data directory cannot be used: {}", failure.message));
            Ok(None)
        })
    }

    /// Reads the same keys as [`KeyArgs::load_or_warn`], from the first place that has keys.
    ///
    /// # Errors
    /// If keys were named and cannot be read or are not usable keys.
    pub fn load_first_or_warn(&self, places: &[&Path], tool: &str) -> Result<Option<PinnedKeys>, Failure> {
        for place in places {
            if let Some(keys) = self.load_or_warn(place, tool)? {
                return Ok(Some(keys));
            }
        }
        self.load()
    }
}

/// Returns the configuration in the data directory that a source is or lies in: as its database, or as one of
/// its checkpoints.
pub fn config_around(source: &Path) -> Option<PathBuf> {
    if !source.is_dir() {
        return None;
    }
    let own = source.join(CONSENSUS);
    if own.is_file() {
        return Some(own);
    }
    let written = std::path::absolute(source).ok()?;
    [written, real_path(source)].iter().find_map(|whole| {
        let mut around = whole.ancestors().skip(1);
        let parent = around.next()?;
        let home = if whole.file_name()? == DATABASE_NAME {
            parent
        } else if parent.file_name()? == CHECKPOINTS_NAME {
            around.next()?
        } else {
            return None;
        };
        Some(home.join(CONSENSUS)).filter(|config| config.is_file())
    })
}

/// Reads the text of a small file: keys or a configuration.
///
/// # Errors
/// If it cannot be read, is not text, or is far larger than such a file.
pub fn read(path: &Path) -> Result<String, Failure> {
    read_file(path, MAX_BYTES, "a file of keys")
}

fn malformed(path: &Path, error: &ConfigError) -> Failure {
    let failure = Failure::from_error(Exit::Usage, error);
    let failure = Failure { message: format!("{}: {}", path.display(), failure.message), ..failure };
    match error {
        ConfigError::NotAKeysFile => {
            failure.hint(
            "a keys file holds public keys and nothing else: {\"epoch_pk_set\": [\"<96 hex digits>\", …]} for epochs, or \
             {\"0\": \"<66 hex digits>\", \"1\": …} for blocks and sessions; `fm-verify keys CONFIG --out FILE` writes one \
             from a guardian's consensus.json",
        )
        }
        _ => failure,
    }
}

/// Checks whether a file is a guardian's backup or an encrypted file; opening it says what to do.
fn is_files(path: &Path) -> bool {
    GuardianFiles::is_backup_file(path) || GuardianFiles::is_encrypted_file(path)
}

fn load_config(path: &Path) -> Result<PinnedKeys, Failure> {
    if is_files(path) {
        let files = GuardianFiles::open(path).map_err(|error| of_files(&error))?;
        return keys_of_files(&files);
    }
    let path = if path.is_dir() { path.join(CONSENSUS) } else { path.to_owned() };
    let config = ConsensusConfig::parse(&read(&path)?).map_err(|error| malformed(&path, &error))?;
    pinned(path, config)
}

/// Reads the keys in a guardian's files, or in its backup.
///
/// # Errors
/// If they hold no keys that can be read.
pub fn keys_of_files(files: &GuardianFiles) -> Result<PinnedKeys, Failure> {
    let config = files.consensus().map_err(|error| of_files(&error))?;
    pinned(files.path().to_owned(), config)
}

fn pinned(path: PathBuf, config: ConsensusConfig) -> Result<PinnedKeys, Failure> {
    let epoch = config.epoch_keys.clone();
    // A key that is not a point cannot have signed: a v0.1 configuration is of use without these keys.
    let session = match SessionKeys::new(&config.broadcast_public_keys) {
        Ok(keys) => Some(keys),
        Err(_) if epoch.is_some() => None,
        Err(error) => return Err(unusable(&path, &error)),
    };
    Ok(PinnedKeys { path, is_found: false, epoch, session, config: Some(config), stated: None })
}

fn unusable(path: &Path, error: &SessionKeyError) -> Failure {
    Failure::new(Exit::Usage, format!("{}: {error}", path.display()))
}

fn load_keys(path: &Path) -> Result<PinnedKeys, Failure> {
    if GuardianFiles::is_encrypted_file(path) {
        return load_config(path);
    }
    let keys = parse_keys_file(&read(path)?).map_err(|error| malformed(path, &error))?;
    let session = match &keys {
        Keys::Epoch(_) => None,
        Keys::Broadcast(keys) => Some(SessionKeys::new(keys)),
        Keys::XOnly(keys) => Some(SessionKeys::untagged(keys)),
    };
    let session = session.transpose().map_err(|error| unusable(path, &error))?;
    let epoch = if let Keys::Epoch(keys) = keys { Some(keys) } else { None };
    Ok(PinnedKeys { path: path.to_owned(), is_found: false, epoch, session, config: None, stated: None })
}
