//! Checks that a guardian's files all belong to one guardian.

use fm_crypto::{ConsensusConfig, PrivateConfig};
use fm_datadir::{CONSENSUS, LOCAL};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::error::FilesError;

/// Checks that secrets belong to a guardian of a federation, and that it has all keys that it needs to be
/// reached.
///
/// # Errors
/// [`FilesError::Mixed`], with what does not match.
pub fn belongs(
    consensus: &ConsensusConfig,
    me: u16,
    private: &PrivateConfig,
    file: &str,
) -> Result<(), FilesError> {
    let unfit = whose_key(consensus, me, private, file)
        .or_else(|| which_modules(consensus, private, file))
        .or_else(|| how_reached(consensus, me, private, file));
    unfit.map_or(Ok(()), |what| Err(FilesError::Mixed { what }))
}

/// Returns a message about a key that is not the guardian's.
fn whose_key(consensus: &ConsensusConfig, me: u16, private: &PrivateConfig, file: &str) -> Option<String> {
    let (own, keys) = (private.signing_key().public_key(), &consensus.broadcast_public_keys);
    let Some(expected) = keys.get(&me) else {
        let count = keys.len();
        return Some(format!(
            "{LOCAL} says guardian {me}, and {CONSENSUS} has the keys of {count}: they are not of one federation"
        ));
    };
    if *expected == own {
        return None;
    }
    Some(match keys.iter().find(|(_, key)| **key == own) {
        Some((other, _)) => format!(
            "{file} holds the key of guardian {other}, and not the key of guardian {me}, which this is by {LOCAL}"
        ),
        None => format!(
            "{file} does not hold the key of guardian {me} of {CONSENSUS}, nor of any other: it is of another federation"
        ),
    })
}

/// Returns a message about secrets of modules that the federation does not have.
fn which_modules(consensus: &ConsensusConfig, private: &PrivateConfig, file: &str) -> Option<String> {
    private.modules.iter().find_map(|(instance, kind)| match consensus.modules.get(instance) {
        Some(other) if other == kind => None,
        Some(other) => Some(format!("module {instance} is {kind} in {file} and {other} in {CONSENSUS}")),
        None => Some(format!("{file} has secrets of module {instance}, which {CONSENSUS} does not name")),
    })
}

/// Returns a message about a guardian that lacks the keys it is reached with.
fn how_reached(consensus: &ConsensusConfig, me: u16, private: &PrivateConfig, file: &str) -> Option<String> {
    let Some(guardian) = consensus.guardians.get(&me) else {
        return Some(format!("{CONSENSUS} does not say where guardian {me} is reached"));
    };
    if !guardian.is_over_iroh() {
        let has_links = consensus.guardians.len() > 1;
        return (has_links && private.tls_key.is_none()).then(|| {
            format!("{file} has no tls_key, and the guardians of {CONSENSUS} reach each other over TLS")
        });
    }
    for (name, key) in [("iroh_api_sk", &private.iroh_api_key), ("iroh_p2p_sk", &private.iroh_p2p_key)] {
        if key.is_none() {
            return Some(format!(
                "{file} has no {name}, and guardian {me} of {CONSENSUS} is reached over iroh"
            ));
        }
    }
    let derived = private.iroh_api_key.as_ref().and_then(|key| public_of(key));
    let is_own = derived.is_some_and(|key| guardian.url == format!("iroh://{key}"));
    (!is_own).then(|| {
        format!("iroh_api_sk in {file} is not the key that guardian {me} of {CONSENSUS} is reached by")
    })
}

/// Returns the public key of an iroh secret key, in hex.
fn public_of(secret: &[u8; 32]) -> Option<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(secret).ok()?;
    Some(hex::encode(pair.public_key()))
}
