//! A running federation as a source: named by an invite code, or by the address of a guardian.
//!
//! Invariant: keys that the federation itself states count as confirmed only if the user named something that
//! they are pinned by.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use fm_audit::{FederationSource, Source};
use fm_client::{
    ApiSecret, ClientError, Federation, FindError, Guardian, LiveEpochs, LiveError, LiveHistory, Named,
    authority, iroh_key, is_over_iroh, speaks_iroh, wait_for,
};
use fm_crypto::{ConsensusConfig, InviteCode, SessionKeys};
use fm_eras::hbbft::EpochLayout;
use fm_eras::{Layout, session};
use fm_history::PeerId;
use zeroize::Zeroizing;

use crate::keys::StatedBy;
use crate::{Exit, Failure, PinnedKeys};

/// The variable with the secret of a federation's interfaces.
const API_SECRET: &str = "FM_API_SECRET";

/// What to do about guardians that are reached over iroh alone.
const HOW_TO_SPEAK_IROH: &str =
    "build the program in tools/fm-iroh, or ask a guardian for an archive of its database";

/// Bytes of a federation's id in v0.1.
const FIRST_ID_BYTES: usize = 48;

/// Options about a running federation.
#[derive(Args, Clone, Debug, Default)]
pub struct FederationArgs {
    /// Ask any guardian of a running federation for each session, or all of them, and compare what they serve.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t, env = "FM_ASK_GUARDIANS")]
    pub guardians: WhichGuardians,
    /// The id of the running federation, in hex. It fixes the guardians' addresses, but not their keys: these are then
    /// those that more guardians at these addresses state than may be dishonest.
    #[arg(long, value_name = "HEX", env = "FM_FEDERATION_ID")]
    pub federation_id: Option<String>,
    /// The hash of the guardians' configuration, in hex, as guardians compare it. Another one is an error; the hash alone
    /// confirms nothing, for it cannot be computed from what guardians state.
    #[arg(long, value_name = "HEX", env = "FM_CONFIG_HASH")]
    pub config_hash: Option<String>,
}

/// Which guardians of a running federation are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WhichGuardians {
    /// Any of those that answer.
    #[default]
    Any,
    /// Every one of them.
    All,
}

/// A running federation that was opened.
pub struct LiveSource {
    /// What an audit reads.
    pub source: Source,
    /// What is to be said about its guardians; `None` for a guardian of v0.1.
    pub guardians: Option<LiveGuardians>,
    /// The keys, and what they rest on.
    pub keys: PinnedKeys,
}

/// The guardians of a running federation.
pub struct LiveGuardians {
    /// What they serve.
    pub history: Arc<LiveHistory>,
    /// The federation as it was found.
    pub federation: Federation,
}

/// Returns whether a source is named by an invite code or an address, rather than by a path.
pub fn is_federation(source: &Path) -> bool {
    let Some(text) = source.to_str() else { return false };
    let is_url = ["ws://", "wss://"].iter().any(|scheme| text.starts_with(scheme));
    is_url || is_over_iroh(text) || (InviteCode::is_one(text) && source.symlink_metadata().is_err())
}

impl FederationArgs {
    /// Finds a federation, and opens its sessions as a source. `keys` are those that the user named.
    ///
    /// # Errors
    /// If the source is malformed, nobody answers, or the federation is another one than the user named.
    pub fn open(&self, source: &Path, keys: Option<PinnedKeys>) -> Result<LiveSource, Failure> {
        let text = source.to_str().unwrap_or_default();
        let named = self.named(text)?;
        if let Some(epochs) = of_first_version(&named, keys.as_ref())? {
            return self.epochs(source, &named, epochs, keys);
        }
        let federation = find(&named, keys.as_ref())?;
        self.check_config_hash(&federation, keys.as_ref())?;
        let source = &shown(source);
        let keys = match keys {
            Some(keys) => keys,
            None => self.stated_keys(source, &federation)?,
        };
        let session_keys = keys.of_sessions()?.clone();
        let is_invite = InviteCode::is_one(text);
        let guardians = match self.guardians {
            WhichGuardians::Any if !is_invite => one_at(text, &federation, &named.api_secret),
            _ => federation.guardians(),
        };
        let history = LiveHistory::open(guardians, &session_keys).map_err(|error| of_live(&error))?;
        let history = Arc::new(history);
        let source = Source::Federation(FederationSource {
            rows: Box::new(history.clone()),
            layout: Layout::Blocks(session::modern()),
            name: source.to_owned(),
        });
        Ok(LiveSource { source, guardians: Some(LiveGuardians { history, federation }), keys })
    }

