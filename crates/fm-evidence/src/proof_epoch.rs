//! Proofs of items in epochs: the whole epoch, and the chain of later epochs up to a signed one.

use fm_audit::{Origin, TrustedKeys, read_entry};
use fm_eras::Layout;
use fm_eras::hbbft::{EpochLayout, decode_epoch};
use fm_history::{Entry, Epoch};
use serde::{Deserialize, Serialize};

use crate::proof::{ProofError, ProvenItem};
use crate::reading::other_epoch;
use crate::sealed_json::hex_bytes;

/// The largest number of epochs in a chain, and of bytes in its records.
const MAX_EPOCHS: usize = 1000;
const MAX_BYTES: usize = 64 << 20;

/// The part of a proof that shows an item of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpochProof {
    /// The record of the epoch and the records after it; the last one is signed.
    records: Vec<RecordHex>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct RecordHex(#[serde(with = "hex_bytes")] Vec<u8>);

impl EpochProof {
    /// Collects the records up to the first one with a valid signature.
    pub(crate) fn make(
        history: &Origin<'_>,
        index: u64,
        record: &[u8],
        keys: TrustedKeys<'_>,
    ) -> Result<Self, ProofError> {
        let mut records = vec![RecordHex(record.to_vec())];
        let (mut bytes, mut number) = (record.len(), index);
        loop {
            let last = records.last().map_or(&[][..], |record| &record.0);
            let signers = keys.signers(number, last, &history.layout);
            if signers.federation && signers.threshold_met != Some(false) {
                return Ok(Self { records });
            }
            let Some(next) = number.checked_add(1) else { break };
            let Some(record) = history.record(next)? else { break };
            (bytes, number) = (bytes + record.len(), next);
            if records.len() >= MAX_EPOCHS || bytes > MAX_BYTES {
                let reason = format!(
                    "no epoch from {index} to {next} carries a signature that holds: that is too many for a proof"
                );
                return Err(ProofError::Unsigned { reason });
            }
            records.push(RecordHex(record));
        }
        let reason = format!("no epoch from {index} on carries a signature that holds");
        Err(ProofError::Unsigned { reason })
    }

    /// Checks everything except the signature; the result contains its verdict.
    pub(crate) fn check(
        &self,
        index: u64,
        item: u64,
        layout: &EpochLayout,
        is_known: bool,
        keys: TrustedKeys<'_>,
    ) -> Result<ProvenItem, ProofError> {
        let form = Layout::Hbbft(*layout);
        let refuse =
            |place: usize, reason: String| ProofError::Epoch { place: format!("records[{place}]"), reason };
        if self.records.len() > MAX_EPOCHS {
            return Err(refuse(MAX_EPOCHS, format!("a proof has at most {MAX_EPOCHS} records")));
        }
        let mut before: Option<Epoch> = None;
        for (place, record) in self.records.iter().enumerate() {
            let epoch = decode_epoch(&record.0, layout).map_err(|error| refuse(place, error.to_string()))?;
            let number = index.checked_add(place as u64);
            if number != Some(epoch.number) {
                let number =
                    number.map_or("one beyond the largest number".to_owned(), |number| number.to_string());
                return Err(refuse(place, format!("it is epoch {}, and not {number}", epoch.number)));
            }
            if before.is_some_and(|before| epoch.last_hash != Some(before.computed_hash)) {
                return Err(refuse(place, "it does not continue the epoch before".to_owned()));
            }
            before = Some(epoch);
        }
        let (Some(first), Some(signed)) = (self.records.first(), before) else {
            return Err(refuse(0, "there is no record".to_owned()));
        };
        let entry: Entry = read_entry(index, &first.0, &form).map_err(|reason| refuse(0, reason))?;
        if let Some(other) = other_epoch(index, &first.0, layout, &entry).filter(|_| !is_known) {
            let reason = format!(
                "in the layout {other} these bytes are another epoch: name the layout that you know to be right"
            );
            return Err(refuse(0, reason));
        }
        let count = entry.known_items().len();
        let place = usize::try_from(item).unwrap_or(usize::MAX);
        let facts = entry.items.unwrap_or_default().into_iter().nth(place);
        let facts = facts.ok_or(ProofError::NoSuchItem { item: place, count })?;
        let last = self.records.last().map_or(&[][..], |record| &record.0);
        Ok(ProvenItem {
            layout: form,
            index,
            item,
            count: count as u64,
            facts,
            hash: signed.computed_hash,
            signed_index: signed.number,
            signers: keys.signers(signed.number, last, &form),
        })
    }
}
