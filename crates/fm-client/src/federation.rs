//! Finds a running federation: its configuration as its guardians state it, and their addresses.
//!
//! Invariant: nothing that is found here is proven. Anybody may answer at the named address; the caller has to
//! say what the keys of the configuration rest on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fm_crypto::{ConfigError, ConsensusConfig};
use fm_history::PeerId;
use fm_rpc::ClientError;
use futures::future::join_all;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::address::{authority, iroh_key};
use crate::announcement::Announcement;
use crate::guardian::Guardian;
use crate::iroh::speaks_iroh;
use crate::metadata::StatedAddresses;

/// How long a guardian may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The secret of a federation's interfaces.
pub type ApiSecret = Option<Arc<Zeroizing<String>>>;

/// What a federation is found by.
#[derive(Clone, Debug)]
pub struct Named {
    /// Addresses of guardians.
    pub addresses: Vec<String>,
    /// The id that the federation must have.
    pub federation: Option<Vec<u8>>,
    /// The secret of its interfaces.
    pub api_secret: ApiSecret,
}

/// A federation that was found.
#[derive(Debug)]
pub struct Federation {
    /// Its configuration, as guardians state it to clients.
    pub config: ConsensusConfig,
    /// The guardians that state exactly this configuration, with its keys. Those that state no keys, as before v0.4,
    /// are neither here nor among the others.
    pub stated_by: Vec<PeerId>,
    /// Why each of the others does not.
    pub others: BTreeMap<PeerId, FindError>,
    /// The addresses of each guardian that can be dialled, the newest first.
    addresses: BTreeMap<PeerId, Vec<String>>,
    api_secret: ApiSecret,
}

/// Why a federation is not found, or a guardian does not state its configuration.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// A guardian does not answer, or answers with an error.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Its answer is not a configuration.
    #[error("what {url} states is not a configuration: {source}")]
    Config { url: String, source: ConfigError },
    /// It is a guardian of another federation than the named one.
    #[error("{url} is a guardian of the federation {found}, and {named} was named")]
    OtherFederation {
        url: String,
        /// In hex; `unknown` if an address is written in a form whose hash is not known.
        found: String,
        /// In hex.
        named: String,
    },
    /// It states another configuration than the guardian that was asked first.
    #[error("{url} states another configuration than the others")]
    OtherConfig { url: String },
    /// It cannot be dialled.
    #[error("it is reached over iroh alone ({url}), which this program does not speak")]
    OverIroh { url: String },
    /// No guardian of the federation can be dialled.
    #[error("the guardians are reached over iroh alone, which this program does not speak: {guardians}")]
    AllOverIroh { guardians: String },
    /// No address was named.
    #[error("no address of a guardian is known")]
    NoAddress,
}

