//! What the guardians contribute to an epoch, apart from the shares of its predecessor's signature.

use std::collections::BTreeSet;

use fm_codec::{Encode, ModuleValue, Writer};
use fm_history::{Contribution, EpochContent, EpochItem, EpochTransaction, Hash, sha256};

use crate::keys::{Keys, Message};
use crate::random::Random;
use crate::spec::ForgeSpec;

/// The number of earlier transactions that are kept in order to submit them again.
const REMEMBERED: usize = 64;

/// The content of an epoch, and the result of processing it.
pub(crate) struct Made {
    pub(crate) content: EpochContent,
    /// The transactions that it accepts, in processing order.
    pub(crate) accepted: Vec<EpochTransaction>,
    /// The number of transaction items that follow an accepted one with the same id.
    pub(crate) repeated: u64,
}

/// What later epochs refer to.
pub(crate) struct Ledger<'a> {
    spec: &'a ForgeSpec,
    /// Each guardian's share of the client config's signature.
    config_shares: Vec<[u8; 96]>,
    accepted: Vec<EpochTransaction>,
    rejected: Vec<EpochTransaction>,
    /// The number of module values made so far. Each value carries its number, so no two transactions are
    /// equal by chance.
    values: u64,
}

/// An epoch that is being made.
struct Draft {
    peers: Vec<(u16, Vec<EpochItem>)>,
    rejected: BTreeSet<Hash>,
    /// Transactions in this epoch.
    seen: Vec<EpochTransaction>,
    /// Those of them that are new and rejected.
    newly_rejected: Vec<EpochTransaction>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(spec: &'a ForgeSpec, keys: &Keys) -> Self {
        let message = Message::new(b"the client config");
        Self {
            spec,
            config_shares: (0..spec.guardians).map(|peer| keys.auth.share(peer, message)).collect(),
            accepted: Vec::new(),
            rejected: Vec::new(),
            values: 0,
        }
    }

    /// Makes an epoch of the guardians in `peers`, ascending, each with the shares that it contributes.
    pub(crate) fn epoch(&mut self, peers: Vec<(u16, Vec<[u8; 96]>)>, random: &mut Random) -> Made {
        let with_shares = |(peer, shares): (u16, Vec<[u8; 96]>)| {
            (
                peer,
                shares
                    .into_iter()
                    .map(|share| EpochItem::EpochOutcomeSignatureShare(Box::new(share)))
                    .collect(),
            )
        };
        let mut draft = Draft {
            peers: peers.into_iter().map(with_shares).collect(),
            rejected: BTreeSet::new(),
            seen: Vec::new(),
            newly_rejected: Vec::new(),
        };
        let mean = usize::try_from(self.spec.items_per_epoch).expect("32 bits fit a usize");
        for _ in 0..random.below(2 * mean + 1) {
            let place = random.below(draft.peers.len());
            let item = self.item(draft.peers[place].0, &mut draft, random);
            draft.peers[place].1.push(item);
        }
        self.settle(draft, random)
    }

    fn item(&mut self, peer: u16, draft: &mut Draft, random: &mut Random) -> EpochItem {
        let transaction = match random.below(100) {
            0..=11 => {
                let transaction = self.transaction(random);
                draft.rejected.insert(transaction.txid);
                draft.newly_rejected.push(transaction.clone());
                transaction
            }
            12..=23 if !draft.seen.is_empty() => {
                let mut transaction = random.pick(&draft.seen).clone();
                if random.percent(30) {
                    // The signature is not part of the id: the transaction stays the same.
                    transaction.signature = Some(random.array());
                }
                transaction
            }
            24..=31 if !self.accepted.is_empty() => {
                let transaction = random.pick(&self.accepted).clone();
                draft.rejected.insert(transaction.txid);
                transaction
            }
            32..=36 if !self.rejected.is_empty() => {
                let place = random.below(self.rejected.len());
                self.rejected.swap_remove(place)
            }
            37..=45 => return EpochItem::Module(self.value(random)),
            46 => return EpochItem::ConsensusUpgrade,
            47..=48 => {
                return EpochItem::ClientConfigSignatureShare(Box::new(
                    self.config_shares[usize::from(peer)],
                ));
            }
            _ => self.transaction(random),
        };
        draft.seen.push(transaction.clone());
        EpochItem::Transaction(Box::new(transaction))
    }

    fn transaction(&mut self, random: &mut Random) -> EpochTransaction {
        let inputs: Vec<_> = (0..=random.below(2)).map(|_| self.value(random)).collect();
        let outputs: Vec<_> = (0..=random.below(3)).map(|_| self.value(random)).collect();
        let mut writer = Writer::new(self.spec.layout.dialect);
        writer.list(inputs.iter(), |writer, input| input.encode(writer));
        writer.list(outputs.iter(), |writer, output| output.encode(writer));
        let signature = random.percent(80).then(|| random.array());
        EpochTransaction { txid: sha256(&[writer.as_bytes()]), inputs, outputs, signature }
    }

    fn value(&mut self, random: &mut Random) -> ModuleValue {
        let instance = *random.pick(&self.spec.modules);
        let largest = usize::try_from(self.spec.body_bytes).expect("32 bits fit a usize");
        let mut body = self.values.to_be_bytes().to_vec();
        self.values += 1;
        let more = random.below(largest.saturating_sub(body.len()) + 1);
        body.extend(random.bytes(more));
        ModuleValue { instance, body }
    }

    /// Processes the epoch as the servers did: by peer, then by item; the first of a kind counts.
    fn settle(&mut self, draft: Draft, random: &mut Random) -> Made {
        let contributions: Vec<Contribution> = draft
            .peers
            .into_iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(peer, items)| Contribution { peer, items })
            .collect();
        let mut done = BTreeSet::new();
        let mut accepted = Vec::new();
        let mut repeated = 0;
        for item in contributions.iter().flat_map(|contribution| &contribution.items) {
            let EpochItem::Transaction(transaction) = item else {
                continue;
            };
            if draft.rejected.contains(&transaction.txid) {
                continue;
            }
            if done.insert(transaction.txid) {
                accepted.push(transaction.as_ref().clone());
            } else {
                repeated += 1;
            }
        }
        remember(&mut self.accepted, &accepted, random);
        remember(&mut self.rejected, &draft.newly_rejected, random);
        let rejected = draft.rejected.into_iter().collect();
        Made { content: EpochContent { contributions, rejected }, accepted, repeated }
    }
}

fn remember(memory: &mut Vec<EpochTransaction>, more: &[EpochTransaction], random: &mut Random) {
    for transaction in more {
        if memory.len() < REMEMBERED {
            memory.push(transaction.clone());
        } else {
            let place = random.below(REMEMBERED);
            memory[place] = transaction.clone();
        }
    }
}
