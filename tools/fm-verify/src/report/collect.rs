//! The data of a report, collected while the audit runs.
//!
//! Invariant: memory is bounded, whatever the history holds: a fixed number of buckets, guardians, modules
//! and findings, and a count of the rest.

use std::collections::BTreeMap;

use fm_audit::{Attention, Audited, AuditedBlock, AuditedEpoch, DecodedBlock, DecodedEpoch, OldSession};
use fm_history::{
    BlockContent, Code, EpochItem, Finding, Folds, PeerId, Severity, SignatureState, accepted_transactions,
};

use super::buckets::{Buckets, State};
use super::guardians::Presence;
use super::modules::ModuleCounts;

/// The number of guardians that are counted separately; the others are counted together.
const MOST_GUARDIANS: usize = 64;
/// The number of findings of each severity that are listed.
const MOST_FINDINGS: usize = 200;
/// The word for an accepted transaction.
const TRANSACTION: &str = "transaction";

/// The first findings of each severity, and the count of all.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) listed: [Vec<Finding>; 3],
    pub(super) counts: BTreeMap<(std::cmp::Reverse<Severity>, Code), u64>,
    /// Findings that follow from others, listed under these.
    pub(super) folds: Folds,
}

/// Collects what an audit passes to it.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) buckets: Buckets,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) signers: BTreeMap<PeerId, Presence>,
    pub(super) authors: BTreeMap<PeerId, Presence>,
    /// Signatures and items of guardians beyond those that are counted separately.
    pub(super) strangers: u64,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) modules: BTreeMap<u16, ModuleCounts>,
    pub(super) findings: Findings,
}

impl Collector {
    /// Creates a collector for a history whose first audited epoch or session is this one.
    pub(super) fn starting_at(from: u64) -> Self {
        Self { buckets: Buckets::starting_at(from), ..Self::default() }
    }

    pub(super) fn on_finding(&mut self, finding: &Finding) {
        let findings = &mut self.findings;
        if findings.folds.take(finding) {
            return;
        }
        *findings.counts.entry((std::cmp::Reverse(finding.severity), finding.code)).or_default() += 1;
        let listed = &mut findings.listed[finding.severity as usize];
        if listed.len() < MOST_FINDINGS {
            listed.push(finding.clone());
        }
        if let Some(index) = finding.place.index() {
            self.buckets.mark(index, finding.severity);
        }
    }

    pub(super) fn on_session(&mut self, session: &OldSession<'_>) {
        let record = match session.audited {
            Audited::Epoch(epoch) => self.of_epoch(epoch),
            Audited::Block(block) => self.of_block(block),
        };
        self.add(session.index, record);
    }

    fn add(&mut self, index: u64, record: Record) {
        let ordinal = self.records;
        self.records += 1;
        let bucket = self.buckets.next(index);
        bucket.records += 1;
        bucket.items += record.items;
        bucket.states[record.state as usize] += 1;
        let strangers = &mut self.strangers;
        for (peers, seen, counts) in [
            (record.signers, &mut self.signers, &mut bucket.signers),
            (record.authors, &mut self.authors, &mut bucket.authors),
        ] {
            for peer in peers {
                if !seen.contains_key(&peer) && seen.len() >= MOST_GUARDIANS {
                    *strangers += 1;
                    continue;
                }
                *counts.entry(peer).or_default() += 1;
                seen.entry(peer).or_default().see(ordinal, index);
            }
        }
    }

    fn of_epoch(&mut self, audited: &AuditedEpoch) -> Record {
        let Ok(decoded) = &audited.decoded else { return Record::damaged() };
        let mut record = Record { state: epoch_state(decoded), ..Record::damaged() };
        let Some(content) = &decoded.epoch.content else { return record };
        for contribution in &content.contributions {
            record.authors.push(contribution.peer);
            let is_share = |item: &EpochItem| matches!(item, EpochItem::EpochOutcomeSignatureShare(_));
            if contribution.items.iter().any(is_share) {
                record.signers.push(contribution.peer);
            }
            record.items += contribution.items.iter().filter(|item| !is_share(item)).count() as u64;
            contribution.items.iter().for_each(|item| self.count_epoch_item(item));
        }
        let is_transaction = |item: &EpochItem| matches!(item, EpochItem::Transaction(_));
        let proposed = content.items_in_order().filter(|(.., item)| is_transaction(item)).count() as u64;
        let accepted = accepted_transactions(content);
        for transaction in &accepted {
            transaction.inputs.iter().for_each(|part| self.module(part.instance).inputs += 1);
            transaction.outputs.iter().for_each(|part| self.module(part.instance).outputs += 1);
        }
        self.count_kind(TRANSACTION, accepted.len() as u64);
        self.count_kind("transaction, rejected or repeated", proposed - accepted.len() as u64);
        record.sorted()
    }