    /// Returns the epochs of a guardian of v0.1 as a source.
    fn epochs(
        &self,
        source: &Path,
        named: &Named,
        epochs: LiveEpochs,
        keys: Option<PinnedKeys>,
    ) -> Result<LiveSource, Failure> {
        let keys = keys.filter(|keys| keys.epoch.is_some()).ok_or_else(|| {
            let message =
                format!("{} is a guardian of v0.1, which does not state its keys", source.display());
            Failure::new(Exit::Usage, message).hint("give the consensus.json of v0.1 with --config")
        })?;
        if self.federation_id.is_some() || self.config_hash.is_some() {
            let message = "--federation-id and --config-hash are for federations since v0.2";
            return Err(Failure::new(Exit::Usage, message).hint("the keys that you gave are enough"));
        }
        let own = keys.config.as_ref().and_then(ConsensusConfig::federation);
        if let (Some(own), Some(id)) = (own, &named.federation)
            && own != *id
        {
            return Err(other_federation(id, &own));
        }
        let layout = Layout::Hbbft(epochs.layout());
        let rows = Box::new(epochs);
        let source = Source::Federation(FederationSource { rows, layout, name: source.to_owned() });
        Ok(LiveSource { source, guardians: None, keys })
    }

    /// Reads what the user named the federation by.
    fn named(&self, text: &str) -> Result<Named, Failure> {
        let federation = self.federation_id.as_deref().map(|id| hex_of("--federation-id", id)).transpose()?;
        let api_secret = env::var(API_SECRET).ok().filter(|secret| !secret.is_empty());
        let secret = |secret: String| Some(Arc::new(Zeroizing::new(secret)));
        if !InviteCode::is_one(text) {
            check_address(text)?;
            let api_secret = api_secret.and_then(secret);
            return Ok(Named { addresses: vec![text.to_owned()], federation, api_secret });
        }
        let code = InviteCode::parse(text).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let (web, iroh): (Vec<_>, Vec<_>) = code.addresses.values().partition(|url| !is_over_iroh(url));
        if !speaks_iroh() && web.is_empty() && !iroh.is_empty() {
            let message =
                "the invite code names guardians over iroh alone, which this program does not speak";
            return Err(Failure::new(Exit::CannotLook, message).hint(HOW_TO_SPEAK_IROH));
        }
        if federation.as_ref().is_some_and(|id| *id != code.federation) {
            let message = format!(
                "the invite code is of the federation {}, and --federation-id names another one",
                hex::encode(&code.federation)
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Named {
            addresses: code.addresses.into_values().collect(),
            federation: Some(code.federation),
            api_secret: api_secret.or(code.api_secret).and_then(secret),
        })
    }

    /// Returns the keys that the federation states, confirmed if the user named what pins them.
    fn stated_keys(&self, source: &Path, federation: &Federation) -> Result<PinnedKeys, Failure> {
        let config = &federation.config;
        let of = config.guardians.len();
        if config.broadcast_public_keys.is_empty() {
            let message = format!("{} states no keys that sign sessions", source.display());
            return Err(Failure::new(Exit::Usage, message).hint(
                "guardians before v0.4 tell clients no keys: give a guardian's consensus.json with --config, or a file \
                 of keys with --keys",
            ));
        }
        let session = SessionKeys::new(&config.broadcast_public_keys).map_err(|error| {
            Failure::new(Exit::CannotLook, format!("the keys that {} states: {error}", source.display()))
        })?;
        let has_keys_of_all = config.broadcast_public_keys.keys().eq(config.guardians.keys());
        if !has_keys_of_all {
            let message = format!("{} states keys of other guardians than it names", source.display());
            return Err(Failure::new(Exit::Findings, message));
        }
        let honest = session.guardians() - session.threshold() + 1;
        let guardians = federation.stated_by.len();
        let is_pinned = self.federation_id.is_some();
        Ok(PinnedKeys {
            path: PathBuf::from(source),
            is_found: !(is_pinned && guardians >= honest),
            epoch: None,
            session: Some(session),
            config: Some(config.clone()),
            stated: Some(StatedBy { guardians, of }),
        })
    }

    /// Compares the hash that the user named with that of the configuration that the user gave, or else with
    /// those that guardians state.
    fn check_config_hash(&self, federation: &Federation, keys: Option<&PinnedKeys>) -> Result<(), Failure> {
        let Some(named) = &self.config_hash else { return Ok(()) };
        let named = hex_of("--config-hash", named)?;
        let own = keys.and_then(|keys| keys.config.as_ref()?.hashes);
        let mut stated: Vec<String> = Vec::new();
        match own {
            Some(hashes) => {
                if [hashes.answered, hashes.whole].iter().any(|hash| hash.as_slice() == named) {
                    return Ok(());
                }
                stated.push(format!("the given configuration has {}", hex::encode(hashes.answered)));
            }
            None => {
                let hashes = wait(federation.config_hashes())?;
                if !hashes.is_empty() && hashes.values().all(|hash| *hash == named) {
                    return Ok(());
                }
                let of = |(peer, hash): (&PeerId, &Vec<u8>)| {
                    format!("guardian {peer} states {}", hex::encode(hash))
                };
                stated.extend(hashes.iter().map(of));
                if stated.is_empty() {
                    stated.push("no guardian states one".to_owned());
                }
            }
        }
        let message = format!("--config-hash is {}, and {}", hex::encode(&named), stated.join(", "));
        Err(Failure::new(Exit::Findings, message)
            .hint("it is another federation's, or was copied with a mistake"))
    }
}

/// Returns the name of a source without the secret that an invite code may hold.
pub fn shown(source: &Path) -> PathBuf {
    let code =
        source.to_str().filter(|_| is_federation(source)).and_then(|text| InviteCode::parse(text).ok());
    match code {
        Some(code) if code.api_secret.is_some() => {
            PathBuf::from(InviteCode { api_secret: None, ..code }.encode())
        }
        _ => source.to_owned(),
    }
}

/// Returns the guardian if it is one of v0.1, which serves epochs: the user has to name the keys of epochs, for
/// such a guardian does not state them to those who have no download token.
fn of_first_version(named: &Named, keys: Option<&PinnedKeys>) -> Result<Option<LiveEpochs>, Failure> {
    let is_code = named.federation.as_ref().is_some_and(|id| id.len() == FIRST_ID_BYTES);
    let has_keys = keys.is_some_and(|keys| keys.epoch.is_some());
    if !is_code && !has_keys {
        return Ok(None);
    }
    let url = named.addresses.first().cloned().unwrap_or_default();
    let guardian = Guardian::new(&url).with_api_secret(named.api_secret.clone());
    match LiveEpochs::open(guardian, EpochLayout::RELEASED) {
        Ok(epochs) => Ok(Some(epochs)),
        // The keys may be those of a later federation, too.
        Err(LiveError::Client(ClientError::Refused { .. })) if !is_code => Ok(None),
        Err(_) if !is_code && keys.is_some_and(|keys| keys.session.is_some()) => Ok(None),
        Err(error) => Err(of_live(&error)),
    }
}

/// Checks that a text is an address that is dialled.
fn check_address(text: &str) -> Result<(), Failure> {
    let (is_one, form) = match is_over_iroh(text) {
        true => (iroh_key(text).is_some(), "an address over iroh is iroh:// and the 64 hex digits of a key"),
        false => (authority(text, &["ws", "wss"], 443).is_some(), "an address is like wss://host:port/"),
    };
    if !is_one {
        let message = format!("{text:?} is not the address of a guardian");
        return Err(Failure::new(Exit::Usage, message).hint(form));
    }
    if is_over_iroh(text) && !speaks_iroh() {
        let message = format!("{text} is an address over iroh, which this program does not speak");
        return Err(Failure::new(Exit::CannotLook, message).hint(HOW_TO_SPEAK_IROH));
    }
    Ok(())
}

fn hex_of(option: &str, text: &str) -> Result<Vec<u8>, Failure> {
    hex::decode(text)
        .ok()
        .filter(|bytes| bytes.len() == 32)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("{option} is not the 64 hex digits of 32 bytes")))
}

