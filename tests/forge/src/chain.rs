//! The chain of epochs: hashes, shares, signatures, and the indexes that follow from the content.

use std::collections::BTreeMap;

use fm_codec::{Integers, Writer};
use fm_eras::hbbft::{Table, TableSet, encode_content, epoch_key, index_row};
use fm_history::{EpochItem, Hash, sha256};
use fm_store::{StoreError, StoreWriter};

use crate::content::{Ledger, Made};
use crate::keys::{Keys, Message};
use crate::random::Random;
use crate::spec::{Fate, ForgeSpec};

/// What a forge made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forged {
    /// The coefficients of the epoch keys, the federation's key first.
    pub coefficients: Vec<[u8; 48]>,
    /// The number of epochs.
    pub epochs: u64,
    /// The number of epochs with a signature.
    pub signed: u64,
    /// The number of epochs without a signature that a later signed epoch covers.
    pub covered: u64,
    /// The number of newest epochs that nothing signs.
    pub tip: u64,
    /// The last epoch with a signature.
    pub last_signed: Option<u64>,
    /// The hash of the last epoch.
    pub last_hash: Hash,
    /// The number of items in all contributions.
    pub items: u64,
    /// The number of items that a conversion carries over: accepted transactions and module items.
    pub kept: u64,
    /// The number of accepted transactions, which is the number of rows in their index.
    pub transactions: u64,
    /// The number of transaction ids in the sets of rejected ones, over all epochs.
    pub rejected_ids: u64,
    /// Items that a conversion does not carry over, by the reason's name.
    pub dropped: BTreeMap<&'static str, u64>,
    /// What was written to the database; rows written twice count twice.
    pub rows: fm_store::StoreSummary,
}

/// An epoch whose signature is not known yet.
struct Pending {
    number: u64,
    outcome: Vec<u8>,
    hash: Hash,
}

/// Writes the history, the index of transactions and that of rejected ones.
pub(crate) fn write_chain(
    spec: &ForgeSpec,
    keys: &Keys,
    writer: &mut StoreWriter,
    random: &mut Random,
) -> Result<Forged, StoreError> {
    let mut forged = Forged {
        coefficients: keys.epoch.coefficients.clone(),
        epochs: spec.epochs,
        tip: spec.tip,
        last_signed: spec.last_signed(),
        ..Forged::default()
    };
    let mut ledger = Ledger::new(spec, keys);
    let mut signer = Signer { spec, keys, older: BTreeMap::new() };
    let mut pending: Option<Pending> = None;
    for number in 0..spec.epochs {
        let more = random.below(usize::from(spec.guardians) - spec.threshold() + 1);
        let peers = random.subset(spec.guardians, spec.threshold() + more);
        let (shares, signature) = match &pending {
            Some(before) => signer.on_epoch(before, peers, random),
            None => (peers.into_iter().map(|peer| (peer, Vec::new())).collect(), None),
        };
        let made = ledger.epoch(shares, random);
        let last_hash = pending.as_ref().map(|before| before.hash);
        if let Some(before) = pending.take() {
            forged.signed += u64::from(signature.is_some());
            write_record(spec, &before, signature, writer)?;
        }
        let mut outcome = Writer::new(spec.layout.dialect);
        outcome.u64(number);
        outcome.option(last_hash.as_ref(), |writer, hash| writer.raw(&hash.0));
        encode_content(&made.content, &mut outcome);
        write_indexes(spec, number, &made, writer)?;
        forged.count(&made);
        let outcome = outcome.into_bytes();
        forged.last_hash = sha256(&[&outcome]);
        pending = Some(Pending { number, outcome, hash: forged.last_hash });
    }
    if let Some(last) = pending {
        write_record(spec, &last, None, writer)?;
    }
    writer.end_run()?;
    forged.covered = forged.epochs - forged.tip - forged.signed;
    Ok(forged)
}

fn write_record(
    spec: &ForgeSpec,
    epoch: &Pending,
    signature: Option<[u8; 96]>,
    writer: &mut StoreWriter,
) -> Result<(), StoreError> {
    let mut record = Writer::new(spec.layout.dialect);
    record.raw(&epoch.outcome);
    record.raw(&epoch.hash.0);
    record.option(signature.as_ref(), |writer, signature| writer.raw(signature));
    let key = epoch_key(epoch.number, spec.layout.dialect);
    match spec.layout.dialect.integers {
        // Little-endian keys do not sort by number.
        Integers::FixedLe => writer.put(&key, record.as_bytes()),
        Integers::FixedBe | Integers::BigSize => writer.push_sorted(&key, record.as_bytes()),
    }
}

