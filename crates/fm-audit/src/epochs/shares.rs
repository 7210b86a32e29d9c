//! The comparison of the shares inside an epoch with the signature on the previous epoch.
//!
//! A threshold signature is unique: whichever valid shares are combined, the result is the one signature that
//! verifies. Shares can therefore yield something new only if the stored signature does not verify or is
//! absent. Only then are they combined, after each share was checked by itself, as the servers did.
//!
//! Invariant: the keys bound the number of shares that are tried; the content of the epoch does not.

use std::collections::BTreeMap;

use fm_crypto::EpochKeys;
use fm_history::{Code, EpochContent, Finding, Hash, PeerId, Place, SignatureState};
use rayon::prelude::*;

use super::pipeline::{AuditedEpoch, DecodedEpoch};
use crate::control::Control;

/// The number of peers whose shares are tried if the keys imply fewer.
const LEAST_PEERS_TRIED: u16 = 100;

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

/// Checks the shares of each epoch of a chunk; `before` is the last epoch of the previous chunk.
///
/// If the job is interrupted, the rest is left out.
pub(crate) fn check_chunk(
    keys: &EpochKeys,
    control: Control<'_>,
    chunk: &mut [AuditedEpoch],
    before: &mut Option<Unsigned>,
) {
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
        decoded.shares.extend(check(keys, control, &unsigned, shares));
    });
}

/// Returns a generous bound for the number of peers of a federation with these keys: of n guardians,
/// (n - 1) / 3 may be faulty, and that is the degree.
fn most_peers(keys: &EpochKeys) -> PeerId {
    LEAST_PEERS_TRIED.max(PeerId::try_from(3 * (keys.degree() + 1)).unwrap_or(PeerId::MAX))
}

fn check(
    keys: &EpochKeys,
    control: Control<'_>,
    before: &Unsigned,
    mut shares: BTreeMap<PeerId, [u8; 96]>,
) -> Vec<Finding> {
    if shares.len() <= keys.degree() {
        return Vec::new();
    }
    let most = most_peers(keys);
    let strangers = shares.split_off(&most);
    let mut findings = Vec::new();
    if !strangers.is_empty() {
        let message = format!(
            "{} shares are of peers from {most} on, which no federation with these keys has; they were not tried",
            strangers.len()
        );
        let place = Place::epoch(before.number.saturating_add(1));
        findings.push(Finding::new(Code::SharesLeftOut, place, message));
    }
    let valid: BTreeMap<PeerId, [u8; 96]> = shares
        .into_iter()
        .take_while(|_| control.check().is_ok())
        .filter(|(peer, share)| keys.verify_share(*peer, &before.hash.0, share).is_ok())
        .take(keys.degree() + 1)
        .collect();
    findings.extend(compare(keys, before, &valid));
    findings
}

/// Compares the signature that valid shares combine to with the stored one.
fn compare(keys: &EpochKeys, before: &Unsigned, valid: &BTreeMap<PeerId, [u8; 96]>) -> Option<Finding> {
    let combined = keys.combine(valid).ok()?;
    let (code, stored) = match before.stored {
        None => (Code::ShareSignatureMissing, "none is stored"),
        Some(stored) if stored != combined => (Code::ShareSignatureDiffers, "another one is stored"),
        Some(_) => return None,
    };
    let message =
        format!("{} valid shares in the next epoch combine to a signature, and {stored}", valid.len());
    Some(Finding::new(code, Place::epoch(before.number), message))
}