impl Federation {
    /// Finds a federation by an address of a guardian.
    ///
    /// # Errors
    /// If no address answers, or those that do are not of the named federation; the error is that of the
    /// first address.
    pub async fn find(named: &Named) -> Result<Self, FindError> {
        let answers = named.addresses.iter().map(|url| async move {
            let guardian = Guardian::new(url).with_api_secret(named.api_secret.clone());
            stated_config(&guardian, named.federation.as_deref()).await
        });
        let mut first_error = None;
        for answer in join_all(answers).await {
            match answer {
                Ok(config) => return Self::around(config, named.api_secret.clone(), true).await,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(FindError::NoAddress))
    }

    /// Finds the guardians of a configuration that is known, and which of them state it.
    ///
    /// # Errors
    /// If none of its guardians can be dialled.
    pub async fn of_config(config: ConsensusConfig, api_secret: ApiSecret) -> Result<Self, FindError> {
        Self::around(config, api_secret, false).await
    }

    /// Asks the guardians of a configuration for theirs. If the configuration is only that of the guardian
    /// that was asked first, the one that most of them state takes its place.
    async fn around(
        config: ConsensusConfig,
        api_secret: ApiSecret,
        is_open: bool,
    ) -> Result<Self, FindError> {
        let (dialled, over_iroh): (BTreeMap<_, _>, BTreeMap<_, _>) =
            config.guardians.iter().partition(|(_, guardian)| speaks_iroh() || !guardian.is_over_iroh());
        if dialled.is_empty() {
            let names = over_iroh.iter().map(|(peer, guardian)| format!("{peer} ({})", guardian.name));
            return Err(FindError::AllOverIroh { guardians: names.collect::<Vec<_>>().join(", ") });
        }
        let mut others: BTreeMap<PeerId, FindError> = over_iroh
            .into_iter()
            .map(|(peer, guardian)| (*peer, FindError::OverIroh { url: guardian.url.clone() }))
            .collect();
        let asked = dialled.into_iter().map(|(peer, guardian)| {
            let guardian = Guardian::new(&guardian.url).with_api_secret(api_secret.clone());
            async move {
                let answers = futures::join!(stated_config(&guardian, None), Announcements::ask(&guardian));
                (*peer, guardian.url().to_owned(), answers)
            }
        });
        let answers = join_all(asked).await;
        let mut addresses: BTreeMap<PeerId, Vec<String>> =
            answers.iter().map(|(peer, url, _)| (*peer, vec![url.clone()])).collect();
        let stated = answers.iter().filter_map(|(_, _, (stated, _))| stated.as_ref().ok());
        let config = if is_open { most_stated(&config, &stated.collect::<Vec<_>>()) } else { config };
        let (mut stated_by, mut newest) = (Vec::new(), Announced::default());
        for (peer, url, (stated, announcements)) in answers {
            newest.merge(announcements.of(&config));
            match stated {
                Ok(stated) if !is_same(&stated, &config) => {
                    drop(others.insert(peer, FindError::OtherConfig { url }));
                }
                Ok(stated) if stated.broadcast_public_keys.is_empty() => {}
                Ok(_) => stated_by.push(peer),
                Err(error) => drop(others.insert(peer, error)),
            }
        }
        newest.add_to(&mut addresses);
        Ok(Self { config, stated_by, others, addresses, api_secret })
    }

    /// Returns the guardians that can be dialled.
    pub fn guardians(&self) -> BTreeMap<PeerId, Guardian> {
        let guardian = |urls: &Vec<String>| {
            let (first, others) = urls.split_first()?;
            let guardian = Guardian::new(first).with_api_secret(self.api_secret.clone());
            Some(others.iter().fold(guardian, |guardian, url| guardian.or_at(url)))
        };
        self.addresses.iter().filter_map(|(peer, urls)| Some((*peer, guardian(urls)?))).collect()
    }

    /// Returns the hash of its configuration that each guardian states.
    pub async fn config_hashes(&self) -> BTreeMap<PeerId, Vec<u8>> {
        let asked = self.guardians().into_iter().map(|(peer, guardian)| async move {
            let method = "server_config_consensus_hash";
            let hash: String = guardian.ask_for(method, None, &Value::Null, PATIENCE).await.ok()?;
            Some((peer, hex::decode(hash).ok()?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Returns the guardian with an address of the configuration, or that announced it.
    pub fn peer_at(&self, url: &str) -> Option<PeerId> {
        let place = place_of(url)?;
        let is_it = |urls: &Vec<String>| urls.iter().any(|known| place_of(known).as_ref() == Some(&place));
        self.addresses.iter().find_map(|(peer, urls)| is_it(urls).then_some(*peer))
    }
}

/// Returns host and port of an address, or the key of one over iroh.
fn place_of(url: &str) -> Option<String> {
    let url = url.to_ascii_lowercase();
    if let Some(key) = iroh_key(&url) {
        return Some(hex::encode(key));
    }
    authority(&url, &["ws"], 80).or_else(|| authority(&url, &["wss"], 443))
}

/// Returns whether what a guardian states says the same to clients as another configuration. One before v0.4
/// states no keys, which is no difference.
fn is_same(stated: &ConsensusConfig, known: &ConsensusConfig) -> bool {
    let keys = &stated.broadcast_public_keys;
    (keys.is_empty() || *keys == known.broadcast_public_keys)
        && stated.guardians == known.guardians
        && stated.modules == known.modules
}

/// Returns the configuration that most guardians state; of equally many, the first one.
fn most_stated(first: &ConsensusConfig, stated: &[&ConsensusConfig]) -> ConsensusConfig {
    let is_alike = |other: &ConsensusConfig, config: &ConsensusConfig| {
        is_same(other, config) && other.module_configs == config.module_configs
    };
    let of = |config: &ConsensusConfig| stated.iter().filter(|other| is_alike(other, config)).count();
    let mut most = (of(first), first);
    for config in stated.iter().filter(|config| config.guardians == first.guardians) {
        let has_more_keys =
            most.1.broadcast_public_keys.is_empty() && !config.broadcast_public_keys.is_empty();
        if of(config) > most.0 || (has_more_keys && of(config) == most.0) {
            most = (of(config), config);
        }
    }
    most.1.clone()
}

async fn stated_config(guardian: &Guardian, expected: Option<&[u8]>) -> Result<ConsensusConfig, FindError> {
    let answer = guardian.ask("client_config", None, &Value::Null, PATIENCE).await?;
    let url = || guardian.url().to_owned();
    let config =
        ConsensusConfig::of_client(&answer).map_err(|source| FindError::Config { url: url(), source })?;
    let found = config.federation();
    match expected {
        Some(named) if found.as_deref() != Some(named) => Err(FindError::OtherFederation {
            url: url(),
            found: found.map_or_else(|| "unknown".to_owned(), hex::encode),
            named: hex::encode(named),
        }),
        _ => Ok(config),
    }
}

/// The newest addresses that each guardian signed.
#[derive(Debug, Default)]
struct Announced {
    announcements: BTreeMap<PeerId, Announcement>,
    stated: BTreeMap<PeerId, StatedAddresses>,
}

impl Announced {
    fn merge(&mut self, other: Self) {
        for (peer, found) in other.announcements {
            let known = self.announcements.get(&peer);
            if known.is_none_or(|known| known.nonce < found.nonce) {
                self.announcements.insert(peer, found);
            }
        }
        for (peer, found) in other.stated {
            if self.stated.get(&peer).is_none_or(|known| known.time < found.time) {
                self.stated.insert(peer, found);
            }
        }
    }

    /// Puts the new addresses before those of the configuration.
    fn add_to(self, addresses: &mut BTreeMap<PeerId, Vec<String>>) {
        let announced = self.announcements.into_iter().map(|(peer, found)| (peer, vec![found.url]));
        let stated = self.stated.into_iter().map(|(peer, found)| (peer, found.urls));
        for (peer, urls) in announced.chain(stated) {
            let known = addresses.entry(peer).or_default();
            for url in urls.into_iter().rev() {
                known.retain(|known| *known != url);
                known.insert(0, url);
            }
        }
    }
}

/// What a guardian says that it and the others announced, not verified yet.
#[derive(Debug)]
struct Announcements {
    announcements: Option<Value>,
    metadata: Option<Value>,
}

impl Announcements {
    /// Asks a guardian. One that has no such method announces nothing.
    async fn ask(guardian: &Guardian) -> Self {
        let (announcements, metadata) = futures::join!(
            guardian.ask("api_announcements", None, &Value::Null, PATIENCE),
            guardian.ask("guardian_metadata", None, &Value::Null, PATIENCE)
        );
        Self { announcements: announcements.ok(), metadata: metadata.ok() }
    }

    /// Returns what the guardians of a configuration signed of it.
    fn of(&self, config: &ConsensusConfig) -> Announced {
        let mut announced = Announced::default();
        for (peer, key) in &config.broadcast_public_keys {
            let of_peer = |answer: &Option<Value>| answer.as_ref()?.get(peer.to_string()).cloned();
            let found = of_peer(&self.announcements).and_then(|value| Announcement::from_json(&value));
            if let Some(found) = found.filter(|found| found.is_an_address() && found.is_signed_by(key)) {
                announced.announcements.insert(*peer, found);
            }
            let stated = of_peer(&self.metadata).and_then(|value| StatedAddresses::read(&value, key));
            announced.stated.extend(stated.map(|stated| (*peer, stated)));
        }
        announced
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(key: &str) -> ConsensusConfig {
        let keys = if key.is_empty() { json!(null) } else { json!({ "0": format!("02{}", key.repeat(32)) }) };
        let endpoints = json!({ "0": { "url": "ws://a/", "name": "a" } });
        let config = json!({ "api_endpoints": endpoints, "broadcast_public_keys": keys, "modules": {} });
        ConsensusConfig::of_client(&config).unwrap()
    }

    #[test]
    fn what_most_state_takes_the_place_of_what_one_stated() {
        let [lie, truth, old] = ["01", "02", ""].map(config);
        assert_eq!(most_stated(&lie, &[&lie, &truth, &truth]), truth);
        assert_eq!(most_stated(&lie, &[&lie, &truth, &old, &truth]), truth);
        assert_eq!(most_stated(&old, &[&old, &truth, &truth]), truth, "it says more");
        assert_eq!(most_stated(&truth, &[&truth, &lie]), truth);
        assert_eq!(most_stated(&truth, &[]), truth);
    }

    #[test]
    fn an_address_is_known_however_it_is_written() {
        for (one, other) in
            [("wss://a.b/", "wss://A.B:443"), ("ws://a:80/", "ws://a"), ("ws://a:1/x", "ws://a:1")]
        {
            assert_eq!(place_of(one), place_of(other));
        }
        assert_ne!(place_of("ws://a/"), place_of("wss://a/"));
    }
}