fn write_indexes(
    spec: &ForgeSpec,
    number: u64,
    made: &Made,
    writer: &mut StoreWriter,
) -> Result<(), StoreError> {
    for transaction in &made.accepted {
        let (key, value) = index_row(transaction, number, &spec.layout);
        writer.put(&key, &value)?;
    }
    if spec.layout.tables == TableSet::Early {
        let mut reason = Writer::new(spec.layout.dialect);
        reason.text("the forge rejects it");
        for txid in &made.content.rejected {
            let key = [&[Table::RejectedTransaction.prefix()], txid.0.as_slice()].concat();
            writer.put(&key, reason.as_bytes())?;
        }
    }
    Ok(())
}

impl Forged {
    fn count(&mut self, made: &Made) {
        let accepted = made.accepted.len() as u64;
        self.transactions += accepted;
        self.kept += accepted;
        self.rejected_ids += made.content.rejected.len() as u64;
        let mut transactions = 0;
        for item in made.content.contributions.iter().flat_map(|contribution| &contribution.items) {
            self.items += 1;
            let reason = match item {
                EpochItem::Transaction(_) => {
                    transactions += 1;
                    continue;
                }
                EpochItem::Module(_) => {
                    self.kept += 1;
                    continue;
                }
                EpochItem::ConsensusUpgrade => "consensus_upgrade",
                EpochItem::ClientConfigSignatureShare(_) => "client_config_signature_share",
                EpochItem::EpochOutcomeSignatureShare(_) => "epoch_signature_share",
            };
            *self.dropped.entry(reason).or_default() += 1;
        }
        let rejected = transactions - accepted - made.repeated;
        for (reason, count) in [("transaction_repeated", made.repeated), ("transaction_rejected", rejected)] {
            if count > 0 {
                *self.dropped.entry(reason).or_default() += count;
            }
        }
    }
}

/// The shares that guardians contribute, by guardian.
type Shares = Vec<(u16, Vec<[u8; 96]>)>;

/// Makes the shares in an epoch and the signature of the previous epoch.
struct Signer<'a> {
    spec: &'a ForgeSpec,
    keys: &'a Keys,
    /// Shares of an earlier epoch, as contributed by a guardian that lags.
    older: BTreeMap<u16, [u8; 96]>,
}

impl Signer<'_> {
    fn on_epoch(
        &mut self,
        before: &Pending,
        peers: Vec<u16>,
        random: &mut Random,
    ) -> (Shares, Option<[u8; 96]>) {
        let fate = self.spec.fate(before.number);
        let needs_point = fate == Fate::Signed || (fate == Fate::TooFewShares && self.spec.with_shares);
        if !needs_point {
            return (peers.into_iter().map(|peer| (peer, Vec::new())).collect(), None);
        }
        let message = Message::new(&before.hash.0);
        let signature = (fate == Fate::Signed).then(|| self.keys.epoch.sign(message));
        if !self.spec.with_shares {
            return (peers.into_iter().map(|peer| (peer, Vec::new())).collect(), signature);
        }
        // The contributing guardians whose share is good.
        let all = u16::try_from(peers.len()).expect("no more guardians than peer ids");
        let spare = peers.len() - self.spec.threshold();
        let good = match fate {
            Fate::Signed => {
                let bad = (0..spare).filter(|_| random.percent(self.spec.bad_shares_percent)).count();
                peers.len() - bad
            }
            _ => random.below(self.spec.threshold()),
        };
        let good: Vec<u16> =
            random.subset(all, good).into_iter().map(|place| peers[usize::from(place)]).collect();
        let shares = peers
            .into_iter()
            .map(|peer| {
                let is_good = good.contains(&peer);
                (peer, self.shares_of(peer, is_good, message, random))
            })
            .collect();
        (shares, signature)
    }

    /// Returns the share items of one guardian; the last one counts.
    fn shares_of(
        &mut self,
        peer: u16,
        is_good: bool,
        message: Message,
        random: &mut Random,
    ) -> Vec<[u8; 96]> {
        let mut shares = Vec::new();
        if !is_good || random.percent(5) {
            let other = (peer + 1) % self.spec.guardians;
            match self.older.get(&peer) {
                Some(older) if random.percent(60) => shares.push(*older),
                _ if other != peer && random.percent(80) => {
                    shares.push(self.keys.epoch.share(other, message))
                }
                _ => {}
            }
        }
        if is_good {
            let share = self.keys.epoch.share(peer, message);
            self.older.insert(peer, share);
            shares.push(share);
        }
        shares
    }
}
