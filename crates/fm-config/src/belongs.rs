//! Whether a guardian's files are one guardian's.

use fm_crypto::{ConsensusConfig, PrivateConfig};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::error::FilesError;
use crate::{CONSENSUS, LOCAL};

/// Checks that secrets are those of a guardian of a federation, and that it has all that it is reached with.
///
/// # Errors
/// [`FilesError::Mixed`], with what does not fit.
pub fn belongs(
    consensus: &ConsensusConfig,
    me: u16,
    private: &PrivateConfig,
    file: &str,
) -> Result<(), FilesError> {
    let mixed = |what: String| Err(FilesError::Mixed { what });
    let own = private.signing_key().public_key();
    let keys = &consensus.broadcast_public_keys;
    let Some(expected) = keys.get(&me) else {
        let count = keys.len();
        return mixed(format!(
            "{LOCAL} says guardian {me}, and {CONSENSUS} has the keys of {count}: they are not of one federation"
        ));
    };
    if *expected != own {
        return mixed(match keys.iter().find(|(_, key)| **key == own) {
            Some((other, _)) => format!(
                "{file} holds the key of guardian {other}, and not the key of guardian {me}, which this is by {LOCAL}"
            ),
            None => format!(
                "{file} does not hold the key of guardian {me} of {CONSENSUS}, nor of any other: it is of another federation"
            ),
        });
    }
    for (instance, kind) in &private.modules {
        match consensus.modules.get(instance) {
            Some(other) if other != kind => {
                return mixed(format!("module {instance} is {kind} in {file} and {other} in {CONSENSUS}"));
            }
            Some(_) => {}
            None => {
                return mixed(format!(
                    "{file} has secrets of module {instance}, which {CONSENSUS} does not name"
                ));
            }
        }
    }
    let Some(guardian) = consensus.guardians.get(&me) else {
        return mixed(format!("{CONSENSUS} does not say where guardian {me} is reached"));
    };
    if !guardian.is_over_iroh() {
        let needs_tls = consensus.guardians.len() > 1 && private.tls_key.is_none();
        return match needs_tls {
            true => mixed(format!(
                "{file} has no tls_key, and the guardians of {CONSENSUS} reach each other over TLS"
            )),
            false => Ok(()),
        };
    }
    for (name, key) in [("iroh_api_sk", &private.iroh_api_key), ("iroh_p2p_sk", &private.iroh_p2p_key)] {
        if key.is_none() {
            return mixed(format!(
                "{file} has no {name}, and guardian {me} of {CONSENSUS} is reached over iroh"
            ));
        }
    }
    let derived = private.iroh_api_key.as_ref().and_then(|key| public_of(key));
    if derived.map(|key| format!("iroh://{key}")).as_deref() != Some(&guardian.url) {
        return mixed(format!(
            "iroh_api_sk in {file} is not the key that guardian {me} of {CONSENSUS} is reached by"
        ));
    }
    Ok(())
}

/// The public key of a secret one of iroh, in hex.
fn public_of(secret: &[u8; 32]) -> Option<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(secret).ok()?;
    Some(hex::encode(pair.public_key()))
}