    fn count_epoch_item(&mut self, item: &EpochItem) {
        let kind = match item {
            EpochItem::ConsensusUpgrade => "vote to stop for an upgrade",
            EpochItem::ClientConfigSignatureShare(_) => "share of the client config's signature",
            EpochItem::EpochOutcomeSignatureShare(_) => "share of the signature on the epoch before",
            // The acceptance of an epoch's transactions follows only from all of them together.
            EpochItem::Transaction(_) => return,
            EpochItem::Module(part) => {
                self.module(part.instance).items += 1;
                "module item"
            }
        };
        self.count_kind(kind, 1);
    }

    fn count_kind(&mut self, kind: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        *self.kinds.entry(kind).or_default() += count;
    }

    fn of_block(&mut self, audited: &AuditedBlock) -> Record {
        self.bytes += audited.record.len() as u64;
        let Ok(decoded) = &audited.decoded else { return Record::damaged() };
        let block = &decoded.block;
        block.items.iter().for_each(|item| self.count_block_item(&item.content));
        Record {
            state: block_state(decoded),
            items: block.items.len() as u64,
            signers: block.signatures.keys().copied().collect(),
            authors: block.items.iter().map(|item| item.peer).collect(),
        }
        .sorted()
    }

    fn count_block_item(&mut self, content: &BlockContent) {
        let kind = match content {
            BlockContent::Opaque(_) => "opaque bytes",
            BlockContent::ClientConfigSignatureShare(_) => "share of the client config's signature",
            BlockContent::Transaction(transaction) => {
                transaction.inputs.iter().for_each(|part| self.module(part.instance).inputs += 1);
                transaction.outputs.iter().for_each(|part| self.module(part.instance).outputs += 1);
                TRANSACTION
            }
            BlockContent::Module(part) => {
                self.module(part.instance).items += 1;
                "module item"
            }
            BlockContent::Unknown { .. } => "item of an unknown kind",
        };
        self.count_kind(kind, 1);
    }

    fn module(&mut self, instance: u16) -> &mut ModuleCounts {
        self.modules.entry(instance).or_default()
    }

    /// Ends the history.
    pub(super) fn finish(&mut self) {
        self.buckets.finish();
        let records = self.records;
        self.signers.values_mut().chain(self.authors.values_mut()).for_each(|seen| seen.end(records));
    }
}

/// The facts of one record that are counted.
struct Record {
    state: State,
    items: u64,
    signers: Vec<PeerId>,
    authors: Vec<PeerId>,
}

impl Record {
    fn damaged() -> Self {
        Self { state: State::Damaged, items: 0, signers: Vec::new(), authors: Vec::new() }
    }

    /// Removes repeated guardians.
    fn sorted(mut self) -> Self {
        for peers in [&mut self.signers, &mut self.authors] {
            peers.sort_unstable();
            peers.dedup();
        }
        self
    }
}

fn epoch_state(decoded: &DecodedEpoch) -> State {
    match decoded.facts.signature {
        // The signature is over the hash that the record claims.
        SignatureState::Valid if decoded.facts.computed_hash != decoded.facts.stored_hash => State::Bad,
        SignatureState::Valid if decoded.attention == Attention::Trusted => State::Trusted,
        SignatureState::Valid => State::Signed,
        SignatureState::Absent => State::Unsigned,
        SignatureState::Unchecked => State::Unchecked,
        SignatureState::Invalid | SignatureState::Malformed(_) => State::Bad,
    }
}

fn block_state(decoded: &DecodedBlock) -> State {
    match decoded.is_signed {
        Some(true) if decoded.attention == Attention::Trusted => State::Trusted,
        Some(true) => State::Signed,
        None if !decoded.block.signatures.is_empty() => State::Unchecked,
        Some(false) | None => State::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fm_history::Place;

    fn record(items: u64, signers: &[PeerId]) -> Record {
        Record { state: State::Signed, items, signers: signers.to_vec(), authors: Vec::new() }
    }

    #[test]
    fn a_million_findings_are_counted_and_few_are_kept() {
        let mut collector = Collector::default();
        collector.add(0, record(1, &[]));
        for index in 0..1_000_000 {
            collector.on_finding(&Finding::new(Code::UnknownPrefix, Place::session(index % 2), "x"));
        }
        let error = Finding::new(Code::SessionUnsigned, Place::session(0), "the one that counts");
        collector.on_finding(&error);
        collector.finish();
        assert_eq!(collector.findings.listed[Severity::Warning as usize].len(), MOST_FINDINGS);
        assert_eq!(collector.findings.listed[Severity::Error as usize], [error]);
        assert_eq!(collector.findings.counts.values().sum::<u64>(), 1_000_001);
        let bucket = &collector.buckets.list[0];
        assert_eq!((bucket.errors, bucket.warnings), (1, 1_000_000));
    }

    #[test]
    fn strangers_by_the_thousand_are_one_number() {
        let mut collector = Collector::default();
        (0..1000).for_each(|index| collector.add(u64::from(index), record(0, &[index])));
        assert_eq!((collector.signers.len(), collector.strangers), (MOST_GUARDIANS, 936));
    }
}