/// Finds the federation. If the user gave a configuration, its guardians and keys count, and nobody's answer.
fn find(named: &Named, keys: Option<&PinnedKeys>) -> Result<Federation, Failure> {
    let Some(keys) = keys else { return wait(Federation::find(named))?.map_err(|error| of_find(&error)) };
    if let Some(config) = &keys.config {
        let own = config.federation();
        if let (Some(own), Some(id)) = (&own, &named.federation)
            && own != id
        {
            return Err(other_federation(id, own));
        }
        let given = Federation::of_config(config.clone(), named.api_secret.clone());
        let federation = wait(given)?.map_err(|error| of_find(&error))?;
        return Ok(federation);
    }
    let federation = wait(Federation::find(named))?.map_err(|error| of_find(&error))?;
    let stated = &federation.config.broadcast_public_keys;
    let session = keys.of_sessions()?;
    if !stated.is_empty() && *stated != session.compressed() {
        let message = "the federation states other keys than those that were given";
        return Err(Failure::new(Exit::Findings, message).hint("give the keys of this federation"));
    }
    Ok(federation)
}

fn other_federation(named: &[u8], own: &[u8]) -> Failure {
    let message = format!(
        "the federation {} was named, and the configuration that was given is of {}",
        hex::encode(named),
        hex::encode(own)
    );
    Failure::new(Exit::Findings, message).hint("give the configuration of this federation")
}

