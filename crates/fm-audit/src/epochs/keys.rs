//! The test whether the keys belong to this federation: they are tried on a few signatures before the whole
//! history is checked.

use std::collections::BTreeSet;

use fm_crypto::EpochKeys;
use fm_eras::hbbft::{EpochLayout, LAST_EPOCH_KEY, decode_epoch, decode_last_epoch, epoch_key};
use fm_history::{Code, Finding, Place};

use crate::error::AuditError;
use crate::source::Origin;

/// The number of places spread evenly over the history.
const EVEN: u64 = 8;
/// The number of random places, so that nobody can choose which signatures are tried.
const RANDOM: usize = 8;
/// The number of newest epochs that are searched for one with a signature.
const NEWEST: u64 = 64;

/// Returns a finding if the keys verify none of the signatures that are tried.
///
/// If few of many signatures are valid, chance decides whether they are reported as one finding or as one for
/// each signature; it decides nothing else.
pub(crate) fn try_keys(
    origin: Origin<'_>,
    layout: EpochLayout,
    keys: &EpochKeys,
) -> Result<Option<Finding>, AuditError> {
    let samples = Samples { origin, layout };
    let signed = samples.take()?;
    // One bad signature is damage of one epoch, and is reported as such.
    if signed.len() < 2 || keys.verify_batch(&signed).iter().any(Result::is_ok) {
        return Ok(None);
    }
    let message = format!(
        "none of the {} signatures looked at verifies: these are the keys of another federation, or the database \
         is damaged",
        signed.len()
    );
    Ok(Some(Finding::new(Code::WrongKeys, Place::everywhere(), message)))
}

/// A hash and the signature over it.
type Signed = ([u8; 32], [u8; 96]);

struct Samples<'a> {
    origin: Origin<'a>,
    layout: EpochLayout,
}

impl Samples<'_> {
    fn take(&self) -> Result<Vec<Signed>, AuditError> {
        let pointer = self.get(&LAST_EPOCH_KEY)?;
        let last = pointer.and_then(|value| decode_last_epoch(&value, self.layout.dialect).ok()).unwrap_or(0);
        let mut places = spread(last)?;
        for place in (last.saturating_sub(NEWEST)..=last).rev() {
            if self.signed(place)?.is_some() {
                places.insert(place);
                break;
            }
        }
        places.into_iter().filter_map(|place| self.signed(place).transpose()).collect()
    }

    fn signed(&self, epoch: u64) -> Result<Option<Signed>, AuditError> {
        let value = self.get(&epoch_key(epoch, self.layout.dialect))?;
        let epoch = value.and_then(|value| decode_epoch(&value, &self.layout).ok());
        Ok(epoch.and_then(|epoch| Some((epoch.stored_hash.0, epoch.signature?))))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, AuditError> {
        self.origin.rows.get(key).map_err(|source| self.origin.unreadable(source))
    }
}

/// Returns places in a history that ends, or claims to end, at `last`.
fn spread(last: u64) -> Result<BTreeSet<u64>, AuditError> {
    let mut random = [[0; 8]; RANDOM];
    getrandom::fill(random.as_flattened_mut()).map_err(AuditError::Randomness)?;
    let scaled = |part: u64, parts: u128| {
        // 128 bits: the database may state any value of `last`.
        u64::try_from(u128::from(last) * u128::from(part) / parts).unwrap_or(last)
    };
    let even = (0..EVEN).map(|part| scaled(part, u128::from(EVEN)));
    let random = random.into_iter().map(|bytes| scaled(u64::from_le_bytes(bytes), u128::from(u64::MAX)));
    Ok(even.chain(random).collect())
}
