//! The shares inside an epoch against the signature on the epoch before.
//!
//! Shares that combine to the stored signature need no check of their own: the signature is unique. Only
//! where they do not are they checked one by one, as the servers did.

use std::collections::BTreeMap;

use fm_crypto::{Combiner, EpochKeys};
use fm_history::{Code, Finding, Hash, PeerId, Place, SignatureState};

use crate::AuditedEpoch;

/// The epoch before the one whose shares are looked at.
#[derive(Clone)]
pub(crate) struct Predecessor {
    number: u64,
    hash: Hash,
    signature: Option<[u8; 96]>,
    state: SignatureState,
}

/// Combines shares under one set of keys.
pub(crate) struct ShareCheck<'a> {
    keys: &'a EpochKeys,
    combiner: Combiner,
}

impl<'a> ShareCheck<'a> {
    pub(crate) fn new(keys: &'a EpochKeys) -> Self {
        Self { keys, combiner: Combiner::new(keys) }
    }

    /// Checks the shares of each epoch of a chunk against the epoch before it.
    pub(crate) fn check_chunk(&mut self, chunk: &mut [AuditedEpoch], before: &mut Option<Predecessor>) {
        for audited in chunk {
            let Ok(decoded) = &mut audited.decoded else {
                *before = None;
                continue;
            };
            let shares = decoded.epoch.content.as_ref().map(fm_history::EpochContent::shares);
            if let (Some(shares), Some(before)) = (shares, before.as_ref())
                && before.number.checked_add(1) == Some(audited.key)
            {
                decoded.shares.extend(self.check(before, &shares));
            }
            *before = Some(Predecessor {
                number: audited.key,
                hash: decoded.facts.stored_hash,
                signature: decoded.epoch.signature,
                state: decoded.facts.signature.clone(),
            });
        }
    }

    fn check(&mut self, before: &Predecessor, shares: &BTreeMap<PeerId, [u8; 96]>) -> Option<Finding> {
        if shares.len() <= self.keys.degree() {
            return None;
        }
        if before.state == SignatureState::Valid && self.combiner.combine(shares).ok() == before.signature {
            return None;
        }
        let valid: BTreeMap<PeerId, [u8; 96]> = shares
            .iter()
            .filter(|(peer, share)| self.keys.verify_share(**peer, &before.hash.0, share).is_ok())
            .map(|(peer, share)| (*peer, *share))
            .collect();
        let combined = self.combiner.combine(&valid).ok()?;
        let place = Place::epoch(before.number);
        match before.signature {
            Some(stored) if stored == combined => None,
            Some(_) => {
                let message = format!(
                    "{} valid shares in the next epoch combine to another signature than the stored one",
                    valid.len()
                );
                Some(Finding::new(Code::ShareSignatureDiffers, place, message))
            }
            None => {
                let message = format!(
                    "{} valid shares in the next epoch combine to a signature, and none is stored",
                    valid.len()
                );
                Some(Finding::new(Code::ShareSignatureMissing, place, message))
            }
        }
    }
}