/// Returns the guardian at an address alone. If the configuration does not have the address, the guardian's
/// number is not known: it then has one that no guardian has.
fn one_at(url: &str, federation: &Federation, api_secret: &ApiSecret) -> BTreeMap<PeerId, Guardian> {
    let peer = federation.peer_at(url).unwrap_or(PeerId::MAX);
    BTreeMap::from([(peer, Guardian::new(url).with_api_secret(api_secret.clone()))])
}

fn wait<T>(answer: impl Future<Output = T>) -> Result<T, Failure> {
    wait_for(answer).map_err(|error| Failure::from_error(Exit::CannotLook, &error))
}

fn of_find(error: &FindError) -> Failure {
    let hint = match error {
        FindError::Client(ClientError::Unauthorized { .. }) => {
            Some("give the API secret in the variable FM_API_SECRET, or the invite code that has it")
        }
        FindError::Client(ClientError::Untrusted { .. }) => {
            Some("ask the guardian about it: somebody else may answer at this address")
        }
        FindError::Client(_) => Some("check the address, and that the guardian runs; try another guardian"),
        FindError::OtherFederation { .. } => Some("check the invite code, or the id"),
        FindError::AllOverIroh { .. } => Some(HOW_TO_SPEAK_IROH),
        _ => None,
    };
    let exit = match error {
        FindError::Client(ClientError::Unauthorized { .. }) => Exit::WrongKey,
        FindError::OtherFederation { .. } => Exit::Findings,
        _ => Exit::CannotLook,
    };
    Failure::from_error(exit, error).or_hint(hint)
}

fn of_live(error: &LiveError) -> Failure {
    Failure::from_error(Exit::CannotLook, error).or_hint(Some("try again later, or name other guardians"))
}

/// Returns the name of a guardian in the configuration.
pub fn guardian_name(config: &ConsensusConfig, peer: PeerId) -> String {
    if peer == PeerId::MAX {
        return "the guardian at this address, which the configuration does not have,".to_owned();
    }
    match config.guardians.get(&peer) {
        Some(guardian) => format!("guardian {peer} ({})", guardian.name),
        None => format!("guardian {peer}"),
    }
}
