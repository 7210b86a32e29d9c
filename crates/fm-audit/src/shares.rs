//! The shares inside an epoch against the signature on the epoch before.
//!
//! A threshold signature is unique: whichever valid shares are combined, the result is the one signature that
//! verifies. So shares can yield another signature than the stored one, or one where none is stored, only if
//! the stored one does not verify or is absent; only then are they combined, after each was checked alone, as
//! the servers did.

use std::collections::BTreeMap;

use fm_crypto::EpochKeys;
use fm_history::{Code, EpochContent, Finding, Hash, PeerId, Place, SignatureState};
use rayon::prelude::*;

use crate::{AuditedEpoch, DecodedEpoch};

/// An epoch without a valid signature of its own, waiting for the shares in the next one.
#[derive(Clone)]
pub(crate) struct Unsigned {
    number: u64,
    hash: Hash,
    stored: Option<[u8; 96]>,
}

impl Unsigned {
    fn from_epoch(key: u64, decoded: &DecodedEpoch) -> Option<Self> {
        match decoded.facts.signature {
            SignatureState::Valid | SignatureState::Unchecked => None,
            SignatureState::Absent | SignatureState::Invalid | SignatureState::Malformed(_) => {
                Some(Self { number: key, hash: decoded.facts.stored_hash, stored: decoded.epoch.signature })
            }
        }
    }
}

/// Checks the shares of each epoch of a chunk; `before` is the last epoch of the chunk before.
pub(crate) fn check_chunk(keys: &EpochKeys, chunk: &mut [AuditedEpoch], before: &mut Option<Unsigned>) {
    let mut waiting = before.take();
    let mut work: Vec<(&mut DecodedEpoch, Unsigned)> = Vec::new();
    for audited in chunk {
        let key = audited.key;
        let Ok(decoded) = &mut audited.decoded else {
            waiting = None;
            continue;
        };
        let next = Unsigned::from_epoch(key, decoded);
        if let Some(unsigned) = waiting.take().filter(|unsigned| unsigned.number.checked_add(1) == Some(key))
        {
            work.push((decoded, unsigned));
        }
        waiting = next;
    }
    *before = waiting;
    work.into_par_iter().for_each(|(decoded, unsigned)| {
        let shares = decoded.epoch.content.as_ref().map(EpochContent::shares).unwrap_or_default();
        decoded.shares.extend(check(keys, &unsigned, &shares));
    });
}

/// The most guardians that a federation with keys of this degree has; more shares, which a made-up record may hold
/// by the thousand, are not looked at.
///
/// The degree is never below the number of guardians that may fail, and they are fewer than a third of all.
fn most_guardians(degree: usize) -> usize {
    degree.saturating_mul(3).saturating_add(3)
}

fn check(keys: &EpochKeys, before: &Unsigned, shares: &BTreeMap<PeerId, [u8; 96]>) -> Option<Finding> {
    if shares.len() <= keys.degree() {
        return None;
    }
    let valid: BTreeMap<PeerId, [u8; 96]> = shares
        .iter()
        .take(most_guardians(keys.degree()))
        .filter(|(peer, share)| keys.verify_share(**peer, &before.hash.0, share).is_ok())
        .map(|(peer, share)| (*peer, *share))
        .collect();
    let combined = keys.combine(&valid).ok()?;
    let (code, stored) = match before.stored {
        None => (Code::ShareSignatureMissing, "none is stored"),
        Some(stored) if stored != combined => (Code::ShareSignatureDiffers, "another one is stored"),
        Some(_) => return None,
    };
    let message =
        format!("{} valid shares in the next epoch combine to a signature, and {stored}", valid.len());
    Some(Finding::new(code, Place::epoch(before.number), message))
}
